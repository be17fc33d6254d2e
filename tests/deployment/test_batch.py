"""A dataset through the state machine, by the real CDK and the command that users run, on the local AWS.

Twenty shards, ten thousand lines, a hundred of them bad in ten ways: each record is accounted for, whatever breaks. The
client reads these runs, and makes runs of its own: of texts, records, a data frame and a place in S3.
"""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from demo.standin import StandInConfig, write_standin
from tests.support.bad_records import WORDS, Line, make_shards, records, shard_body
from tests.support.client_command import succeed
from tests.support.inventory import Inventory
from tests.support.sagemaker_bench import until

from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from jina_v3_client import BatchClient, BatchError, BatchRun, EmbeddingClient, EndpointNotFoundError
from jina_v3_infra.config import read_deployment
from jina_v3_infra.outputs import Output, read_outputs
from local_aws.server import LocalAws

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REGION = "us-east-1"
DIMENSIONS = 32
CONFIG = """
name = "bulk"
region = "us-east-1"

[model]
source = "{model}"

[endpoint]
enabled = false

[batch]
instances = 2
jobs = 2
attempts = 2
on_success_file = true
"""

SHARDS = make_shards()
BROKEN = "part-0007.jsonl"


class Bulk:
    """The deployment, and the command on it."""

    def __init__(self, aws: LocalAws, config: Path) -> None:
        self.aws, self.config = aws, config
        self.s3 = aws.client("s3", REGION)

    def infra(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jina_v3_infra.deploy", *words, "--config", str(self.config)]
        environment = os.environ | self.aws.environment(REGION)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)

    def run(self, *words: str) -> tuple[str, int, str]:
        """Start a run and follow it; return its name, the exit status and what was printed."""
        done = self.infra("batch", "start", *words, "--dimensions", str(DIMENSIONS), "--follow")
        started = re.search(r"^run (\S+) of", done.stdout, re.MULTILINE)
        assert started is not None, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return started[1], done.returncode, done.stdout + done.stderr

    @property
    def bucket(self) -> str:
        deployment = read_deployment(self.config)
        outputs = read_outputs(self.aws.client("cloudformation", REGION), deployment.foundation_stack) or {}
        return outputs[Output.BUCKET]

    def report(self, run: str) -> dict[str, Any]:
        return json.load(self.s3.get_object(Bucket=self.bucket, Key=f"batch/runs/{run}/report.json")["Body"])

    def bad_records(self, run: str) -> Iterator[dict[str, Any]]:
        """Yield every bad record that a run has written down."""
        for _, line in self.lines(f"batch/runs/{run}/bad/"):
            yield line

    def vectors(self, run: str) -> dict[str, list[dict[str, Any]]]:
        """Return what came out, in its order, by the shard that it belongs to."""
        found: dict[str, list[dict[str, Any]]] = {}
        for key, line in self.lines(f"batch/vectors/{run}/"):
            found.setdefault(key.rpartition("/")[2].removesuffix(".out"), []).append(line)
        return found

    def lines(self, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        for item in (item for page in pages for item in page.get("Contents", [])):
            for line in self.s3.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read().splitlines():
                yield item["Key"], json.loads(line)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = StandInConfig(layers=2, hidden=64, heads=4, intermediate=128, vocab=400)
    return write_standin(tmp_path_factory.mktemp("models") / "tiny", [" ".join(WORDS)] * 20, config)


@pytest.fixture(scope="module")
def bulk(aws: LocalAws, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Bulk:
    config = tmp_path_factory.mktemp("config") / "bulk.toml"
    config.write_text(CONFIG.format(model=model))
    deployed = Bulk(aws, config)
    done = deployed.infra("deploy", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return deployed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("documents")
    for name, lines in SHARDS.items():
        (place / name).write_bytes(shard_body(lines))
    return place


def check_all_accounted_for(bulk: Bulk, run: str, vectors_of: str) -> None:
    """Compare with the dataset itself: each record has one outcome, in its place, and the right one."""
    report = bulk.report(run)
    expected = [(shard, number, line) for shard, number, line in records(SHARDS) if line.error]
    all_records = sum(1 for _ in records(SHARDS))
    assert report["outcome"] == "complete"
    assert report["records"] == {"all": all_records, "embedded": all_records - len(expected), "bad": len(expected)}
    assert {code: told["count"] for code, told in report["bad"].items()} == Counter(line.error for *_, line in expected)
    vectors = bulk.vectors(vectors_of)
    assert set(vectors) == set(SHARDS)
    for shard, lines in SHARDS.items():
        check_shard([line for line in lines if not line.blank and line.error != "record_too_large"], vectors[shard])


def check_shard(lines: list[Line], answers: list[dict[str, Any]]) -> None:
    assert len(answers) == len(lines)
    for line, answer in zip(lines, answers, strict=True):
        assert line.id in (None, answer["id"])
        if line.error is None:
            assert len(answer["embedding"]) == DIMENSIONS
            assert answer["language"] == json.loads(line.raw)["language"]  # what the caller had comes back
        else:
            assert answer["error"]["code"] == line.error


def check_the_client_reads(bulk: Bulk, run: str) -> None:
    """Compare what the client gives of a run with the dataset, and with what stands in S3."""
    result = BatchClient.from_deployment("bulk", region=REGION).run(run).result()
    good = [line for _, _, line in records(SHARDS) if line.error is None]
    found = list(result)
    assert [one.id for one in found] == [line.id for line in good]
    assert [one.metadata["language"] for one in found] == [json.loads(line.raw)["language"] for line in good]
    stored = [one["embedding"] for lines in bulk.vectors(run).values() for one in lines if "embedding" in one]
    np.testing.assert_array_equal([one.vector for one in found], np.array(stored, np.float32))
    told = {(bad.file.rpartition("/")[2], bad.line, bad.code) for bad in result.bad}
    assert told == {(shard, number, line.error) for shard, number, line in records(SHARDS) if line.error}
    assert all(bad.message for bad in result.bad)


def test_each_record_of_a_dataset_from_this_machine_is_embedded_or_accounted_for(bulk, folder, model, caller):
    run, status, printed = bulk.run(str(folder), "--task", "retrieval.passage")
    assert status == 0, printed
    check_all_accounted_for(bulk, run, run)
    told = {(one["file"], one["line"], one["code"]): one["id"] for one in bulk.bad_records(run)}
    assert told.keys() == {(shard, number, line.error) for shard, number, line in records(SHARDS) if line.error}
    assert all(
        told[shard, number, line.error] == line.id
        for shard, number, line in records(SHARDS)
        if line.error not in (None, "not_json", "record_too_large")
    )
    assert "Complete: every record is accounted for." in printed
    assert "record_too_large: 10" in printed

    good = [line for line in SHARDS["part-0003.jsonl"] if line.error is None and not line.blank][:50]
    by_id = {
        answer["id"]: answer["embedding"] for answer in bulk.vectors(run)["part-0003.jsonl"] if "embedding" in answer
    }
    texts = [json.loads(line.raw)["text"] for line in good]
    encoder = Encoder.from_folder(model, device="cpu")
    expected = np.asarray(encoder.encode(texts, task=Task.RETRIEVAL_PASSAGE, dimensions=DIMENSIONS))
    np.testing.assert_allclose([by_id[line.id] for line in good], expected, atol=2e-5)
    check_the_client_reads(bulk, run)


TEXTS = [f"{WORDS[number % 20]} {WORDS[number % 17]} {WORDS[number % 7]}" for number in range(300)]
ASKED = {"task": "retrieval.passage", "dimensions": DIMENSIONS}


def expected_vectors(model: Path) -> np.ndarray:
    encoder = Encoder.from_folder(model, device="cpu")
    return np.asarray(encoder.encode(TEXTS, task=Task.RETRIEVAL_PASSAGE, dimensions=DIMENSIONS))


def check_texts(batch: BatchClient, expected: np.ndarray) -> None:
    """Embed an iterable by a run, as ``embed`` does it: with three bad texts among the others."""
    texts = [*TEXTS[:5], "", *TEXTS[5:250], " ".join(WORDS * 400), *TEXTS[250:], "half of one: \ud83d"]
    with EmbeddingClient("nobody", region=REGION, batch=batch) as client:
        found = client.embed(iter(texts), **ASKED, route="batch", errors="return")
    bad = {5: "empty_text", 251: "text_too_long", 302: "invalid_text"}
    assert {index: error.code for index, error in found.errors.items()} == bad
    good = np.delete(np.asarray(found), list(bad), axis=0)
    np.testing.assert_allclose(good, expected, atol=2e-5)


def submit_records(batch: BatchClient) -> BatchRun:
    """Submit records, of which two are bad."""
    made = [{"id": f"doc-{number}", "text": text, "place": number} for number, text in enumerate(TEXTS)]
    made[7]["task"], made[9]["text"] = "poetry", " "
    return batch.submit(made, **ASKED, embedding_type="int8")


def check_records(bulk: Bulk, batch: BatchClient, name: str, expected: np.ndarray) -> None:
    """Have another process wait for the run, which it knows by its name."""
    assert "complete" in succeed(bulk.aws, REGION, "batch", "status", name, "--follow", "--deployment", "bulk")
    found = list(batch.run(name).result())
    assert [one.metadata["place"] for one in found] == [number for number in range(len(TEXTS)) if number not in (7, 9)]
    vectors = [one.vector * np.float32(one.scale) for one in found]
    np.testing.assert_allclose(vectors, np.delete(expected, [7, 9], axis=0), atol=0.01)
    bad = [(one.index, one.id, one.code) for one in batch.run(name).result().bad]
    assert bad == [(7, "doc-7", "unknown_task"), (9, "doc-9", "empty_text")]


def check_frame(run: BatchRun, expected: np.ndarray) -> None:
    assert run.wait(progress=False).outcome == "complete"
    frame = run.result().to_pandas()
    assert list(frame["language"]) == list(range(len(TEXTS)))
    np.testing.assert_allclose(np.stack(list(frame["embedding"])), expected, atol=2e-5)


def resume_stopped(bulk: Bulk, batch: BatchClient) -> BatchRun:
    """Stop a run of a place in S3 while it embeds, and have another one embed the rest."""
    place = "batch/datasets/stopped"
    for shard in range(6):
        lines = [json.dumps({"id": number, "text": TEXTS[number]}) for number in range(50 * shard, 50 * shard + 50)]
        bulk.s3.put_object(Bucket=bulk.bucket, Key=f"{place}/{shard}.jsonl", Body="\n".join(lines).encode())
    stopped = batch.submit(f"s3://{bulk.bucket}/{place}/", **ASKED, name="stopped")
    until(lambda: stopped.status().phase == "embedding", limit_s=120)
    stopped.stop()
    with pytest.raises(BatchError, match="was stopped"):
        stopped.wait(60, progress=False)
    return batch.submit(resume="stopped", **ASKED)


def test_the_client_makes_runs_of_texts_records_frames_and_places(bulk, model, caller):
    batch, expected = BatchClient.from_deployment("bulk", region=REGION), expected_vectors(model)
    resumed = resume_stopped(bulk, batch)
    of_records = submit_records(batch)
    of_frame = batch.submit(pd.DataFrame({"text": TEXTS, "language": range(len(TEXTS))}), **ASKED)
    check_texts(batch, expected)
    check_records(bulk, batch, of_records.name, expected)
    check_frame(of_frame, expected)
    resumed.wait(progress=False)
    ids, vectors = resumed.result().to_numpy()
    assert ids == list(range(len(TEXTS)))
    np.testing.assert_allclose(vectors, expected, atol=2e-5)

    assert {"stopped", of_records.name, of_frame.name, resumed.name} < {one.name for one in batch.runs()}
    with pytest.raises(EndpointNotFoundError, match="there is no run 'nothing'; there are "):
        batch.run("nothing").status()
    with pytest.raises(EndpointNotFoundError, match=r"has no endpoint; .* BatchClient\.from_deployment\('bulk'\)"):
        EmbeddingClient.from_deployment("bulk", region=REGION)


def test_what_breaks_in_the_middle_is_tried_again_and_what_stays_broken_is_completed_by_another_run(bulk, folder):
    faults = bulk.aws.faults
    faults.add(kind="throttle", operation="CreateTransformJob", count=2)
    faults.add(kind="capacity_missing", operation="CreateTransformJob", count=1)
    faults.add(kind="instance_lost", key="part-0012", count=1)
    faults.add(kind="container_death", key=BROKEN)
    run, status, printed = bulk.run(str(folder))
    assert status == 1, printed
    assert bulk.report(run)["outcome"] == "incomplete", printed
    assert [one["file"] for one in bulk.report(run)["outstanding"]] == [BROKEN]
    assert set(bulk.vectors(run)) == set(SHARDS) - {BROKEN}
    assert f"--resume {run}" in printed or f'"resume": "{run}"' in printed
    outcomes = Counter(one["outcome"] for one in bulk.report(run)["transforms"])
    assert outcomes["capacity"] >= 2  # the machine that was not to be had, and the one that was lost

    faults.clear()
    again, status, printed = bulk.run("--resume", run)
    assert status == 0, printed
    check_all_accounted_for(bulk, again, run)


def test_columns_of_csv_with_names_of_their_own_come_back(bulk, model, caller):
    rows = [(f"d{number}", TEXTS[number % 300], f'{number}, "{number}"') for number in range(600)]
    rows[7] = ("d7", "", "7")
    for name, some in (("a.csv", rows[:500]), ("b.csv", rows[500:])):
        written = io.StringIO()
        writer = csv.writer(written)
        writer.writerows([("doc_id", "body", "what it is"), *some])
        bulk.s3.put_object(Bucket=bulk.bucket, Key=f"batch/datasets/articles/{name}", Body=written.getvalue().encode())
    place = f"s3://{bulk.bucket}/batch/datasets/articles/"
    _, status, printed = bulk.run(place)
    assert status == 1
    assert 'say "text_field": "body" (--text-field body)' in printed
    run, status, printed = bulk.run(
        place, "--text-field", "body", "--id-field", "doc_id", "--task", "retrieval.passage"
    )
    assert status == 0, printed
    assert f"Fetch      jina-v3 batch result {run} --deployment bulk" in printed
    assert bulk.report(run)["records"] == {"all": 600, "embedded": 599, "bad": 1}
    assert [(one["file"], one["line"], one["id"]) for one in bulk.bad_records(run)] == [("a.csv", 9, "d7")]
    found = list(BatchClient.from_deployment("bulk", region=REGION).run(run).result())
    good = [row for row in rows if row[1]]
    assert [(one.id, one.metadata) for one in found] == [(name, {"what it is": what}) for name, _, what in good]
    assert [one.line for one in found if one.file == "b.csv"] == list(range(2, 102))
    by_text = dict(zip(TEXTS, expected_vectors(model), strict=True))
    np.testing.assert_allclose([one.vector for one in found], [by_text[text] for _, text, _ in good], atol=2e-5)


def test_a_success_file_starts_a_run_of_its_folder(bulk):
    lines = {"a.jsonl": [Line(raw=b'{"id": "one", "text": "the port is calm", "dimensions": 32}', id="one")]}
    for name, content in lines.items():
        bulk.s3.put_object(Bucket=bulk.bucket, Key=f"batch/datasets/dropped/{name}", Body=shard_body(content))
    bulk.s3.put_object(Bucket=bulk.bucket, Key="batch/datasets/dropped/_SUCCESS", Body=b"")
    machines = bulk.aws.client("stepfunctions", REGION)
    (machine,) = machines.list_state_machines()["stateMachines"]

    def dropped() -> list[dict[str, Any]]:
        found = machines.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
        described = [machines.describe_execution(executionArn=one["executionArn"]) for one in found]
        return [one for one in described if "dropped" in one["input"]]

    deadline = time.monotonic() + 240
    while not (ended := [one for one in dropped() if one["status"] != "RUNNING"]):
        assert time.monotonic() < deadline, dropped()
        time.sleep(0.5)
    assert [one["status"] for one in ended] == ["SUCCEEDED"], ended[0]["cause"]
    assert bulk.report(ended[0]["name"])["records"] == {"all": 1, "embedded": 1, "bad": 0}


def test_destroy_leaves_nothing(bulk, inventory: Inventory):
    done = bulk.infra("destroy", "--yes", "--delete-data")
    assert done.returncode == 0, done.stdout + done.stderr
    left = {what: names for what, names in inventory(REGION).items() if names}
    assert not any("bulk" in name for names in left.values() for name in names), left
