"""Batch transform in this process: our serving code behind the service's rules for files, requests and outputs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.batch.tasks import TaskError
from tests.support.fake_encoder import FakeEncoder

from jina_v3.config import Config
from jina_v3.serving.codecs import read_request, write_response
from jina_v3.serving.exchange import Prediction


class FileFaultError(Exception):
    """One file cannot be transformed; the others can."""


@dataclass
class TransformService:
    """``before_job`` may raise a ``TaskError``; ``before_file`` a ``FileFaultError``, or return another output."""

    s3: Any
    before_job: Callable[[int], None] = lambda _number: None
    before_file: Callable[[int, str, bytes], bytes | None] = lambda _number, _key, _out: None
    requests: list[dict[str, Any]] = field(default_factory=list)
    kept_prefix: str = ""
    job_s: int = 100

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        number = len(self.requests)
        assert request["TransformJobName"] not in {one["TransformJobName"] for one in self.requests}
        assert len(request["TransformJobName"]) <= 63
        assert request["MaxPayloadInMB"] * request["MaxConcurrentTransforms"] <= 100
        self.requests.append(request)
        self.before_job(number)
        start = 1_800_000_000_000 + number * 1_000_000
        job = {
            "TransformJobName": request["TransformJobName"],
            "TransformResources": request["TransformResources"],
            "TransformStartTime": start,
            "TransformEndTime": start + self.job_s * 1000,
        }
        failures = [reason for key in self._keys(request) if (reason := self._file(number, request, *key))]
        if failures:
            cause = {**job, "TransformJobStatus": "Failed", "FailureReason": failures[0]}
            raise TaskError("States.TaskFailed", json.dumps(cause))
        return {**job, "TransformJobStatus": "Completed"}

    def _keys(self, request: dict[str, Any]) -> list[tuple[str, str, str]]:
        bucket, key = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"][5:].split("/", 1)
        head, *names = json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        source, _, prefix = head["prefix"][5:].partition("/")
        return [(source, prefix, name) for name in names]

    def _file(self, number: int, request: dict[str, Any], bucket: str, prefix: str, name: str) -> str | None:
        given, wanted = request["TransformInput"], request["TransformOutput"]
        body = self.s3.get_object(Bucket=bucket, Key=prefix + name)["Body"].read()
        try:
            if given["CompressionType"] == "Gzip":
                body = gzip.decompress(body)
            if given["SplitType"] == "Line":
                parts = self._split(body, request["MaxPayloadInMB"] * 2**20)
                out = b"".join(self._invoke(request, part) for part in parts)
            else:
                assert "BatchStrategy" not in request
                out = self._invoke(request, body)
            changed = self.before_file(number, name, out)
        except FileFaultError as fault:
            return str(fault)
        except EOFError:
            return "ClientError: See job logs for more information"
        to_bucket, _, to_prefix = wanted["S3OutputPath"][5:].partition("/")
        key = f"{to_prefix}/{self.kept_prefix}{name}.out".lstrip("/")
        self.s3.put_object(Bucket=to_bucket, Key=key, Body=out if changed is None else changed)
        return None

    @staticmethod
    def _split(body: bytes, most: int) -> list[bytes]:
        parts = [b""]
        for line in _lines(body):
            if len(line) > most:
                raise FileFaultError("ClientError: a record is larger than MaxPayloadInMB")
            if len(parts[-1]) + len(line) > most:
                parts.append(b"")
            parts[-1] += line
        return parts

    @staticmethod
    def _invoke(request: dict[str, Any], body: bytes) -> bytes:
        config = Config.from_environment({**request["Environment"], "SAGEMAKER_BATCH": "true"})
        read = read_request(body, request["TransformInput"]["ContentType"], config)
        prediction = Prediction(read, tuple(FakeEncoder().encode_jobs(read.jobs)))
        return write_response(prediction, request["TransformOutput"]["Accept"])[0]


def _lines(body: bytes) -> list[bytes]:
    parts = body.split(b"\n")
    ended = [part + b"\n" for part in parts[:-1]]
    return ended + ([parts[-1]] if parts[-1] else [])
