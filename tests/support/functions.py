"""Lambda functions for tests: one handler that does what its event says, and functions made of it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from local_aws.server import LocalAws

ROLE = "arn:aws:iam::123456789012:role/runs-functions"
CODE = """
import json, os, sys, time

started = {"pid": os.getpid()}
print("loaded")

def handler(event, context):
    what = event.get("do")
    if what == "fail":
        raise ValueError("no such thing as " + event["what"])
    if what == "sleep":
        time.sleep(event["s"])
    if what == "hold":
        open(f"{event['begun']}-{os.getpid()}", "w").close()
        while not os.path.exists(event["until_file"]):
            time.sleep(0.01)
    if what == "exit":
        os._exit(3)
    if what == "print":
        print(event["text"])
        print("an error line", file=sys.stderr)
    if what == "big":
        return "x" * event["bytes"]
    if what == "unwritable":
        return {1, 2}
    if what == "import":
        __import__(event["module"])
    if what == "s3":
        import boto3
        s3 = boto3.client("s3")
        s3.put_object(Bucket=event["bucket"], Key="made", Body=b"by a function")
        return s3.get_object(Bucket=event["bucket"], Key="made")["Body"].read().decode()
    return {
        "event": event,
        "pid": started["pid"],
        "environment": dict(os.environ),
        "remaining_ms": context.get_remaining_time_in_millis(),
        "name": context.function_name,
        "request": context.aws_request_id,
        "arn": context.invoked_function_arn,
    }
"""


def pack(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return packed.getvalue()


def prepare(aws: LocalAws) -> None:
    """Make the role and the bucket that functions need."""
    aws.client("s3", "us-east-1").create_bucket(Bucket="code")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    aws.client("iam", "us-east-1").create_role(RoleName="runs-functions", AssumeRolePolicyDocument=document)


class Lambda:
    """Functions made from one bucket, and deleted at the end."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.api, self.s3, self.logs = (aws.client(service, "us-east-1") for service in ("lambda", "s3", "logs"))
        self.names: list[str] = []

    def make(self, name: str, code: bytes = pack(main=CODE), **settings: Any) -> str:
        self.s3.put_object(Bucket="code", Key=f"{name}.zip", Body=code)
        settings = {"Runtime": "python3.13", "Timeout": 120, "Handler": "main.handler"} | settings
        self.api.create_function(
            FunctionName=name, Role=ROLE, Code={"S3Bucket": "code", "S3Key": f"{name}.zip"}, **settings
        )
        self.names.append(name)
        return name

    def call(self, name: str, event: Any = None, **more: Any) -> tuple[Any, dict[str, Any]]:
        answer = self.api.invoke(FunctionName=name, Payload=json.dumps(event or {}).encode(), **more)
        return json.loads(answer["Payload"].read() or b"null"), answer

    def fail(self, name: str, event: Any) -> dict[str, Any]:
        payload, answer = self.call(name, event)
        assert answer["FunctionError"] == "Unhandled"
        assert answer["StatusCode"] == 200
        return dict(payload)

    def lines(self, group: str) -> list[str]:
        return [event["message"] for event in self.logs.filter_log_events(logGroupName=group)["events"]]
