"""Which model the demo serves: a folder, one from the hub, or a stand-in that it builds once and keeps."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from demo import standin
from demo.corpus import Corpus
from demo.standin import StandInConfig
from jina_v3.contract import PROMPTS

CACHE = Path(__file__).parents[1] / ".cache"
STANDIN_CONFIG = StandInConfig(vocab=2000, follows_words=True)
_PROMPT_REPEATS = 5  # so that the prompts' words become pieces of their own, apart from those of the texts


def standin_folder(corpus: Corpus, config: StandInConfig = STANDIN_CONFIG, cache: Path = CACHE) -> Path:
    """Return the folder of the stand-in, built if it is not there; it is the same on every machine.

    Its name is made from all that it depends on. Builds of other texts or settings are removed.
    """
    texts = corpus.training_texts() + [prompt for prompt in PROMPTS.values() if prompt] * _PROMPT_REPEATS
    folder = cache / f"standin-{_fingerprint(texts, config)}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=cache))
    try:
        standin.write_standin(draft, texts, config)
        for outdated in set(cache.glob("standin-*")) - {folder}:  # which another process may have put there by now
            shutil.rmtree(outdated, ignore_errors=True)
        try:
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker, with the same result
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _fingerprint(texts: list[str], config: StandInConfig) -> str:
    digest = hashlib.sha256(repr(config).encode())
    digest.update(Path(standin.__file__).read_bytes())
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:16]
