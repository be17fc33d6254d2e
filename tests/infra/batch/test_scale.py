"""100,000 shards and a billion documents through the state machine: no payload, manifest or list outgrows its limit."""

import json
from typing import Any

import pytest
from tests.infra.batch.conftest import BUCKET, DEFINITION, SETTINGS
from tests.support.state_machine import Walk

import jina_v3_batch.function
from jina_v3_batch.function import take_step
from jina_v3_batch.places import Place
from jina_v3_batch.run import Run
from jina_v3_batch.samples import HEAD_BYTES
from jina_v3_batch.store import Listed, Store

SHARDS = 100_000
RECORDS = 10_000
RECORD = json.dumps({"id": "some-document-0000001", "text": "word " * 180}).encode() + b"\n"


class Dataset(Store):
    """S3 with working files in memory, and a dataset of which every file is the same."""

    def __init__(self) -> None:
        super().__init__(None)
        self.objects: dict[str, bytes] = {}

    def list(self, place: Place) -> Any:
        if place.prefix == "batch/datasets/docs/":
            return (
                Listed(f"{place.prefix}{n // 1000:03}/{n:06}.jsonl", RECORDS * len(RECORD), "e") for n in range(SHARDS)
            )
        return (Listed(key, len(body), "e") for key, body in self.objects.items() if key.startswith(place.prefix))

    def head(self, _bucket: str, _key: str, size: int) -> bytes:
        assert size <= HEAD_BYTES
        return (RECORD * (size // len(RECORD) + 1))[:size]

    def read_json(self, _bucket: str, key: str) -> Any:
        return json.loads(self.objects[key]) if key in self.objects else None

    def write(self, _bucket: str, key: str, body: bytes, _content_type: str = "") -> None:
        self.objects[key] = body

    def delete(self, _bucket: str, keys: Any) -> None:
        assert not keys


def verified(run: Run, event: Any, remaining_s: Any) -> dict[str, Any]:
    """Find every file of a group right, but those of one name in a thousand on the first attempt."""
    number, attempt, group = event["job"], event["attempt"], event["group"]
    indices = run.read(f"jobs/{number}/groups-{attempt}.json")[group]
    files = run.read(f"jobs/{number}/files.json")["files"]
    good = {"ok": True, "output": "k", "records": RECORDS, "embedded": RECORDS, "tokens": RECORDS * 250, "errors": {}}
    results = [
        {"index": index, **good}
        if attempt or not files[index]["key"].endswith("000.jsonl")
        else {"index": index, "ok": False, "reason": "no_output", "message": "lost"}
        for index in indices
    ]
    run.write(f"jobs/{number}/verified-{attempt}-{group}-0.json", {"files": results, "first_bad": []})
    return {"at": len(indices), "more": False}


@pytest.mark.slow
def test_a_billion_documents_in_100_000_shards(monkeypatch):
    monkeypatch.setattr(jina_v3_batch.function, "verify", verified)
    store = Dataset()
    requests: list[dict[str, Any]] = []

    def call(resource: str, parameters: dict[str, Any]) -> Any:
        if resource.endswith("sns:publish"):
            assert len(parameters["Message"]) < 100_000
            return {}
        if resource.endswith("createTransformJob.sync"):
            requests.append(parameters)
            start = 1_800_000_000_000
            return {
                "TransformJobName": "x",
                "TransformResources": {"InstanceCount": 2},
                "TransformStartTime": start,
                "TransformEndTime": start + 3_600_000,
            }
        return {"Payload": json.loads(json.dumps(take_step(SETTINGS, store, parameters["Payload"], lambda: 1e9)))}

    definition = DEFINITION.read_text().replace("${Bucket}", BUCKET)
    walk = Walk(json.loads(definition), call, lambda _bucket, key: json.loads(store.objects[key]))
    end = walk.run("run-1", {"dataset": f"s3://{BUCKET}/batch/datasets/docs/"})

    assert end["outcome"] == "complete"
    report = json.loads(store.objects["batch/runs/run-1/report.json"])
    assert report["records"]["all"] == SHARDS * RECORDS
    assert report["files"] == {"all": SHARDS, "verified": SHARDS, "outstanding": 0}
    plan = json.loads(store.objects["batch/runs/run-1/plan.json"])
    assert plan["estimate"]["records"] == pytest.approx(1e9, rel=0.01)
    manifests = [json.loads(body) for key, body in store.objects.items() if "/manifest-" in key]
    assert plan["jobs"] < len(requests) == len(manifests) <= 2 * plan["jobs"]
    named = [name for manifest in manifests for name in manifest[1:]]
    assert len(set(named)) == SHARDS
    assert len(named) == SHARDS + SHARDS // 1000
    assert max(map(len, store.objects.values())) < 5_000_000
    assert all(len(manifest) <= 2001 for manifest in manifests)
