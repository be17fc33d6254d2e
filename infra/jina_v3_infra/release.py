"""What a deployment serves, under names that follow from the content: the image and the model artifact.

Stacks and publishing work them out separately and agree without a word: nothing that was published is looked up when a
template is made, so `cdk deploy` needs no step before it but publishing, and publishing twice does nothing. This module
asks no network and no AWS; for a hub id without its files here the commit stands for the content.

In the artifact bucket::

    sources/<image tag>.zip       what the image is built from
    models/<release>/...          the checkpoint, and code/ beside it: SageMaker's uncompressed prefix
    archives/<release>/model.tar.gz   the same, for batch transform
    manifests/<release>.json      the sha256 and size of every file of the release
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jina_v3_infra.artifact import Member, list_code, list_image_sources, list_model
from jina_v3_infra.checksums import sha256
from jina_v3_infra.config import Deployment, ImageSettings
from jina_v3_infra.hub import resolve_model

SOURCES: Final = "sources/"
MODELS: Final = "models/"
ARCHIVES: Final = "archives/"
MANIFESTS: Final = "manifests/"
OWN_PREFIXES: Final = (SOURCES, MODELS, ARCHIVES, MANIFESTS)
"""The parts of the bucket that publishing fills and can fill again."""

_DIGITS: Final = 12  # of a digest in a name: enough for one account's releases, short enough to read


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The names of what is deployed.

    ``image_tag`` is ``None`` where the configuration names an image that exists, ``model`` where it names an S3 prefix.
    """

    image_tag: str | None
    model: str | None

    @property
    def source_key(self) -> str:
        """The object that the image is built from."""
        return f"{SOURCES}{self.image_tag}.zip"

    @property
    def model_prefix(self) -> str:
        """Where the model artifact's files are."""
        return f"{MODELS}{self.model}/"

    @property
    def archive_key(self) -> str:
        """The model artifact as an archive."""
        return f"{ARCHIVES}{self.model}/model.tar.gz"

    @property
    def manifest_key(self) -> str:
        """The list of the artifact's files."""
        return f"{MANIFESTS}{self.model}.json"


def plan_release(deployment: Deployment, source_root: Path | None = None) -> Release:
    """Name what the deployment serves.

    **Raises**: ``HubError`` for a model that is no folder and no pinned hub id; ``ArtifactError`` for a folder that is
    no model, or an installation without the sources.
    """
    model = None
    if not deployment.model.source.startswith("s3://"):
        model = f"{_model_version(deployment)}-{digest(list_code(source_root))}"
    image = None if deployment.image.uri is not None else image_tag(deployment.image, source_root)
    return Release(image_tag=image, model=model)


def image_tag(image: ImageSettings, source_root: Path | None = None) -> str:
    """Name the image by what it is built from: the sources, the build of torch, and the base where it is another."""
    base = f"-{hashlib.sha256(image.base.encode()).hexdigest()[:_DIGITS]}" if image.base else ""
    return f"{image.torch}{base}-{digest(list_image_sources(source_root))}"


def digest(members: Iterable[Member]) -> str:
    """Return the first digits of a sha256 over names and contents."""
    whole = hashlib.sha256()
    for member in sorted(members):
        whole.update(f"{member.name}\0{sha256(member.source)}\n".encode())
    return whole.hexdigest()[:_DIGITS]


def _model_version(deployment: Deployment) -> str:
    source = Path(deployment.model.source).expanduser()
    if source.exists():
        return digest(list_model(source))
    _, revision = resolve_model(deployment.model.source, deployment.model.revision)
    return revision[:_DIGITS]
