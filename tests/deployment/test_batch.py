"""A dataset through the state machine, by the real CDK and the command that users run, on the local AWS.

Twenty shards, ten thousand lines, a hundred of them bad in ten ways: each record is accounted for, whatever breaks.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.bad_records import Line, make_shards, shard_body

from jina_v3_infra.config import read_deployment
from jina_v3_infra.outputs import Output, read_outputs
from local_aws.server import LocalAws

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REGION = "us-east-1"
DIMENSIONS = 32
CONFIG = """
name = "bulk"
region = "us-east-1"

[model]
source = "{model}"

[endpoint]
enabled = false

[batch]
instance_type = "ml.g6.xlarge"
instances = 2
jobs = 2
attempts = 2
"""

SHARDS = make_shards()


class Bulk:
    """The deployment, and the command on it."""

    def __init__(self, aws: LocalAws, config: Path) -> None:
        self.aws, self.config = aws, config
        self.s3 = aws.client("s3", REGION)

    def infra(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jina_v3_infra.deploy", *words, "--config", str(self.config)]
        environment = os.environ | self.aws.environment(REGION)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)

    @property
    def bucket(self) -> str:
        deployment = read_deployment(self.config)
        outputs = read_outputs(self.aws.client("cloudformation", REGION), deployment.foundation_stack) or {}
        return outputs[Output.BUCKET]

    def put(self, prefix: str, shards: dict[str, list[Line]]) -> str:
        for name, lines in shards.items():
            self.s3.put_object(Bucket=self.bucket, Key=f"batch/datasets/{prefix}/{name}", Body=shard_body(lines))
        return f"s3://{self.bucket}/batch/datasets/{prefix}/"

    def report(self, run: str) -> dict[str, Any]:
        body = self.s3.get_object(Bucket=self.bucket, Key=f"batch/runs/{run}/report.json")["Body"]
        return json.load(body)

    def vectors(self, run: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every record of the results, and the object that it is in."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"batch/vectors/{run}/")
        for page in pages:
            for item in page.get("Contents", []):
                body = self.s3.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read()
                for line in body.splitlines():
                    yield item["Key"], json.loads(line)
