"""S3 and an asynchronous endpoint in memory, as boto3's clients; answers come after so many looks."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from jina_v3_client._texts.answering import reply


class NoSuchKeyError(ClientError):
    """What S3 says of what is not there."""


class AsynchronousAws:
    """What an ``Access`` is asked for here; ``failure(texts)`` may give the body of a failure object."""

    def __init__(self, *, looks: int = 2, failure: Any = lambda _texts: None) -> None:
        self.objects: dict[str, bytes] = {}
        self.calls: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.refused: dict[str, str] = {}  # by operation, the error code
        self.exceptions = SimpleNamespace(NoSuchKey=NoSuchKeyError)
        self._looks, self._failure = looks, failure
        self._waiting: dict[str, tuple[int, bytes]] = {}

    def client(self, service: str, region: str | None = None) -> AsynchronousAws:
        assert (service, region) in {("s3", "eu-west-1"), ("sagemaker-runtime", "eu-west-1")}
        return self

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        self._meet("PutObject")
        assert ContentType in ("application/json", "application/jsonlines")
        self.objects[f"s3://{Bucket}/{Key}"] = Body

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        self._meet("DeleteObject")
        self.deleted.append(f"s3://{Bucket}/{Key}")
        self.objects.pop(f"s3://{Bucket}/{Key}", None)

    def invoke_endpoint_async(self, **call: Any) -> dict[str, str]:
        self._meet("InvokeEndpointAsync")
        number = len(self.calls)
        self.calls.append(call)
        body = self.objects[call["InputLocation"]]
        output, failed = f"s3://results/out/{number}.out", f"s3://results/failed/{number}.out"
        failure = self._failure(body)
        answer = reply(body, call["ContentType"], max_tokens=8)
        if failure is None and answer.status != 200:
            failure = answer.body
        place, content = (output, answer.body) if failure is None else (failed, failure)
        self._waiting[place] = (self._looks, content)
        return {"OutputLocation": output, "FailureLocation": failed}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        self._meet("GetObject")
        place = f"s3://{Bucket}/{Key}"
        looks, content = self._waiting.get(place, (10**9, b""))
        if looks == 0:
            self.objects[place] = content
            return {"Body": io.BytesIO(content)}
        self._waiting[place] = (looks - 1, content)
        raise NoSuchKeyError({"Error": {"Code": "NoSuchKey", "Message": ""}}, "GetObject")

    def _meet(self, operation: str) -> None:
        if operation in self.refused:
            message = "Endpoint later of account 123456789012 not found."
            raise ClientError({"Error": {"Code": self.refused[operation], "Message": message}}, operation)


def failure_of(code: str) -> bytes:
    """A container's error."""
    return json.dumps({"error": {"code": code, "message": "it cannot be", "field": "body"}}).encode()
