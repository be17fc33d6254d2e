"""The model into the bucket: every file under the release's prefix, the archive if it is asked for, the manifest last.

The manifest's presence says that the release is whole; a run that was broken off goes on from what has arrived.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jina_v3_infra.artifact import list_members, write_artifact
from jina_v3_infra.checksums import sha256
from jina_v3_infra.config import Deployment
from jina_v3_infra.hub import fetch_model, resolve_model
from jina_v3_infra.progress import ByteProgress
from jina_v3_infra.publish.bucket import Bucket, Item, Listed
from jina_v3_infra.publish.errors import PublishError, explained
from jina_v3_infra.publish.manifest import Content, Manifest, find_contents, read_manifest
from jina_v3_infra.publish.upload import Flight, upload
from jina_v3_infra.release import Release, plan_release
from jina_v3_infra.transfer import DiskFullError, require_space


@dataclass(slots=True)
class Tally:
    """What became of a release's bytes: sent from here, copied inside S3, or there already."""

    uploaded_bytes: int = 0
    copied_bytes: int = 0
    skipped_bytes: int = 0


def publish_model(deployment: Deployment, release: Release, bucket: Bucket, *, progress: bool = True) -> Tally:
    """Bring the release's model into the bucket and say what became of its bytes.

    **Raises**: ``PublishError``, ``HubError``, ``ArtifactError``.
    """
    archive = deployment.packs_archive
    tally = Tally()
    with explained("s3", f"bucket {bucket.name}"):
        stored = read_manifest(bucket, release)
        places = (release.model_prefix, release.archive_key) if archive else (release.model_prefix,)
        present = bucket.list(*places)
        if stored is not None and stored.matches(release, present, archive=archive):
            tally.skipped_bytes = sum(one.size_bytes for one in present.values())
            return tally
        trusted = present if stored is None else stored.without_rewritten(present)
        folder, revision = _find_folder(deployment, progress=progress)
        manifest, items = _take_stock(deployment, release, folder, revision)
        _send(bucket, release, items, trusted, tally, progress=progress)
        # What an earlier, interrupted run left.
        bucket.delete(present.keys() - {item.key for item in items} - {release.archive_key})
        if archive:
            with _packed(folder, release.archive_key, sum(item.size_bytes for item in items)) as item:
                _send(bucket, release, [item], trusted, tally, progress=progress)
                manifest = replace(manifest, archive=Content(sha256=item.sha256, size=item.size_bytes))
        elif stored is not None:
            manifest = replace(manifest, archive=stored.archive)
        sealed = manifest.seal(release, bucket.list(release.model_prefix, release.archive_key))
        bucket.put(release.manifest_key, sealed.to_json())
    return tally


def check_prefix(s3: Any, source: str) -> None:
    """Check that an S3 prefix holds a model.

    **Raises**: ``PublishError``.
    """
    name, _, prefix = source.removeprefix("s3://").partition("/")
    with explained("s3", f"bucket {name} of model.source"):
        names = {key.removeprefix(prefix) for key in Bucket(s3=s3, name=name).sizes(prefix)}
    if not names:
        raise PublishError(f"there is nothing under model.source = {source}: give the prefix that holds the model")
    if "config.json" not in names or not any(each.endswith(".safetensors") for each in names):
        raise PublishError(
            f"model.source = {source} holds no model: config.json and *.safetensors must be there, "
            f"and {', '.join(sorted(names)[:5])} is what is"
        )


def _find_folder(deployment: Deployment, *, progress: bool) -> tuple[Path, str | None]:
    """Return the model's folder, fetched if need be, and the hub's commit."""
    model = deployment.model
    folder = Path(model.source).expanduser()
    if folder.exists():
        return folder, None
    _, revision = resolve_model(model.source, model.revision)
    return fetch_model(model.source, revision=model.revision, progress=progress), revision


def _take_stock(
    deployment: Deployment, release: Release, folder: Path, revision: str | None
) -> tuple[Manifest, list[Item]]:
    """Hash what the release holds."""
    members = list_members(folder)
    files = {each.name: Content(sha256=sha256(each.source), size=each.source.stat().st_size) for each in members}
    if plan_release(deployment) != release:  # its name says another content
        raise PublishError(f"{folder} changed while it was published: leave it alone and run this again")
    manifest = Manifest(release=str(release.model), source=deployment.model.source, revision=revision, files=files)
    return manifest, [_item(release.model_prefix + each.name, each.source, files[each.name]) for each in members]


def _item(key: str, path: Path, content: Content) -> Item:
    return Item(key=key, path=path, size_bytes=content.size, sha256=content.sha256)


def _send(
    bucket: Bucket, release: Release, items: list[Item], present: dict[str, Listed], tally: Tally, *, progress: bool
) -> None:
    """Bring every item there: those that are right stay, contents that other releases have are copied."""
    missing = [item for item in items if item.key not in present or not bucket.holds(item)]
    tally.skipped_bytes += sum(item.size_bytes for item in items) - sum(item.size_bytes for item in missing)
    if not missing:
        return
    large = [item for item in missing if item.size_bytes > bucket.part_bytes]
    contents = find_contents(bucket, release) if large else {}
    total_bytes = sum(item.size_bytes for item in missing)
    with ByteProgress(total_bytes, f"s3://{bucket.name}", verb="uploaded", enabled=progress) as shown:

        def sent(count_bytes: int) -> None:
            tally.uploaded_bytes += count_bytes
            shown.advance(count_bytes)

        def kept(count_bytes: int) -> None:
            tally.skipped_bytes += count_bytes
            shown.advance(count_bytes)

        _put_small(bucket, (item for item in missing if item not in large), sent)
        for item in large:
            if item.sha256 in contents and bucket.copy(contents[item.sha256], item):
                tally.copied_bytes += item.size_bytes
                shown.advance(item.size_bytes)
            else:
                upload(bucket, item, sent, kept)


def _put_small(bucket: Bucket, items: Iterable[Item], sent: Callable[[int], None]) -> None:
    with Flight(bucket.concurrency, sent) as flight:
        for item in items:
            flight.submit(bucket.put_file, item)
        flight.land()


@contextmanager
def _packed(folder: Path, key: str, size_bytes: int) -> Iterator[Item]:
    """Pack the artifact into a temporary file for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="jina-v3-") as temporary:
        try:
            require_space(Path(temporary), size_bytes)
        except DiskFullError as error:
            raise PublishError(
                f"model.tar.gz does not fit: {error.strerror}; free some, or name another folder with TMPDIR"
            ) from error
        archive = write_artifact(folder, Path(temporary) / "model.tar.gz")
        yield _item(key, archive, Content(sha256=sha256(archive), size=archive.stat().st_size))
