"""The model from the first region's bucket into the second's, inside S3: nothing passes through this machine.

File by file, each with its sha256 beside it, and the manifest last: a run that was broken off goes on with the files
that are missing.
"""

from __future__ import annotations

from dataclasses import replace

from jina_v3_infra.progress import ByteProgress
from jina_v3_infra.publish.bucket import Bucket, Wanted
from jina_v3_infra.publish.errors import PublishError, explained
from jina_v3_infra.publish.manifest import read_manifest
from jina_v3_infra.publish.model import Tally
from jina_v3_infra.publish.upload import Flight
from jina_v3_infra.release import Release


def copy_model(release: Release, origin: Bucket, bucket: Bucket, *, archive: bool, progress: bool = True) -> Tally:
    """Bring a release's model from one bucket into another and say what became of its bytes.

    **Raises**: ``PublishError``, also where the first bucket has not got the whole release.
    """
    tally = Tally()
    with explained("s3", f"bucket {origin.name}"):
        manifest = read_manifest(origin, release)
    if manifest is None or (archive and manifest.archive is None):
        raise PublishError(
            f"s3://{origin.name} has not got the whole release {release.model}: publish it in the first region first"
        )
    if not archive:
        manifest = replace(manifest, archive=None)
    contents = manifest.objects(release, archive=archive)
    wanted = [Wanted(key=key, size_bytes=one.size, sha256=one.sha256) for key, one in contents.items()]
    with explained("s3", f"bucket {bucket.name} (or {origin.name})"):
        present = bucket.list(release.model_prefix, release.archive_key)
        stored = read_manifest(bucket, release)
        if stored is not None and stored == manifest and stored.matches(release, present, archive=archive):
            tally.skipped_bytes = sum(one.size_bytes for one in wanted)
            return tally
        trusted = present if stored is None else stored.without_rewritten(present)
        missing = [one for one in wanted if one.key not in trusted or not bucket.holds(one)]
        tally.skipped_bytes = sum(one.size_bytes for one in wanted) - sum(one.size_bytes for one in missing)
        _copy(origin, bucket, missing, tally, progress=progress)
        bucket.delete(present.keys() - contents.keys())  # left by an earlier, interrupted run
        sealed = manifest.seal(release, bucket.list(release.model_prefix, release.archive_key))
        bucket.put(release.manifest_key, sealed.to_json())
    return tally


def _copy(origin: Bucket, bucket: Bucket, missing: list[Wanted], tally: Tally, *, progress: bool) -> None:
    total_bytes = sum(one.size_bytes for one in missing)
    if not missing:
        return

    def copy(one: Wanted) -> int:
        if not bucket.copy(one.key, one, origin):
            raise PublishError(
                f"s3://{origin.name}/{one.key} is not what the release's manifest says: publish it in the first region "
                "again"
            )
        return one.size_bytes

    with ByteProgress(total_bytes, f"s3://{bucket.name}", verb="copied", enabled=progress) as shown:

        def copied(count_bytes: int) -> None:
            tally.copied_bytes += count_bytes
            shown.advance(count_bytes)

        with Flight(bucket.concurrency, copied) as flight:
            for one in missing:
                flight.submit(copy, one)
            flight.land()
