from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.infra.publish.conftest import CODE, PART_BYTES, WEIGHTS
from tests.support.loopback_aws import LoopbackAws

from jina_v3_infra import transfer
from jina_v3_infra.checksums import sha256
from jina_v3_infra.config import BatchSettings, Deployment, ModelSettings
from jina_v3_infra.publish import PublishError
from jina_v3_infra.publish.bucket import MIB, Bucket, Item
from jina_v3_infra.publish.model import Tally, check_prefix, publish_model
from jina_v3_infra.publish.upload import upload
from jina_v3_infra.release import Release, plan_release

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PART = r"^PUT .*model\.safetensors.*partNumber="


def deployment_of(source: Path | str, **settings: Any) -> Deployment:
    return Deployment(model=ModelSettings(source=str(source), **settings))


def publish(bucket: Bucket, source: Path | str, **settings: Any) -> tuple[Release, Tally]:
    deployment = deployment_of(source, **settings)
    release = plan_release(deployment)
    return release, publish_model(deployment, release, bucket, progress=False)


def objects(bucket: Bucket, prefix: str = "") -> dict[str, bytes]:
    return {
        key.removeprefix(prefix): bucket.s3.get_object(Bucket=bucket.name, Key=key)["Body"].read()
        for key in bucket.sizes(prefix)
    }


def expected(model: Path) -> dict[str, bytes]:
    """What an artifact holds, without the code that lists it."""
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    return {**files, **{f"code/{name}": f"this is {name}".encode() for name in CODE}}


def unfinished(bucket: Bucket) -> list[dict[str, Any]]:
    return bucket.s3.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])


def test_every_file_and_last_of_all_the_manifest(aws: LoopbackAws, bucket: Bucket, model: Path) -> None:
    release, tally = publish(bucket, model)
    wanted = expected(model)
    assert aws.changes()[-1].line.startswith(f"PUT /{bucket.name}/{release.manifest_key}?")
    assert objects(bucket, release.model_prefix) == wanted
    manifest = json.loads(objects(bucket)[release.manifest_key])
    assert (manifest["release"], manifest["source"], manifest["archive"]) == (release.model, str(model), None)
    assert manifest["files"] == {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} for name, content in wanted.items()
    }
    total_bytes = sum(map(len, wanted.values()))
    assert tally == Tally(uploaded_bytes=total_bytes)
    assert aws.sent_bytes("^PUT .*/models/") == total_bytes  # everything was sent once
    assert aws.sent_bytes(PART) == len(WEIGHTS)


def test_a_second_run_changes_nothing_and_reads_no_weights(
    aws: LoopbackAws, bucket: Bucket, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, first = publish(bucket, model)
    aws.asked.clear()
    monkeypatch.setattr("jina_v3_infra.publish.model.list_members", lambda *_: pytest.fail("looked at the files"))
    assert publish(bucket, model) == (release, Tally(skipped_bytes=first.uploaded_bytes))
    assert aws.changes() == []
    assert len(aws.asked) == 2  # the manifest, and the list of what is there


def test_without_its_manifest_a_whole_release_costs_that_object_alone(
    aws: LoopbackAws, bucket: Bucket, model: Path
) -> None:
    release, first = publish(bucket, model)
    bucket.delete([release.manifest_key])
    aws.asked.clear()
    assert publish(bucket, model)[1] == Tally(skipped_bytes=first.uploaded_bytes)
    (only,) = aws.changes()
    assert release.manifest_key in only.line


def test_a_connection_that_breaks_within_a_part(aws: LoopbackAws, bucket: Bucket, model: Path) -> None:
    aws.cut.append((f"{PART}2", 2 * MIB, 2))
    release, _ = publish(bucket, model)
    assert objects(bucket, release.model_prefix)["model.safetensors"] == WEIGHTS
    assert aws.sent_bytes(PART) == len(WEIGHTS) + 2 * 2 * MIB  # the other parts were sent once


def test_a_bucket_that_throttles_and_fails_now_and_then(aws: LoopbackAws, bucket: Bucket, model: Path) -> None:
    aws.refuse += [(f"{PART}3", 503, "SlowDown", 3), ("config.json", 500, "InternalError", 2)]
    release, _ = publish(bucket, model)
    assert objects(bucket, release.model_prefix) == expected(model)
    assert sum("partNumber=3" in each.line for each in aws.asked) == 4


def test_a_bucket_that_always_fails_ends_with_a_sentence(aws: LoopbackAws, bucket: Bucket, model: Path) -> None:
    aws.refuse.append((f"{PART}1", 503, "SlowDown", 1000))
    with pytest.raises(PublishError, match=rf"AWS refused s3:UploadPart on bucket {bucket.name} with SlowDown"):
        publish(bucket, model)
    assert sum("partNumber=1" in each.line for each in aws.asked) == 8


def test_a_killed_run_is_gone_on_with(aws: LoopbackAws, bucket: Bucket, model: Path) -> None:
    arrived, killed = threading.Event(), threading.Event()

    def stall(line: str) -> None:
        if "partNumber=3" in line:
            arrived.set()
            killed.wait(240)

    aws.before = stall
    script = (
        "import sys, boto3; from pathlib import Path; from jina_v3_infra.publish.bucket import *\n"
        "from jina_v3_infra.publish.upload import upload; from jina_v3_infra.checksums import sha256\n"
        "path, name, key = Path(sys.argv[1]), sys.argv[2], sys.argv[3]\n"
        f"bucket = Bucket(s3=boto3.client('s3', 'us-east-1'), name=name, part_bytes={PART_BYTES}, concurrency=1)\n"
        "item = Item(key=key, path=path, size_bytes=path.stat().st_size, sha256=sha256(path))\n"
        "upload(bucket, item, lambda _: None, lambda _: None)\n"
    )
    key = f"{plan_release(deployment_of(model)).model_prefix}model.safetensors"
    arguments = [sys.executable, "-c", script, str(model / "model.safetensors"), bucket.name, key]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        assert arrived.wait(240), process.communicate()
        process.send_signal(signal.SIGKILL)
    aws.before = lambda _line: None
    killed.set()
    assert key not in bucket.sizes("")
    aws.asked.clear()
    release, tally = publish(bucket, model)
    assert objects(bucket, release.model_prefix) == expected(model)
    # Parts 1 and 2 had arrived; the third may have been taken while its sender was dying.
    assert aws.sent_bytes(PART) <= len(WEIGHTS) - 2 * PART_BYTES
    assert tally.skipped_bytes >= 2 * PART_BYTES
    assert tally.skipped_bytes + tally.uploaded_bytes == sum(map(len, expected(model).values()))
    assert unfinished(bucket) == []


def leave_parts(bucket: Bucket, key: str, parts: dict[int, bytes], sha256: str) -> None:
    """Leave an upload behind as a killed run does."""
    started = bucket.s3.create_multipart_upload(
        Bucket=bucket.name, Key=key, ChecksumAlgorithm="SHA256", Metadata={"sha256": sha256}
    )
    for number, content in parts.items():
        bucket.s3.upload_part(
            Bucket=bucket.name,
            Key=key,
            UploadId=started["UploadId"],
            PartNumber=number,
            Body=content,
            ChecksumAlgorithm="SHA256",
        )


@pytest.fixture
def weights(model: Path) -> Item:
    path = model / "model.safetensors"
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    return Item(key="models/x/model.safetensors", path=path, size_bytes=len(WEIGHTS), sha256=digest)


def test_parts_that_differ_are_sent_again_and_those_that_follow_are_left_out(
    aws: LoopbackAws, bucket: Bucket, weights: Item
) -> None:
    parts = {1: bytes(PART_BYTES), 2: WEIGHTS[PART_BYTES : 2 * PART_BYTES], 4: b"more"}
    leave_parts(bucket, weights.key, parts, weights.sha256)
    aws.asked.clear()
    upload(bucket, weights, lambda _: None, lambda _: None)
    assert objects(bucket) == {weights.key: WEIGHTS}
    assert sorted(re.findall(r"partNumber=(\d)", " ".join(each.line for each in aws.changes()))) == ["1", "3"]


def test_an_upload_that_was_begun_for_another_content(bucket: Bucket, weights: Item) -> None:
    leave_parts(bucket, weights.key, {1: WEIGHTS[:PART_BYTES]}, "0" * 64)
    upload(bucket, weights, lambda _: None, lambda _: None)
    assert objects(bucket) == {weights.key: WEIGHTS}
    assert bucket.holds(weights)


@pytest.mark.parametrize("change", [b"other", WEIGHTS[:PART_BYTES], WEIGHTS[::-1]])
def test_a_file_that_changes_while_it_is_read(aws: LoopbackAws, bucket: Bucket, model: Path, change: bytes) -> None:
    def rewrite(line: str) -> None:
        if "uploads" in line and line.startswith("POST"):
            (model / "model.safetensors").write_bytes(change)

    aws.before = rewrite
    with pytest.raises(PublishError, match=r"model\.safetensors changed while it was published"):
        publish(bucket, model)
    assert unfinished(bucket) == []
    assert not [key for key in bucket.sizes("") if "safetensors" in key or key.startswith("manifests/")]


def test_a_small_file_that_is_not_what_it_was(bucket: Bucket, model: Path) -> None:
    path = model / "config.json"
    item = Item(key="x", path=path, size_bytes=path.stat().st_size, sha256=hashlib.sha256(b"before").hexdigest())
    with pytest.raises(PublishError, match=r"config\.json changed while it was published"):
        bucket.put_file(item)
    assert bucket.sizes("") == {}


def test_a_file_is_hashed_once_until_it_changes(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, hashed = model / "config.json", []

    def count(path: Path, _algorithm: str) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr("jina_v3_infra.checksums.file_digest", count)
    first = sha256(path)
    assert (sha256(path), len(hashed)) == (first, 1)
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, (1, 1))
    assert sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest() != first


def test_wrong_objects_are_replaced_and_strays_go(bucket: Bucket, model: Path) -> None:
    release = plan_release(deployment_of(model))
    for name, content in {
        "model.safetensors": bytes(len(WEIGHTS)),
        "config.json": b"{}",
        "tokenizer.json": (model / "tokenizer.json").read_bytes(),  # right, and nothing says so
        "code/gone.py": b"",
    }.items():
        bucket.s3.put_object(Bucket=bucket.name, Key=release.model_prefix + name, Body=content)
    bucket.put("models/another/model.safetensors", b"stays")
    publish(bucket, model)
    assert objects(bucket, release.model_prefix) == expected(model)
    assert "models/another/model.safetensors" in bucket.sizes("models/")


def test_a_manifest_whose_objects_are_gone_is_not_believed(bucket: Bucket, model: Path) -> None:
    release, _ = publish(bucket, model)
    bucket.delete([f"{release.model_prefix}config.json"])
    assert publish(bucket, model)[1].uploaded_bytes == (model / "config.json").stat().st_size
    assert objects(bucket, release.model_prefix) == expected(model)


def rewrite(bucket: Bucket, key: str) -> None:
    """Write an object again: as many other bytes, and beside them the digest of the first."""
    before = bucket.s3.get_object(Bucket=bucket.name, Key=key)
    content = bytes(byte ^ 1 for byte in before["Body"].read())
    bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=content, Metadata=before["Metadata"])


@pytest.mark.parametrize("name", ["model.safetensors", "code/inference.py"])
def test_an_object_that_was_written_again_is_noticed_though_size_and_metadata_are_the_same(
    aws: LoopbackAws, bucket: Bucket, model: Path, name: str
) -> None:
    release, first = publish(bucket, model)
    rewrite(bucket, release.model_prefix + name)
    _, second = publish(bucket, model)
    size = len(expected(model)[name])
    assert second == Tally(uploaded_bytes=size, skipped_bytes=first.uploaded_bytes - size)
    assert objects(bucket, release.model_prefix) == expected(model)
    aws.asked.clear()
    publish(bucket, model)
    assert aws.changes() == []


def test_an_archive_that_was_written_again_is_noticed(bucket: Bucket, model: Path) -> None:
    release, _ = publish(bucket, model, archive=True)
    packed = objects(bucket, release.archive_key)
    rewrite(bucket, release.archive_key)
    publish(bucket, model, archive=True)
    assert objects(bucket, release.archive_key) == packed


@pytest.mark.parametrize("part_bytes", [PART_BYTES, MIB], ids=["whole", "in parts"])
def test_weights_of_another_release_are_copied_in_s3(
    aws: LoopbackAws, bucket: Bucket, model: Path, part_bytes: int
) -> None:
    first, _ = publish(bucket, model)
    bucket = Bucket(s3=bucket.s3, name=bucket.name, part_bytes=part_bytes)
    (model / "config.json").write_text('{"hidden_size": 1024, "other": 1}')
    aws.asked.clear()
    second, tally = publish(bucket, model)
    assert second != first
    assert tally.copied_bytes == len(WEIGHTS)
    assert aws.sent_bytes("") < MIB
    assert objects(bucket, second.model_prefix) == expected(model)
    aws.asked.clear()
    bucket.delete([second.manifest_key])
    assert publish(bucket, model)[1].copied_bytes == 0  # the copy has its digest beside it


def test_damaged_weights_of_another_release_are_not_copied(bucket: Bucket, model: Path) -> None:
    first, _ = publish(bucket, model)
    bucket.s3.put_object(Bucket=bucket.name, Key=f"{first.model_prefix}model.safetensors", Body=bytes(len(WEIGHTS)))
    bucket.put("manifests/other.json", b"no JSON")
    (model / "config.json").write_text("{}")
    second, tally = publish(bucket, model)
    assert tally.copied_bytes == 0
    assert objects(bucket, second.model_prefix)["model.safetensors"] == WEIGHTS


def test_the_archive_is_published_once_and_can_come_later(aws: LoopbackAws, bucket: Bucket, model: Path) -> None:
    release, first = publish(bucket, model)
    _, second = publish(bucket, model, archive=True)
    packed = objects(bucket, release.archive_key)[""]
    assert second == Tally(uploaded_bytes=len(packed), skipped_bytes=first.uploaded_bytes)
    manifest = json.loads(objects(bucket)[release.manifest_key])
    assert manifest["archive"] == {"sha256": hashlib.sha256(packed).hexdigest(), "size": len(packed)}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = {each.name: archive.extractfile(each).read() for each in archive}  # type: ignore[union-attr]
    assert members == expected(model)
    aws.asked.clear()
    publish(bucket, model, archive=True)
    for_batch = replace(deployment_of(model), batch=BatchSettings())  # which needs it, and need not be told so
    assert plan_release(for_batch) == release
    publish_model(for_batch, release, bucket, progress=False)
    publish(bucket, model)
    assert aws.changes() == []
    bucket.delete([f"{release.model_prefix}config.json"])
    publish(bucket, model)  # without the archive, which stays the release's
    aws.asked.clear()
    publish(bucket, model, archive=True)
    assert aws.changes() == []


def test_an_archive_that_does_not_fit_is_told_before_it_is_written(
    bucket: Bucket, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_SPARE_BYTES", 1 << 62)
    monkeypatch.setattr("jina_v3_infra.publish.model.write_artifact", lambda *_: pytest.fail("written"))
    with pytest.raises(PublishError, match=r"model\.tar\.gz does not fit: 1\d MB are needed .* TMPDIR"):
        publish(bucket, model, archive=True)


def test_a_hub_id_is_fetched_once(
    aws: LoopbackAws, bucket: Bucket, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def fetch(source: str, *, revision: str | None, progress: bool) -> Path:
        fetched.append((source, revision))
        return model

    monkeypatch.setattr("jina_v3_infra.publish.model.fetch_model", fetch)
    release, _ = publish(bucket, "someone/embeddings", revision=COMMIT)
    assert release.model is not None
    assert release.model.startswith(COMMIT[:12])
    manifest = json.loads(objects(bucket)[release.manifest_key])
    assert (manifest["source"], manifest["revision"]) == ("someone/embeddings", COMMIT)
    aws.asked.clear()
    publish(bucket, "someone/embeddings", revision=COMMIT)
    assert fetched == [("someone/embeddings", COMMIT)]
    assert aws.changes() == []


def test_two_copies_of_a_model_are_one_release(aws: LoopbackAws, bucket: Bucket, model: Path, tmp_path: Path) -> None:
    publish(bucket, model)
    shutil.copytree(model, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(tmp_path / "copy" / "config.json", (1, 1))
    aws.asked.clear()
    publish(bucket, tmp_path / "copy")
    assert aws.changes() == []


@pytest.mark.parametrize(
    ("line", "code", "action"),
    [
        ("^PUT .*partNumber", "AccessDenied", "s3:PutObject"),
        ("^GET .*list-type", "AccessDenied", "s3:ListBucket"),
        ("^HEAD ", "Forbidden", "s3:GetObject"),
    ],
)
def test_a_missing_permission_is_named(
    aws: LoopbackAws, bucket: Bucket, model: Path, line: str, code: str, action: str
) -> None:
    release = plan_release(deployment_of(model))
    bucket.s3.put_object(  # something to ask about
        Bucket=bucket.name,
        Key=f"{release.model_prefix}config.json",
        Body=(model / "config.json").read_bytes(),
    )
    aws.refuse.append((line, 403, code, 1000))
    with pytest.raises(PublishError, match=rf"may not {action} on bucket {bucket.name}"):
        publish(bucket, model)


def test_a_missing_bucket_is_the_foundations(bucket: Bucket, model: Path) -> None:
    missing = Bucket(s3=bucket.s3, name="not-there")
    with pytest.raises(PublishError, match="there is no bucket not-there: deploy the foundation stack first"):
        publish(missing, model)


def test_a_prefix_of_someone_elses(bucket: Bucket) -> None:
    source = f"s3://{bucket.name}/mine/"
    with pytest.raises(PublishError, match=r"there is nothing under model\.source"):
        check_prefix(bucket.s3, source)
    bucket.put("mine/config.json", b"{}")
    bucket.put("other/model.safetensors", b"")
    with pytest.raises(PublishError, match=r"holds no model: config.json and \*.safetensors must .* config.json is"):
        check_prefix(bucket.s3, source)
    bucket.put("mine/model.safetensors", b"")
    check_prefix(bucket.s3, source)
    with pytest.raises(PublishError, match=r"there is no bucket not-there of model\.source"):
        check_prefix(bucket.s3, "s3://not-there/mine/")
