"""What the tests of the local SageMaker do again and again."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local_aws.server import LocalAws
from local_aws.settings import ACCESS_KEY, ACCOUNT, SECRET_KEY

REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/execution"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/tiny:1"
TINY_IMAGE = Path(__file__).parent / "tiny_image"


class Bench:
    """A local AWS with a bucket ``models``, and the tiny image under ``IMAGE``."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        aws.images.register(IMAGE, TINY_IMAGE)
        self.sagemaker = self.connect("sagemaker")
        self.runtime = self.connect("sagemaker-runtime")
        self.s3 = self.connect("s3")
        self.s3.create_bucket(Bucket="models")
        self.put_model("first", {"weights": "one"})

    def connect(self, service: str, region: str = REGION, **changes: Any) -> Any:
        """Make a client that does not try again, so that every failure is seen."""
        settings = {
            "region_name": region,
            "endpoint_url": self.aws.url,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "config": Config(retries={"total_max_attempts": 1}, max_pool_connections=50),
        }
        return boto3.client(service, **{**settings, **changes})

    def put_model(self, name: str, files: dict[str, str]) -> str:
        for path, text in files.items():
            self.s3.put_object(Bucket="models", Key=f"{name}/{path}", Body=text.encode())
        return f"s3://models/{name}/"

    def create_model(self, data: str = "s3://models/first/", **environment: str) -> str:
        name = f"model-{uuid.uuid4().hex[:8]}"
        source = {"S3DataSource": {"S3Uri": data, "S3DataType": "S3Prefix", "CompressionType": "None"}}
        container = {"Image": IMAGE, "ModelDataSource": source, "Environment": environment}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        return name

    def create_config(self, *variants: dict[str, Any], **more: Any) -> str:
        name = f"config-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants), **more)
        return name

    def simple_config(self, data: str = "s3://models/first/", **environment: str) -> str:
        """Make a configuration of one variant ``main`` with a model of its own."""
        return self.create_config(variant(self.create_model(data, **environment)))

    def create_endpoint(self, config: str, *, status: str = "InService", **more: Any) -> str:
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, **more)
        self.wait(name, status)
        return name

    def delete(self, *endpoints: str) -> None:
        for name in endpoints:
            self.sagemaker.delete_endpoint(EndpointName=name)

    def wait(self, name: str, *statuses: str) -> dict[str, Any]:
        """Wait for one of these statuses and return the description."""

        def look() -> dict[str, Any] | None:
            described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
            assert described["EndpointStatus"] != "Failed" or "Failed" in statuses, described
            return described if described["EndpointStatus"] in statuses else None

        return until(look)

    def ask(self, endpoint: str, wish: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """Invoke and return what the tiny container says of itself, with the variant that was invoked."""
        answer = self.runtime.invoke_endpoint(EndpointName=endpoint, Body=json.dumps(wish or {}).encode(), **more)
        said: dict[str, Any] = json.loads(answer["Body"].read())
        return said | {"variant": answer["InvokedProductionVariant"]}

    @contextmanager
    def set_to(self, **changes: Any) -> Iterator[None]:
        """Change settings of the AWS until the context ends.

        ``waiting=1`` is for what a test looks at before a wait is over; the wait is short again afterwards.
        """
        before = self.aws.settings
        self.aws.settings = replace(before, **changes)
        try:
            yield
        finally:
            self.aws.settings = before

    def logged(self, endpoint: str) -> list[str]:
        """Return what CloudWatch Logs has of an endpoint, ``stream: line``."""
        logs = self.connect("logs")
        group = f"/aws/sagemaker/Endpoints/{endpoint}"
        lines = []
        for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
            name = stream["logStreamName"]
            events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]
            lines += [f"{name}: {event['message']}" for event in events]
        return lines


def variant(model: str | None, name: str = "main", **more: Any) -> dict[str, Any]:
    named = {"ModelName": model} if model else {}
    return {"VariantName": name, "InstanceType": "ml.g6.xlarge", "InitialInstanceCount": 1, **named, **more}


def until(look: Callable[[], Any], limit_s: float = 120) -> Any:
    """Return what ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + limit_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return found
