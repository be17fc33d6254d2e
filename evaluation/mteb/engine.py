"""The engine in the place of a client, so that a folder is evaluated by the same class as an endpoint."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.progress import track

from jina_v3.contract import MODEL_DIMENSIONS, TASKS
from jina_v3.encoder import Encoder
from jina_v3_client.results import Embeddings, Usage

_AT_ONCE: Final = 2048  # texts of one call of the engine: often enough for a bar, and plenty to pack


class EngineClient:
    """What an evaluation needs of a client, over an encoder of this process.

    >>> EngineClient(encoder).embed(["sunrise", "sunset"], task="text-matching").shape
    (2, 1024)
    """

    def __init__(self, encoder: Encoder) -> None:
        missing = [task for task in TASKS if task not in encoder.tasks]
        if missing:
            raise ValueError(f"the checkpoint has no adapter for {', '.join(missing)}; an evaluation needs all five")
        self._encoder = encoder

    def embed(
        self,
        texts: Iterable[str],
        *,
        task: str | None = None,
        dimensions: int = MODEL_DIMENSIONS,
        late_chunking: bool = False,
        normalized: bool = True,
        truncate: bool = False,
        progress: bool | None = None,
        **_: Any,
    ) -> Embeddings:
        """Embed texts as ``EmbeddingClient.embed`` does, with float32 vectors. **Raises**: ``RequestError``."""
        started = time.perf_counter()
        texts = list(texts)
        step = len(texts) if late_chunking else _AT_ONCE  # the chunks of a document stay together
        made = [
            self._encoder.encode(
                block,
                task=task,
                dimensions=dimensions,
                late_chunking=late_chunking,
                normalized=normalized,
                truncate=truncate,
            )
            for block in _shown(_blocks(texts, step), progress)
        ]
        counts = [count for block in made for count in block.token_counts]
        return Embeddings(
            vectors=np.concatenate(made) if made else np.empty((0, dimensions), np.float32),
            token_counts=np.array(counts, np.int64),
            usage=Usage(tokens=sum(counts), seconds=time.perf_counter() - started),
        )


def fingerprint(folder: Path) -> str:
    """Return twelve digits of what is in a checkpoint's files; other weights have others."""
    digest = hashlib.sha256()
    for path in sorted((*folder.glob("*.json"), *folder.glob("*.safetensors"), *folder.glob("*/adapter_*"))):
        digest.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _blocks(texts: Sequence[str], step: int) -> list[Sequence[str]]:
    return [texts[start : start + step] for start in range(0, len(texts), step)] if texts else []


def _shown(blocks: Sequence[Sequence[str]], progress: bool | None) -> Iterable[Sequence[str]]:
    return track(blocks, description="  embedding", transient=True) if progress and len(blocks) > 1 else blocks
