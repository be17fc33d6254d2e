"""The model into the second region's bucket: copied inside S3, whole, and gone on with where it broke off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.infra.publish.test_model import WEIGHTS, objects, publish, rewrite, unfinished
from tests.support.loopback_aws import LoopbackAws

from jina_v3_infra.publish import PublishError
from jina_v3_infra.publish.bucket import SHA256, Bucket
from jina_v3_infra.publish.copying import copy_model
from jina_v3_infra.release import Release


@pytest.fixture
def there(bucket: Bucket) -> Bucket:
    name = f"{bucket.name}-there"
    bucket.s3.create_bucket(Bucket=name)
    return Bucket(s3=bucket.s3, name=name, part_bytes=bucket.part_bytes)


def contents(bucket: Bucket) -> dict[str, bytes]:
    """All objects, without what S3 alone decides of each."""
    held = objects(bucket)
    for key in held:
        if key.startswith("manifests/"):
            held[key] = json.dumps(json.loads(held[key]) | {"etags": None}).encode()
    return held


def test_the_copy_is_the_first_bucket_s_release_with_its_checksums_and_nothing_is_uploaded(
    aws: LoopbackAws, bucket: Bucket, there: Bucket, model: Path
) -> None:
    release, published = publish(bucket, model, archive=True)
    aws.asked.clear()
    tally = copy_model(release, bucket, there, archive=True, progress=False)
    assert contents(there) == contents(bucket)
    assert (tally.uploaded_bytes, tally.copied_bytes, tally.skipped_bytes) == (0, published.uploaded_bytes, 0)
    manifest = json.loads(objects(there)[release.manifest_key])
    for name, content in manifest["files"].items():
        head = there.s3.head_object(Bucket=there.name, Key=f"{release.model_prefix}{name}")
        assert head["Metadata"][SHA256] == content["sha256"]
    manifest_bytes = len(objects(there)[release.manifest_key])
    assert aws.sent_bytes(rf"^PUT /{there.name}/") == manifest_bytes
    assert aws.changes()[-1].line.startswith(f"PUT /{there.name}/{release.manifest_key}?")
    assert not [asked for asked in aws.changes() if f"/{bucket.name}/" in asked.line]


def test_a_second_copy_changes_nothing(aws: LoopbackAws, bucket: Bucket, there: Bucket, model: Path) -> None:
    release, published = publish(bucket, model)
    copy_model(release, bucket, there, archive=False, progress=False)
    aws.asked.clear()
    tally = copy_model(release, bucket, there, archive=False, progress=False)
    assert aws.changes() == []
    assert (tally.copied_bytes, tally.skipped_bytes) == (0, published.uploaded_bytes)


def test_an_archive_that_the_second_region_does_not_need_is_not_copied_and_goes_where_it_was(
    bucket: Bucket, there: Bucket, model: Path
) -> None:
    release, _ = publish(bucket, model, archive=True)
    copy_model(release, bucket, there, archive=True, progress=False)
    copy_model(release, bucket, there, archive=False, progress=False)
    assert release.archive_key not in objects(there)
    assert json.loads(objects(there)[release.manifest_key])["archive"] is None
    assert objects(there, release.model_prefix) == objects(bucket, release.model_prefix)


def test_a_copy_that_broke_off_goes_on_with_what_is_missing(
    aws: LoopbackAws, bucket: Bucket, there: Bucket, model: Path
) -> None:
    release, published = publish(bucket, model)
    weights = f"{release.model_prefix}model.safetensors"
    aws.refuse.append((rf"^(PUT|POST) /{there.name}/{weights}", 403, "AccessDenied", 100))
    with pytest.raises(PublishError, match="may not s3:PutObject on bucket"):
        copy_model(release, bucket, there, archive=False, progress=False)
    assert release.manifest_key not in objects(there)  # it does not seem to be whole
    arrived = sum(map(len, objects(there).values()))
    there.put(f"{release.model_prefix}stray", b"of another run")
    aws.refuse.clear()
    tally = copy_model(release, bucket, there, archive=False, progress=False)
    assert contents(there) == contents(bucket)
    assert (tally.copied_bytes, tally.skipped_bytes) == (published.uploaded_bytes - arrived, arrived)
    assert unfinished(there) == []


def test_an_object_that_is_another_is_copied_again(bucket: Bucket, there: Bucket, model: Path) -> None:
    release, _ = publish(bucket, model)
    copy_model(release, bucket, there, archive=False, progress=False)
    key = f"{release.model_prefix}config.json"
    there.put(key, b"x" * len(objects(there)[key]))
    there.delete([release.manifest_key])
    copy_model(release, bucket, there, archive=False, progress=False)
    assert contents(there) == contents(bucket)


def test_an_object_written_again_in_the_second_region_is_copied_again(
    aws: LoopbackAws, bucket: Bucket, there: Bucket, model: Path
) -> None:
    release, _ = publish(bucket, model)
    copy_model(release, bucket, there, archive=False, progress=False)
    rewrite(there, f"{release.model_prefix}model.safetensors")
    aws.asked.clear()
    assert copy_model(release, bucket, there, archive=False, progress=False).copied_bytes == len(WEIGHTS)
    assert contents(there) == contents(bucket)
    aws.asked.clear()
    copy_model(release, bucket, there, archive=False, progress=False)
    assert aws.changes() == []


def test_a_release_that_is_not_whole_is_not_copied(bucket: Bucket, there: Bucket, model: Path) -> None:
    with pytest.raises(PublishError, match="publish it in the first region first"):
        copy_model(Release(image_tag=None, model="none"), bucket, there, archive=False, progress=False)
    release, _ = publish(bucket, model)
    with pytest.raises(PublishError, match="has not got the whole release"):
        copy_model(release, bucket, there, archive=True, progress=False)
    bucket.put(f"{release.model_prefix}tokenizer.json", b"changed by hand")
    with pytest.raises(PublishError, match=r"tokenizer\.json is not what the release's manifest says"):
        copy_model(release, bucket, there, archive=False, progress=False)
    assert release.manifest_key not in objects(there)
