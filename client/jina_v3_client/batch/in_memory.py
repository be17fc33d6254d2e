"""Batch runs without an account, a machine or a network, for tests of what submits them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jina_v3.contract import MODEL_DIMENSIONS
from jina_v3.record_fields import RecordFields
from jina_v3_client._texts.answering import reply
from jina_v3_client._texts.requests import JSON_LINES
from jina_v3_client.batch.client import BatchClient
from jina_v3_client.batch.outputs import OutputFile, Outputs
from jina_v3_client.batch.places import VECTORS, Place
from jina_v3_client.batch.service import RunRequest
from jina_v3_client.batch.status import BatchStatus
from jina_v3_client.batch.store import Store, Stored
from jina_v3_client.errors import BatchError, ConfigurationError, EndpointNotFoundError

_BUCKET: Final = "in-memory"
_PARAMETERS: Final = ("task", "dimensions", "late_chunking", "normalized", "truncate", "embedding_type")


class InMemoryBatchClient(BatchClient):
    """A ``BatchClient`` whose runs end at once; vectors are those of ``InMemoryClient``. It takes JSON lines alone.

    >>> batch = InMemoryBatchClient()
    >>> run = batch.submit(["sunrise", "", "sunset"], dimensions=64, name="docs-1")
    >>> batch.run("docs-1").wait().outcome
    'complete'
    >>> [record.id for record in run.result()], [bad.code for bad in run.result().bad]
    ([0, 2], ['empty_text'])
    """

    def __init__(self) -> None:
        super().__init__(model="in-memory", bucket=_BUCKET)
        store = _InMemoryStore()
        self._service_and_store = _InMemoryRuns(store), store


class _InMemoryStore(Store):
    def __init__(self) -> None:
        super().__init__(None)
        self.objects: dict[str, bytes] = {}

    def list(self, place: Place) -> Iterator[Stored]:
        for key, data in sorted(self.objects.items()):
            if key.startswith(place.prefix):
                yield Stored(place.bucket, key, len(data), hashlib.sha256(data).hexdigest())

    def read(self, stored: Stored, first: int, end: int) -> bytes:
        return self.objects[stored.key][first:end]

    def upload(self, path: Path, bucket: str, key: str, on_bytes: Callable[[int], None]) -> None:  # noqa: ARG002
        self.objects[key] = path.read_bytes()
        on_bytes(len(self.objects[key]))


class _InMemoryRuns:
    """A ``RunService`` that embeds when a run is started."""

    most_record_bytes: int | None = None
    resumes = False

    def __init__(self, store: _InMemoryStore) -> None:
        self._store = store
        self._runs: dict[str, tuple[RunRequest, BatchStatus, list[OutputFile]]] = {}

    def start(self, request: RunRequest) -> None:
        now = datetime.now(UTC)
        files = [self._embed(request, one) for one in self._store.list(request.dataset)]
        status = BatchStatus(
            name=request.name, state="succeeded", phase="ended", outcome="complete", started=now, ended=now
        )
        self._runs[request.name] = request, status, files

    def status(self, name: str) -> BatchStatus:
        return self._find(name)[1]

    def latest(self, count: int) -> list[BatchStatus]:
        return [status for _, status, _ in reversed(self._runs.values())][:count]

    def stop(self, name: str) -> None:
        self._find(name)

    def dataset(self, name: str) -> Place | None:
        return self._find(name)[0].dataset

    def report(self, name: str) -> dict[str, Any]:
        request, status, _ = self._find(name)
        return {"run": name, "outcome": status.outcome, "dataset": request.dataset.uri}

    def outputs(self, name: str) -> Outputs:
        request, _, files = self._find(name)
        if not files:
            raise BatchError(f"{request.dataset.uri} has no files", run=name)
        form = request.fields.get("embedding_type", "float")
        return Outputs(run=name, format="jsonl", form=form, files=tuple(files))

    def _find(self, name: str) -> tuple[RunRequest, BatchStatus, list[OutputFile]]:
        if name not in self._runs:
            raise EndpointNotFoundError(f"there is no run {name!r}; there are {', '.join(self._runs) or 'none'}")
        return self._runs[name]

    def _embed(self, request: RunRequest, source: Stored) -> OutputFile:
        name = source.key.removeprefix(request.dataset.prefix)
        if not name.endswith(".jsonl"):
            raise ConfigurationError(f"{name}: batch in memory takes texts, records and files .jsonl")
        given = ("task", "dimensions", "embedding_type")
        asked = {"dimensions": MODEL_DIMENSIONS} | {key: request.fields[key] for key in given if key in request.fields}
        names = RecordFields(request.fields.get("text_field"), request.fields.get("id_field"))
        lines = [line for line in self._store.objects[source.key].split(b"\n") if line.strip()]
        key = f"{VECTORS}{request.name}/{name}.out"
        self._store.objects[key] = b"".join(_answer(asked, json.loads(line), names) for line in lines)
        (stored,) = self._store.list(Place(_BUCKET, key))
        return OutputFile(stored=stored, file=name, source=source)


def _answer(asked: dict[str, Any], record: dict[str, Any], names: RecordFields) -> bytes:
    """Return the line that a record's embedding or error is."""
    places = {names.text_name: "text", names.id_name: "id"}
    if names.text is None:
        places["input"] = "input"
    question = asked | {name: value for name, value in record.items() if name in _PARAMETERS}
    question |= {place: record[name] for name, place in places.items() if name in record}
    (answer,) = json.loads(reply(json.dumps(question).encode(), JSON_LINES).body)
    own = {name: value for name, value in record.items() if name not in (*places, *_PARAMETERS, "id")}
    return json.dumps({**own, **answer}).encode() + b"\n"
