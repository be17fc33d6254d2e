"""S3 as the steps use it: what is absent, what is forbidden, and objects written as a stream."""

import os

import pytest
from botocore.exceptions import ClientError
from tests.support.batch_deployment import BUCKET

from jina_v3_batch.errors import ChangedError
from jina_v3_batch.store import PART_BYTES, Store


class Forbidding:
    """S3 for a caller who may list some prefixes only: what is not there is forbidden rather than not found."""

    def __init__(self, s3, denied=()):
        self._s3, self._denied = s3, denied

    def __getattr__(self, name):
        call = getattr(self._s3, name)

        def forbidding(**request):
            forbidden = ClientError({"Error": {"Code": "403" if name == "head_object" else "AccessDenied"}}, name)
            if request["Key"] in self._denied:
                raise forbidden
            try:
                return call(**request)
            except ClientError as error:
                raise forbidden from error

        return forbidding if name in ("get_object", "head_object") else call


@pytest.mark.parametrize("forbidding", [False, True])
def test_what_is_not_there_is_none(s3, forbidding):
    s3.put_object(Bucket=BUCKET, Key="there.json", Body=b"[1]")
    s3.put_object(Bucket=BUCKET, Key="there.json.more", Body=b"")
    store = Store(Forbidding(s3) if forbidding else s3)
    assert (store.size(BUCKET, "there.json"), store.read_json(BUCKET, "there.json")) == (3, [1])
    assert (store.size(BUCKET, "there"), store.read_json(BUCKET, "there.js")) == (None, None)
    with pytest.raises(ChangedError):
        store.stream(BUCKET, "gone")


def test_what_is_there_and_forbidden_is_an_error(s3):
    s3.put_object(Bucket=BUCKET, Key="there.json", Body=b"[1]")
    store = Store(Forbidding(s3, ("there.json",)))
    for read in (store.size, store.read_json, store.stream):
        with pytest.raises(ClientError, match=r"AccessDenied|403"):
            read(BUCKET, "there.json")


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 7])
def test_a_stream_becomes_one_object(s3, size):
    body = os.urandom(size)
    with Store(s3).writer(BUCKET, "whole") as writer:
        for at in range(0, size, 3_000_001):
            writer.write(body[at : at + 3_000_001])
    assert writer.bytes == size
    assert s3.get_object(Bucket=BUCKET, Key="whole")["Body"].read() == body


def test_an_error_leaves_neither_object_nor_upload(s3):
    def broken():
        with Store(s3).writer(BUCKET, "whole") as writer:
            writer.write(b"x" * (PART_BYTES + 1))
            raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        broken()
    assert Store(s3).size(BUCKET, "whole") is None
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_an_object_that_changed_is_told_from_the_one_that_was_listed(s3):
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"one")
    etag = s3.head_object(Bucket=BUCKET, Key="a")["ETag"].strip('"')
    assert Store(s3).stream(BUCKET, "a", etag=etag).read() == b"one"
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"two")
    with pytest.raises(ChangedError, match="changed, or went"):
        Store(s3).stream(BUCKET, "a", etag=etag)


def test_more_objects_than_one_call_takes_are_deleted(s3):
    keys = [f"k{number}" for number in range(1003)]
    for key in keys[:2] + keys[-2:]:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    Store(s3).delete(BUCKET, keys)
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
