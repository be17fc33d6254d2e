"""Whether what batch transform names is there: the model's archive, and the places it reads and writes."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from jina_v3_infra.config import BatchSettings, Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.failures import absent
from jina_v3_infra.deploy.findings import Finding, examine, right, unsure, wrong
from jina_v3_infra.outputs import read_foundation
from jina_v3_infra.prefixes import split_place

ARCHIVE = "archive"
PLACES = "batch places"


def check_batch(account: Account, deployment: Deployment) -> list[Finding]:
    """Look at each place by itself; nothing where there is no batch transform."""
    batch = deployment.batch
    if batch is None:
        return []
    findings = [] if batch.archive is None else examine(ARCHIVE, lambda: _archive(account, str(batch.archive)))
    for place in dict.fromkeys([*batch.datasets, *batch.results]):
        findings += examine(PLACES, lambda place=place: _place(account, deployment, batch, place))  # type: ignore[misc]
    return findings


def _archive(account: Account, archive: str) -> Iterator[Finding]:
    bucket, key = split_place(archive)
    try:
        account.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if not absent(error):
            raise
        yield wrong(ARCHIVE, f"{archive} is not there", "pack it (python -m jina_v3_infra.artifact) and put it there")
    else:
        yield right(ARCHIVE, f"{archive} is there")


def _place(account: Account, deployment: Deployment, batch: BatchSettings, place: str) -> Iterator[Finding]:
    bucket, prefix = split_place(place)
    s3 = account.client("s3")
    try:
        region = s3.head_bucket(Bucket=bucket).get("BucketRegion", account.region)
    except ClientError as error:
        if not absent(error):
            raise
        yield wrong(PLACES, f"there is no bucket {bucket!r}", f"correct {place} in batch.datasets or batch.results")
        return
    if region != account.region:
        yield wrong(
            PLACES,
            f"the bucket of {place} is in {region}, and transform jobs read and write in {account.region} only",
            f"copy the data to a bucket in {account.region}, or deploy in {region}",
        )
        return
    if place not in batch.datasets:
        yield right(PLACES, f"{place} is there to write to")
        return
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents", ())
    if not found:
        yield unsure(PLACES, f"nothing is under {place} yet")
        return
    yield right(PLACES, f"{place} can be read")
    yield from _encryption(account, deployment, batch, bucket, found[0]["Key"])


def _encryption(
    account: Account, deployment: Deployment, batch: BatchSettings, bucket: str, key: str
) -> Iterator[Finding]:
    """Look whether the roles may decrypt the first object: with a key of the configuration, or AWS's own of S3."""
    used = account.client("s3").head_object(Bucket=bucket, Key=key).get("SSEKMSKeyId")
    if used is None:
        return
    foundation = read_foundation(account.client("cloudformation"), deployment.foundation_stack)
    known = [*batch.kms_keys, *([foundation.key_arn] if foundation is not None else [])]
    if any(used.rpartition("/")[2] == one.rpartition("/")[2] for one in known):
        return
    where = f"s3://{bucket}/{key} is encrypted by the key {used}, which is not in batch.kms_keys"
    fix = f"add {used!r} to batch.kms_keys; a key of another account must let this account use it, by its own policy"
    try:
        found = account.client("kms").describe_key(KeyId=used)["KeyMetadata"]
    except ClientError:
        yield unsure(PLACES, where, fix)
        return
    if found.get("KeyManager") != "AWS":
        yield wrong(PLACES, where, fix)
