"""Data capture: requests and answers of an endpoint, as JSON lines in S3."""

from __future__ import annotations

import base64
import json
import random
import threading
import uuid
from functools import partial
from typing import Any, Final

from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.invocation import Question
from local_aws.sagemaker.model_data import split_uri
from local_aws.sagemaker.store import now

FLUSH_S: Final = 1.0


class Capture:
    """Captures of every endpoint; what has come together goes to S3 once a second and at the end."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._lock = threading.Lock()
        self._random = random.Random(hosting.settings.seed)  # noqa: S311  # to be repeated, not to be secret
        self._lines: dict[tuple[str, str, str], list[str]] = {}

    def record(
        self, region: str, endpoint: Endpoint, variant: str, question: Question, answer: bytes, answer_type: str
    ) -> None:
        """Capture one call, if its endpoint wants that and the draw says so."""
        config = endpoint.config.get("DataCaptureConfig", {})
        if not config.get("EnableCapture"):
            return
        with self._lock:
            if self._random.random() * 100 >= config["InitialSamplingPercentage"]:
                return
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        captured = {}
        if modes & {"Input", "InputAndOutput"}:
            captured["endpointInput"] = _side("INPUT", config, question.body, question.content_type or "")
        if modes & {"Output", "InputAndOutput"}:
            captured["endpointOutput"] = _side("OUTPUT", config, answer, answer_type)
        metadata = {"eventId": str(uuid.uuid4()), "inferenceTime": f"{now():%Y-%m-%dT%H:%M:%SZ}"}
        line = json.dumps({"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"})
        target = f"{config['DestinationS3Uri'].rstrip('/')}/{endpoint.name}/{variant}"
        with self._lock:
            self._lines.setdefault((region, target, config.get("KmsKeyId", "")), []).append(line)

    def run(self) -> None:
        """Write now and then, until all is to end."""
        while not self._hosting.ending.wait(FLUSH_S):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write what has come together."""
        with self._lock:
            batches, self._lines = self._lines, {}
        for (region, target, key_id), lines in batches.items():
            # Each by itself: where one cannot be written, its bucket being gone, the others are.
            self._hosting.guard(f"capture to {target}", partial(self._write, region, target, key_id, lines))()

    def _write(self, region: str, target: str, key_id: str, lines: list[str]) -> None:
        moment = now()
        bucket, prefix = split_uri(target)
        name = f"{moment:%Y/%m/%d/%H/%M-%S}-{moment.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
        body = "".join(f"{line}\n" for line in lines).encode()
        self._hosting.client("s3", region).put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=body, **encryption)


def _side(mode: str, config: dict[str, Any], body: bytes, content_type: str) -> dict[str, str]:
    known = config.get("CaptureContentTypeHeader", {})
    bare = content_type.partition(";")[0].strip().lower()
    encoding = "BASE64"
    for name, types in (("CSV", known.get("CsvContentTypes", [])), ("JSON", known.get("JsonContentTypes", []))):
        if bare in types:
            encoding = name
    data = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode(errors="replace")
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}
