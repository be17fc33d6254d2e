"""One set of weights, texts of many lengths and all tasks, and the oracle on them."""

from functools import cached_property
from pathlib import Path

import numpy as np
from demo.standin import StandInConfig
from tests.support.checkpoints import write_layout
from tests.support.oracle import Oracle
from tests.support.texts import text_of
from tokenizers import Tokenizer

from jina_v3.contract import TASKS, Task

LENGTHS = (1, 5, 14, 14, 30, 61, 14, 128, 255, 300, 47, 698)  # with <s> and </s>: 3..700
EVERY_TASK: tuple[Task | None, ...] = (None, *TASKS)


class Case:
    """Folders are written when a test first asks for their layout."""

    def __init__(self, root: Path, config: StandInConfig) -> None:
        self.root = root
        self.config = config
        self.flash = write_layout(root / "flash", "flash", config)
        self.oracle = Oracle(self.flash)
        self.tokenizer = Tokenizer.from_file(str(self.flash / "tokenizer.json"))
        self.texts = [text_of(length, self.tokenizer, seed) for seed, length in enumerate(LENGTHS)]
        self.tasks = [EVERY_TASK[index % 6] for index in range(len(LENGTHS))]

    @cached_property
    def raw(self) -> np.ndarray:
        """What the oracle makes of all texts, unnormalised: asked once, as it takes longer than the encoder."""
        return self.oracle.encode(self.texts, self.tasks, normalized=False)

    @property
    def expected(self) -> np.ndarray:
        """The same, normalised."""
        return self.raw / np.linalg.norm(self.raw, axis=1, keepdims=True)

    def folder(self, layout: str) -> Path:
        folder = self.root / layout
        return folder if folder.exists() else write_layout(folder, layout, self.config)
