"""``python -m jina_v3_infra.publish``: for those who deploy the stacks in another way."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError

from jina_v3_infra.config import Deployment, DeploymentError, read_deployment, second_deployment
from jina_v3_infra.outputs import Foundation, Origin, read_foundation
from jina_v3_infra.publish import Published, PublishError, publish
from jina_v3_infra.publish.errors import explained


def main(arguments: list[str] | None = None) -> int:
    """Publish what a configuration names and print the image's and the model's URI."""
    parser = argparse.ArgumentParser(
        prog="python -m jina_v3_infra.publish",
        description="Bring the model and the image of a deployment into the account whose foundation stack is there. "
        "What is there already is left alone, and what was broken off is gone on with.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the deployment, as TOML or YAML")
    parser.add_argument(
        "-c", dest="overrides", action="append", default=[], metavar="PLACE=VALUE", help="override a setting"
    )
    parser.add_argument("--quiet", action="store_true", help="tell errors only, and the result")
    options = parser.parse_args(arguments)
    try:
        deployment = read_deployment(options.config, options.overrides)
        session = boto3.Session(region_name=deployment.region)
        for published in _publish_everywhere(deployment, session, progress=not options.quiet):
            uris = (published.image_uri, published.model_uri, published.archive_uri)
            print("\n".join(uri for uri in uris if uri is not None))  # noqa: T201  # the command's result
    except (BotoCoreError, DeploymentError, PublishError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  # a command's message
        return 1
    except KeyboardInterrupt:
        print("stopped: run this again to go on from what has arrived", file=sys.stderr)  # noqa: T201
        return 130
    return 0


def _publish_everywhere(deployment: Deployment, session: boto3.Session, *, progress: bool) -> Iterator[Published]:
    """Publish to the region, and to the second one where there is one."""
    foundation = _find_foundation(deployment, session)
    yield publish(deployment, foundation, session, progress=progress)
    second = second_deployment(deployment)
    if second is not None:
        origin = Origin(region=deployment.region, bucket=foundation.bucket)
        yield publish(second, _find_foundation(second, session), session, origin=origin, progress=progress)


def _find_foundation(deployment: Deployment, session: boto3.Session) -> Foundation:
    stack = deployment.foundation_stack
    with explained("cloudformation", f"stack {stack}"):
        foundation = read_foundation(session.client("cloudformation", region_name=deployment.region), stack)
    if foundation is None:
        raise PublishError(f"there is no whole stack {stack} in {deployment.region}: deploy the foundation first")
    return foundation


if __name__ == "__main__":
    sys.exit(main())
