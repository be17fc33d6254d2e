"""A model folder from a folder's name or a hub id: pinned by commit, only what is needed, every file checked.

    python -m jina_v3_infra.hub jinaai/jina-embeddings-v3

Files lie in ``huggingface_hub``'s own cache layout, so a model that other tools fetched before is used (after its
digests were checked) and not fetched twice. A second start touches no network. This module knows nothing of what
the files mean; the encoder refuses a checkpoint that is not one.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NoReturn

import httpx2
from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # there, but not in its __all__

from jina_v3.contract import WEIGHTS_LICENCE
from jina_v3_infra.checksums import HubFile, Manifest
from jina_v3_infra.progress import ByteProgress
from jina_v3_infra.snapshot import DigestError, Snapshot
from jina_v3_infra.transfer import DiskFullError, TransferError, require_space

PINNED_REVISIONS: Final[dict[str, str]] = {
    "jinaai/jina-embeddings-v3": "ab036b023d30b4d1138c4c3bfa9f0c445ab455d6",  # the original layout
    "jinaai/jina-embeddings-v3-hf": "d18862d9a48706220815554fac3ebb4dfa46fc28",  # flash base, PEFT adapters
}
"""The commits that stand behind an id given without a revision."""

NEEDED_FILES: Final = (
    "config.json",
    "tokenizer.json",
    "*.safetensors",
    "model.safetensors.index.json",
    "*/adapter_config.json",
    "*/adapter_model.safetensors",
)
"""What is fetched; ``*`` stays within one folder. ONNX exports and pickles are left where they are."""

LICENCE_NOTICE: Final = (
    f"The weights of jina-embeddings-v3 are licensed under {WEIGHTS_LICENCE}: not for commercial use, "
    "which needs a licence from Jina AI."
)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubError(Exception):
    """A model cannot be had; the message says what to do about it."""


def fetch_model(
    model: str,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
    endpoint: str | None = None,
) -> Path:
    """Return the folder of ``model``, which is a folder already or a hub id, perhaps ``id@revision``.

    A folder is returned as it is. A hub id is fetched into ``cache_dir`` (by default the hub cache of this
    machine) from ``endpoint`` (by default ``HF_ENDPOINT`` or the public hub), resuming what an earlier call left.

    **Raises**: ``HubError`` for a folder that holds no model, a revision that is not a commit, a hub that cannot
    be reached, a repository that is missing or gated, a full disk, a file that is not what the hub announces.
    """
    if Path(model).exists():
        return _checked_folder(Path(model))
    repository, revision = resolve_model(model, revision)
    snapshot = Snapshot(
        repository=repository,
        revision=revision,
        endpoint=(endpoint or constants.ENDPOINT).rstrip("/"),
        cache=Path(cache_dir or constants.HF_HUB_CACHE).expanduser().absolute(),
    )
    known = Manifest.read(snapshot.manifest_path)
    if known is not None and all(known.remembers(file, snapshot.folder / file.path) for file in known.files.values()):
        return snapshot.folder
    with _explained(snapshot):
        snapshot.root.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(snapshot.root / "jina-v3-fetch.lock"):
            # read again: another process may have fetched everything while this one waited
            known = Manifest.read(snapshot.manifest_path)
            files = list(known.files.values()) if known is not None else _list_files(snapshot)
            manifest = Manifest(
                path=snapshot.manifest_path,
                files={file.path: file for file in files},
                seen=known.seen if known else {},
            )
            _complete(snapshot, manifest, progress=progress)
    return snapshot.folder


def _checked_folder(folder: Path) -> Path:
    """Return ``folder`` if it can be a model; what is in it is the encoder's to judge."""
    if not folder.is_dir():
        raise HubError(f"{folder} is a file; give the folder that holds config.json, or a hub id like org/name")
    if not (folder / "config.json").is_file():
        raise HubError(f"{folder} has no config.json; give a model folder (config.json, tokenizer.json, *.safetensors)")
    return folder


def resolve_model(model: str, revision: str | None) -> tuple[str, str]:
    """Split ``id@revision`` and find the commit it means, without asking the hub.

    **Raises**: ``HubError`` where it is no hub id, or one without a commit.
    """
    repository, _, written = model.partition("@")
    if not _HUB_ID.fullmatch(repository):
        raise HubError(f"{model!r} is no folder here, and no hub id: that is org/name, or org/name@commit")
    if revision and written and revision != written:
        raise HubError(f"two revisions for {repository}: {written!r} in the id and {revision!r} beside it; give one")
    wanted = revision or written or PINNED_REVISIONS.get(repository)
    if not wanted:
        raise HubError(
            f"{repository!r} is no folder here, and as a hub id it needs a commit: {repository}@<40 hex digits>. "
            f"Only these have one built in: {', '.join(PINNED_REVISIONS)}"
        )
    if not _COMMIT.fullmatch(wanted):
        raise HubError(
            f"revision {wanted!r} of {repository} is not a commit: give its 40 hex digits. "
            "Branches and tags can move, so what they name today is not what a later start would get"
        )
    return repository, wanted


def _list_files(snapshot: Snapshot) -> list[HubFile]:
    """Ask the hub for the commit's files and keep those that are needed."""
    # One request that is not repeated comes first: an unreachable hub shows in seconds, not after the
    # listing's half minute of retries, and so does a repository or a commit that is not there.
    probe = get_hf_file_metadata(
        hf_hub_url(snapshot.repository, "config.json", revision=snapshot.revision, endpoint=snapshot.endpoint),
        endpoint=snapshot.endpoint,
    )
    if probe.commit_hash != snapshot.revision:
        raise HubError(
            f"{snapshot.endpoint} answered with commit {probe.commit_hash!r}, {snapshot.revision} was asked for: "
            "it is not a hub, or not an exact copy of one; check HF_ENDPOINT"
        )
    api = HfApi(endpoint=snapshot.endpoint)
    tree = api.list_repo_tree(snapshot.repository, recursive=True, revision=snapshot.revision)
    files = [_as_hub_file(entry) for entry in tree if isinstance(entry, RepoFile) and is_needed(entry.path)]
    names = {file.path for file in files}
    missing = [name for name in ("config.json", "tokenizer.json") if name not in names]
    if not any("/" not in name and name.endswith(".safetensors") for name in names):
        missing.append("*.safetensors")
    if missing:
        raise HubError(
            f"{snapshot.repository}@{snapshot.revision} has no {', '.join(missing)}: it is not a checkpoint of "
            "jina-embeddings-v3 in safetensors"
        )
    return files


def is_needed(path: str) -> bool:
    """Say whether a file of a repository belongs to the model folder."""
    return any(pattern.count("/") == path.count("/") and fnmatchcase(path, pattern) for pattern in NEEDED_FILES)


def _as_hub_file(entry: RepoFile) -> HubFile:
    digest = entry.lfs.sha256 if entry.lfs is not None else entry.blob_id
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", digest) or ".." in entry.path.split("/"):
        # both become names of files here
        raise HubError(f"the hub lists a file that no repository can hold: {entry.path!r}, digest {digest!r}")
    if entry.lfs is not None:
        return HubFile(path=entry.path, size_bytes=entry.lfs.size, algorithm="sha256", digest=entry.lfs.sha256)
    return HubFile(path=entry.path, size_bytes=entry.size, algorithm="git-blob", digest=entry.blob_id)


def _complete(snapshot: Snapshot, manifest: Manifest, *, progress: bool) -> None:
    """Make every file of the manifest present and right, fetching only those that are not."""
    wrong = [file for file in manifest.files.values() if not snapshot.has(file, manifest)]
    if wrong:
        require_space(snapshot.root, sum(file.size_bytes - snapshot.partial_bytes(file) for file in wrong))
        print(LICENCE_NOTICE, file=sys.stderr)  # noqa: T201  # before the first byte, for people and logs alike
        total_bytes = sum(file.size_bytes for file in wrong)
        name = f"{snapshot.repository}@{snapshot.revision[:7]}"
        with ByteProgress(total_bytes, name, verb="fetched", enabled=progress) as shown:
            for file in wrong:
                snapshot.fetch(file, manifest, shown.advance)
    try:
        manifest.write()
    except OSError:
        if wrong:
            raise
        # a complete cache on a read-only disk is fine: it is then checked at every start


@contextmanager
def _explained(snapshot: Snapshot) -> Iterator[None]:
    """Turn what the hub's library, the network and the disk raise into errors a person can act on."""
    what = f"{snapshot.repository}@{snapshot.revision}"
    offline = "or give a folder that holds the model"

    def refuse(message: str, error: Exception) -> NoReturn:
        raise HubError(message) from error

    try:
        yield
    except GatedRepoError as error:
        refuse(f"{what} is gated: accept its terms on {snapshot.endpoint} and set HF_TOKEN, {offline}", error)
    except RepositoryNotFoundError as error:
        refuse(f"{snapshot.endpoint} has no {snapshot.repository} (or it is private: set HF_TOKEN)", error)
    except RevisionNotFoundError as error:
        refuse(f"{snapshot.repository} has no commit {snapshot.revision}; see its history on the hub", error)
    except RemoteEntryNotFoundError as error:
        refuse(f"{what} has no such file: {error}; it is not a checkpoint of jina-embeddings-v3", error)
    except OfflineModeIsEnabled as error:
        refuse(f"{what} is not complete in {snapshot.cache}, and HF_HUB_OFFLINE is set: unset it, {offline}", error)
    except DiskFullError as error:
        refuse(f"{what} does not fit: {error.strerror}; free some, or set another cache folder (HF_HUB_CACHE)", error)
    except DigestError as error:
        refuse(
            f"{error}: something between here and {snapshot.endpoint} changes what it carries. "
            "It was thrown away; try again, or another network",
            error,
        )
    except HfHubHTTPError as error:
        refuse(f"{snapshot.endpoint} refused {what} with status {error.response.status_code}: {error}", error)
    except (httpx2.HTTPError, TransferError) as error:
        refuse(
            f"the hub at {snapshot.endpoint} cannot be reached or broke off ({error or type(error).__name__}): "
            f"run again to go on from what has arrived, set HF_ENDPOINT to a hub that can be reached, {offline}",
            error,
        )


def main(arguments: list[str] | None = None) -> int:
    """Fetch a model and print its folder, alone on standard output."""
    parser = argparse.ArgumentParser(
        prog="python -m jina_v3_infra.hub",
        description="Fetch and check a model; print its folder.",
        epilog=LICENCE_NOTICE,
    )
    parser.add_argument("model", metavar="MODEL", help="a folder, or a hub id: " + ", ".join(PINNED_REVISIONS))
    parser.add_argument("--revision", help="a commit, 40 hex digits; may also be written MODEL@commit")
    parser.add_argument("--cache-dir", help="where to keep it; by default the machine's hub cache")
    options = parser.parse_args(arguments)
    try:
        folder = fetch_model(options.model, revision=options.revision, cache_dir=options.cache_dir)
    except HubError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  # a command's message
        return 1
    print(folder)  # noqa: T201  # the command's result
    return 0


if __name__ == "__main__":
    sys.exit(main())
