"""What the CDK's command line runs: ``cdk deploy -c config=examples/development.toml -c region=eu-west-1``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from jina_v3_infra.artifact import ArtifactError
from jina_v3_infra.config import DeploymentError, read_deployment
from jina_v3_infra.hub import HubError
from jina_v3_infra.release import plan_release


def read_context(context: dict[str, Any]) -> tuple[Path | None, list[str]]:
    """Return the configuration's file and the overrides among the context; keys of the CDK's own are left."""
    settings = {
        place: value
        for place, value in context.items()
        if ":" not in place and "@" not in place and not place.startswith("aws-cdk")
    }
    config = settings.pop("config", None)
    overrides = [
        f"{place}={value if isinstance(value, str) else json.dumps(value)}" for place, value in settings.items()
    ]
    return (None if config is None else Path(config)), overrides


def main() -> None:
    """Write the templates to where the CDK says."""
    path, overrides = read_context(json.loads(os.environ.get("CDK_CONTEXT_JSON", "{}")))
    try:
        deployment = read_deployment(path, overrides)
        release = plan_release(deployment)
        from jina_v3_infra.stacks.application import build_application  # starts Node: not for a wrong configuration

        build_application(deployment, release=release).synth()
    except (DeploymentError, HubError, ArtifactError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
