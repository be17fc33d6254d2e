"""The services that the state machine calls: the real steps of the function, and transform jobs that sometimes fail."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.batch.limits import LAMBDA_S, LimitReachedError
from benchmarks.batch.memory_s3 import MemoryS3
from benchmarks.batch.tasks import Done, TaskError
from jina_v3_batch.errors import BatchError
from jina_v3_batch.function import take_step
from jina_v3_batch.settings import Settings
from jina_v3_batch.store import Store

DIMENSIONS: Final = 1024
LINES: Final = 3
"""Of a shard that are really there, and really verified."""

_BUCKET: Final = "simulated"
_CALL_S: Final = 0.02
_EPOCH_MS: Final = 1_767_225_600_000  # as Step Functions writes times
READ_BYTES_PER_S: Final = 40_000_000
"""Of a call that verifies: below what docs/log.md measured for it."""

TOKENS: Final = 230
"""Of a document of the default size, at 3.5 bytes a token."""

START_S: Final = 360
"""Until the machines of a job answer: an estimate, not measured."""

_VECTOR: Final = base64.b64encode(bytes(4 * DIMENSIONS)).decode()
_TEXT: Final = "The harbour wakes before the town does. "


FOLDER: Final = "batch/datasets/all/"


def shard_key(shard: int) -> str:
    """Return a shard's key in its folder."""
    return f"{shard // 1000:03d}/part-{shard:06d}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """So many shards of so many documents, each of so many bytes of text."""

    shards: int
    documents: int
    text_bytes: int = 800

    @property
    def shard_bytes(self) -> int:
        """How large a shard is."""
        return self.documents * len(self.line(0, 0))

    @property
    def output_bytes(self) -> int:
        """How large its output is."""
        return self.documents * len(self.output(0)()) // LINES

    def line(self, shard: int, number: int) -> bytes:
        """Return a record."""
        text = (_TEXT * (self.text_bytes // len(_TEXT) + 1))[: self.text_bytes]
        return json.dumps({"id": f"{shard:06d}-{number}", "text": text}).encode() + b"\n"

    def body(self, shard: int) -> Callable[[], bytes]:
        """Return what makes a shard's lines."""
        return lambda: b"".join(self.line(shard, number) for number in range(LINES))

    def output(self, shard: int) -> Callable[[], bytes]:
        """Return what makes the lines of a shard's output."""
        lines = ({"id": f"{shard:06d}-{number}", "embedding": _VECTOR, "tokens": TOKENS} for number in range(LINES))
        written = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        return lambda: written


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """How often what goes wrong, of calls, of jobs or of files.

    ``poison`` are files that fail each time; with ``aborts`` a failing file ends its whole job.
    """

    throttled: float = 0.05
    no_capacity: float = 0.05
    machine_lost: float = 0.05
    file_fails: float = 0.0005
    poison: frozenset[str] = frozenset()
    aborts: bool = False


@dataclass(slots=True)
class World:
    """One account. ``longest_call_s`` and ``called_s`` are of the function."""

    settings: Settings
    dataset: Dataset
    troubles: Troubles = field(default_factory=Troubles)
    seed: int = 0
    s3: MemoryS3 = field(default_factory=MemoryS3)
    longest_call_s: float = 0.0
    called_s: float = 0.0
    jobs: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    _store: Store = field(init=False)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        for shard in range(self.dataset.shards):
            self.s3.put(f"{FOLDER}{shard_key(shard)}", self.dataset.body(shard), self.dataset.shard_bytes)
        self._store = Store(self.s3)
        self._chance = random.Random(self.seed)

    def read_items(self, _bucket: str, key: str) -> list[Any]:
        """Read the items of a distributed Map."""
        items: list[Any] = json.loads(self.s3.get_object(Bucket=_BUCKET, Key=key)["Body"].read())
        return items

    def perform(self, resource: str, parameters: Any) -> Done:
        """Do a task.

        **Raises**: ``TaskError``; ``LimitReachedError`` for a call of the function that takes too long.
        """
        if resource.endswith("lambda:invoke"):
            return self._invoke(parameters["Payload"])
        if resource.endswith("createTransformJob.sync"):
            return self._transform(parameters)
        return Done({}, _CALL_S)

    def _invoke(self, event: Mapping[str, Any]) -> Done:
        calls, read = self.s3.calls, self.s3.bytes_read

        def taken_s() -> float:
            return (self.s3.calls - calls) * _CALL_S + (self.s3.bytes_read - read) / READ_BYTES_PER_S

        try:
            result = take_step(self.settings, self._store, event, lambda: LAMBDA_S - taken_s())
        except BatchError as error:
            raise TaskError(type(error).__name__, str(error)) from None
        self.called_s += taken_s()
        self.longest_call_s = max(self.longest_call_s, taken_s())
        if taken_s() > LAMBDA_S:
            raise LimitReachedError(f"the step {event['step']} took {taken_s():,.0f} s, where {LAMBDA_S:.0f} may be")
        return Done({"Payload": result}, taken_s())

    def _transform(self, request: Mapping[str, Any]) -> Done:
        if self._happens(self.troubles.throttled, "throttled"):
            raise TaskError("SageMaker.ThrottlingException", "Rate exceeded")
        if self._happens(self.troubles.no_capacity, "no capacity"):
            raise self._failed(request, 0.0, "CapacityError: Unable to provision requested ML compute capacity")
        self.jobs += 1
        files = json.loads(self._read(request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]))[1:]
        lost = self._happens(self.troubles.machine_lost, "machine lost")
        tried = files[: len(files) // 2] if lost else files
        failed = {name for name in tried if self._fails(name)}
        if failed and self.troubles.aborts:
            tried = tried[: min(map(tried.index, failed)) + 1]
        self._write(request["TransformOutput"]["S3OutputPath"], set(tried) - failed)
        tokens = len(tried) * self.dataset.documents * TOKENS
        working_s = tokens / self.settings.tokens_per_s / request["TransformResources"]["InstanceCount"]
        if lost:
            raise self._failed(request, working_s, "InternalServerError: We encountered an internal error")
        if failed:
            raise self._failed(request, working_s, "AlgorithmError: See job logs for more information")
        return Done(self._describe(request, "Completed", working_s), START_S + working_s)

    def _fails(self, name: str) -> bool:
        return name in self.troubles.poison or self._happens(self.troubles.file_fails, "file failed")

    def _happens(self, share: float, what: str) -> bool:
        happens = self._chance.random() < share
        if happens:
            self.failures[what] = self.failures.get(what, 0) + 1
        return happens

    def _write(self, place: str, files: set[str]) -> None:
        prefix = place.partition("://")[2].partition("/")[2]
        for name in files:
            shard = int(name.rpartition("-")[2].partition(".")[0])
            self.s3.put(f"{prefix}/{name}.out", self.dataset.output(shard), self.dataset.output_bytes)

    def _read(self, uri: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=_BUCKET, Key=uri.partition("://")[2].partition("/")[2])["Body"].read()
        return body

    def _describe(self, request: Mapping[str, Any], status: str, seconds: float, reason: str = "") -> dict[str, Any]:
        return {
            "TransformJobName": request["TransformJobName"],
            "TransformJobStatus": status,
            "FailureReason": reason,
            "TransformStartTime": _EPOCH_MS,
            "TransformEndTime": _EPOCH_MS + round(seconds * 1000),
            "TransformResources": request["TransformResources"],
        }

    def _failed(self, request: Mapping[str, Any], working_s: float, reason: str) -> TaskError:
        described = self._describe(request, "Failed", working_s, reason)
        return TaskError("States.TaskFailed", json.dumps(described), START_S + working_s)


def settings_of(*, instances: int, jobs: int, usd_per_hour: float, tokens_per_s: float) -> Settings:
    """Return the function's settings for a simulation."""
    return Settings(
        name="simulated",
        bucket=_BUCKET,
        model="simulated",
        instance_type="ml.g6.xlarge",
        instances=instances,
        jobs=jobs,
        attempts=3,
        kms_key="simulated",
        tokens_per_s=tokens_per_s,
        usd_per_hour=usd_per_hour,
    )
