"""An independent implementation of the model: transformers' native class with peft's adapters, padded and masked."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from jina_v3.contract import TASKS, Task

PROMPTS = {  # written out, not imported: what the model's card says
    "retrieval.query": "Represent the query for retrieving evidence documents: ",
    "retrieval.passage": "Represent the document for retrieval: ",
}


class Oracle:
    """Loads a folder of the flash layout with adapters, the way the model's card does."""

    def __init__(self, folder: Path, dtype: torch.dtype = torch.float32, device: str = "cpu") -> None:
        # here, as every process of the tests reads this file and one or two have an oracle
        from peft import PeftModel
        from transformers import JinaEmbeddingsV3Model

        self.device = device
        base = JinaEmbeddingsV3Model.from_pretrained(
            folder, add_pooling_layer=False, dtype=dtype, attn_implementation="sdpa"
        )
        names = [task.value.replace(".", "_").replace("-", "_") for task in TASKS]
        self.model = PeftModel.from_pretrained(base, folder / names[0], adapter_name=names[0])
        for name in names[1:]:
            self.model.load_adapter(folder / name, adapter_name=name)
        self.model = self.model.eval().to(device, dtype)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def ids(self, text: str, task: Task | None) -> list[int]:
        """<s> prompt text </s>, tokenised as one string."""
        return list(self.tokenizer.encode(PROMPTS.get(task or "", "") + text).ids)

    def states(self, sequences: Sequence[Sequence[int]], tasks: Sequence[Task | None]) -> list[torch.Tensor]:
        """Last states of each sequence, fp32; in batches of four of the nearest lengths."""
        order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]))
        found: dict[int, torch.Tensor] = {}
        for start in range(0, len(order), 4):
            rows = order[start : start + 4]
            batch = self._batch([sequences[row] for row in rows], [tasks[row] for row in rows])
            found.update(zip(rows, batch, strict=True))
        return [found[row] for row in range(len(sequences))]

    @torch.inference_mode()
    def _batch(self, sequences: Sequence[Sequence[int]], tasks: Sequence[Task | None]) -> list[torch.Tensor]:
        """Padded into one batch of mixed adapters."""
        longest = max(map(len, sequences))
        ids = torch.full((len(sequences), longest), 1)
        mask = torch.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = torch.tensor(sequence)
            mask[row, : len(sequence)] = 1
        names = ["__base__" if task is None else task.value.replace(".", "_").replace("-", "_") for task in tasks]
        ids, mask = ids.to(self.device), mask.to(self.device)
        out = self.model(input_ids=ids, attention_mask=mask, adapter_names=names).last_hidden_state.float().cpu()
        return [out[row, : len(sequence)] for row, sequence in enumerate(sequences)]

    def encode(
        self, texts: Sequence[str], tasks: Sequence[Task | None], dimensions: int = 1024, normalized: bool = True
    ) -> np.ndarray:
        """Mean over all real tokens in fp32, cut, then normalise."""
        states = self.states([self.ids(text, task) for text, task in zip(texts, tasks, strict=True)], tasks)
        vectors = torch.stack([one.mean(0) for one in states])[:, :dimensions]
        if normalized:
            vectors = vectors / vectors.norm(dim=1, keepdim=True)
        return vectors.numpy()


def cosine_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 − cos of each pair of rows, in fp64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return 1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
