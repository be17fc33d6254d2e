"""As much of the AWS CLI as the pages use, by boto3: what an operation takes is botocore's model, as in the CLI."""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from tests.support.commands import GLOBAL, WrongError, aws, aws_members, aws_operation


def run(words: list[str]) -> None:
    """Make one call, and print its answer."""
    aws(words, True)
    service, name, *rest = words
    if service == "s3":
        s3(name, rest)
    elif (service, name) == ("logs", "tail"):
        events = boto3.client("logs").filter_log_events(logGroupName=rest[0])["events"]
        print("\n".join(event["message"] for event in events))
    else:
        operation = aws_operation(service, name)
        parameters, others = read(operation, rest)
        client = boto3.client(service)
        try:
            answer = client._make_api_call(operation.name, parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] != "UnknownOperationException":
                raise
            print(f"the local AWS lacks {operation.name}; botocore has taken {parameters}")
            return
        answer.pop("ResponseMetadata")
        for path in others:  # the CLI's file for a body
            Path(path).write_bytes(next(value for value in answer.values() if hasattr(value, "read")).read())
        print(json.dumps(answer, default=str, indent=4))


def read(operation: Any, words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Return a request, and the words that are no option's."""
    members, parameters, others = aws_members(operation), {}, []
    while words:
        option = words.pop(0)
        if not option.startswith("--"):
            others.append(option)
            continue
        values = []
        while words and not words[0].startswith("--") and (not values or takes_many(operation, members.get(option))):
            values.append(words.pop(0))
        if option in members:
            parameters[members[option]] = value_of(operation.input_shape.members[members[option]], values)
        elif option == "--max-items":
            parameters["MaxRecords"] = int(values[0])
        elif option not in GLOBAL:
            raise WrongError(option)
    return parameters, others


def takes_many(operation: Any, member: str | None) -> bool:
    return member is not None and operation.input_shape.members[member].type_name == "list"


def value_of(shape: Any, values: list[str]) -> Any:
    """Read what the CLI's user has written: JSON, shorthand, or a plain value."""
    if shape.type_name == "list":
        return [value_of(shape.member, [value]) for value in values]
    (value,) = values
    if shape.type_name == "structure":
        if value.startswith("{"):
            return json.loads(value)
        pairs = dict(pair.split("=", 1) for pair in value.split(","))
        return {key: value_of(shape.members[key], [one]) for key, one in pairs.items()}
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name == "timestamp":
        return value
    return value.encode() if shape.type_name == "blob" else value


def s3(name: str, words: list[str]) -> None:
    client = boto3.client("s3")
    paths = [word for word in words if not word.startswith("--")]
    if name == "ls":
        bucket, key = place(paths[0])
        for found in client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", []):
            print(found["LastModified"], found["Size"], found["Key"])
    elif paths[0].startswith("s3://"):
        bucket, key = place(paths[0])
        sys.stdout.buffer.write(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    else:
        bucket, key = place(paths[1])
        for path in Path(paths[0]).rglob("*"):
            if path.is_file():
                client.upload_file(str(path), bucket, key + str(path.relative_to(paths[0])))


def place(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
