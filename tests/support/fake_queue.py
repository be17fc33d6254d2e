"""S3 and asynchronous endpoints without a network, for the client: what boto3's clients of both would do."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from jina_v3_client._aws.access import Access
from jina_v3_client._texts.answering import reply


class NoSuchKeyError(ClientError):
    """What S3 says of an object that is not there."""

    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "NoSuchKey", "Message": "it does not exist"}}, "GetObject")


class FakeQueue(Access):
    """The way to an account with one bucket, whose asynchronous endpoints answer at the second look.

    ``before(operation, arguments)`` may raise what the service would.
    """

    def __init__(self, before: Callable[[str, dict[str, Any]], None] = lambda *_: None) -> None:
        super().__init__(region="us-east-1")
        self.objects: dict[str, bytes] = {}
        self.invoked: list[dict[str, Any]] = []
        self.exceptions = SimpleNamespace(NoSuchKey=NoSuchKeyError)
        self._before = before
        self._due: dict[str, tuple[str, bytes]] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None = None, **_: Any) -> Any:
        assert service in ("s3", "sagemaker-runtime")
        return self

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        self._before("put", {"Key": Key})
        self.objects[f"s3://{Bucket}/{Key}"] = Body

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        self._before("delete", {"Key": Key})
        self.objects.pop(f"s3://{Bucket}/{Key}", None)

    def invoke_endpoint_async(self, **asked: Any) -> dict[str, str]:
        self._before("invoke", asked)
        answer = reply(self.objects[asked["InputLocation"]], asked["ContentType"], max_tokens=20)
        places = {kind: asked["InputLocation"].replace("/inputs/", f"/{kind}/") for kind in ("outputs", "failures")}
        with self._lock:
            self.invoked.append(asked)
            self._due[places["outputs"]] = places["outputs" if answer.status == 200 else "failures"], answer.body
        return {"OutputLocation": places["outputs"], "FailureLocation": places["failures"]}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        self._before("get", {"Key": Key})
        place = f"s3://{Bucket}/{Key}"
        with self._lock:
            if place in self.objects:
                return {"Body": io.BytesIO(self.objects[place])}
            if place in self._due:  # there from the next look on
                there, body = self._due.pop(place)
                self.objects[there] = body
        raise NoSuchKeyError
