"""``python -m local_aws``: the local AWS as a process of its own, until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local_aws.errors import LocalAwsError
from local_aws.settings import REGIONS, Settings

_EPILOG: Final = """\
how to use it:
  python -m local_aws --port 5005 &
  export AWS_ENDPOINT_URL=http://localhost:5005 ...      (the lines that it prints)
  python -c "import boto3; print(boto3.client('sts').get_caller_identity())"
  aws s3 mb s3://a-bucket && aws cloudformation list-stacks
  cdk bootstrap aws://123456789012/us-east-1 && cdk deploy --require-approval never
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the local AWS until it is told to end; return the process's exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        if options.state is not None:
            _serve(options, Path(options.state).expanduser().resolve(), ended)
        else:
            with tempfile.TemporaryDirectory(prefix="local-aws-") as folder:
                _serve(options, Path(folder), ended)
    except (LocalAwsError, ValueError) as error:
        print(f"local_aws: {error}", file=sys.stderr)  # noqa: T201  # a command's words to its user
        return 1
    return 0


def _serve(options: argparse.Namespace, state: Path, ended: threading.Event) -> None:
    from local_aws.server import LocalAws  # here, so that --help and a wrong option need not wait for moto

    settings = Settings(state_folder=state, host=options.host, port=options.port, waiting=options.waiting)
    state.mkdir(parents=True, exist_ok=True)
    with LocalAws(settings) as aws:
        if options.verbose:
            logging.getLogger("werkzeug").setLevel(logging.INFO)
        lines = [f"export {name}={shlex.quote(value)}" for name, value in aws.environment(options.region).items()]
        print("\n".join(lines), flush=True)  # noqa: T201  # what a shell reads
        print(f"local AWS at {aws.url}, state in {state}; Ctrl-C ends it", file=sys.stderr, flush=True)  # noqa: T201
        ended.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_aws",
        description="AWS on this machine: CloudFormation, SageMaker, S3, ECR, CodeBuild and what they need.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="loopback only (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5005, help="0 for any that is free (default: %(default)s)")
    parser.add_argument(
        "--region", default=REGIONS[0], help="the region of the printed variables (default: %(default)s)"
    )
    parser.add_argument(
        "--state", metavar="FOLDER", help="where images and logs are kept (default: one that is removed)"
    )
    parser.add_argument(
        "--waiting", type=float, default=0.01, help="scales times that are only waited for (default: %(default)s)"
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
