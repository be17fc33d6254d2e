"""The check of accuracy at load: what it lets pass, and which faults it stops."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.checkpoints import TINY, write_layout

from jina_v3.contract import TASKS
from jina_v3.encoder.checkpoint import Checkpoint, LinearWeights, open_checkpoint
from jina_v3.encoder.checkpoint.folder import LayerWeights
from jina_v3.encoder.gate import check_accuracy, cosine_errors, exact_sums, sentences
from jina_v3.encoder.model import Model
from jina_v3.encoder.packing import to_device
from jina_v3.encoder.pooling import segment_sums
from jina_v3.encoder.precision import PRECISIONS
from jina_v3.errors import AccuracyError
from jina_v3.tokens.sequencer import Sequencer, SequencerConfig
from jina_v3.tokens.sequences import NO_TASK, TokenBatch

CPU = torch.device("cpu")
FLOAT8 = PRECISIONS["float8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_layout(tmp_path_factory.mktemp("gate") / "model", "original", TINY)


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Checkpoint:
    return open_checkpoint(folder)


@pytest.fixture(scope="module")
def sequencer(folder: Path, checkpoint: Checkpoint) -> Sequencer:
    return Sequencer(SequencerConfig(folder, checkpoint.config.vocabulary, 8192, window=8192))


class Engine:
    """An encoder by the portable model, which notes the batches it is given."""

    def __init__(self, checkpoint: Checkpoint, dtype: torch.dtype = torch.float32) -> None:
        self.model = Model(checkpoint, CPU, dtype)
        self.batches: list[TokenBatch] = []

    def __call__(self, batch: TokenBatch) -> np.ndarray:
        self.batches.append(batch)
        packed = to_device(batch, CPU)
        return segment_sums(self.model(packed), packed, self.model.hidden).numpy()


class Altered:
    """A checkpoint of which one layer's weights are not what the file has."""

    def __init__(self, checkpoint: Checkpoint, alter: Callable[[LayerWeights], LayerWeights], index: int = 1) -> None:
        self._checkpoint, self._alter, self._index = checkpoint, alter, index

    def __getattr__(self, name: str) -> object:
        return getattr(self._checkpoint, name)

    def layer(self, index: int) -> LayerWeights:
        weights = self._checkpoint.layer(index)
        return self._alter(weights) if index == self._index else weights


def with_linear(weights: LayerWeights, name: str, change: Callable[[LinearWeights], LinearWeights]) -> LayerWeights:
    return replace(weights, linears=weights.linears | {name: change(weights.linears[name])})


def test_an_honest_engine_passes_and_its_figures_come_back(checkpoint: Checkpoint, sequencer: Sequencer) -> None:
    engine = Engine(checkpoint, torch.bfloat16)
    report = check_accuracy(engine, checkpoint, sequencer, CPU, FLOAT8, 300)
    assert report.sentences == len(sentences()) == 24
    assert report.tokens == sum(len(batch.ids) for batch in engine.batches)
    assert 1e-8 < report.mean <= report.worst <= report.bound == 1e-3
    assert report.describe().keys() == {"sentences", "tokens", "mean", "worst", "bound", "seconds"}


def test_batches_keep_to_the_budget_and_to_one_kind(checkpoint: Checkpoint, sequencer: Sequencer) -> None:
    engine = Engine(checkpoint)
    check_accuracy(engine, checkpoint, sequencer, CPU, FLOAT8, 300)
    assert all(len(batch.ids) <= 300 or len(batch.lengths) == 1 for batch in engine.batches)
    kinds = [set(batch.tasks.tolist()) for batch in engine.batches]
    assert {NO_TASK} in kinds
    assert all(kind == {NO_TASK} or NO_TASK not in kind for kind in kinds)
    assert set.union(*kinds) == {NO_TASK, *range(len(TASKS))}
    assert max(len(kind) for kind in kinds) > 1  # tasks are mixed


@pytest.mark.parametrize("name", ["qkv", "out", "fc1", "fc2"])
@pytest.mark.parametrize("task", [0, 3])
def test_one_tasks_addition_left_out_of_one_product_is_found(
    checkpoint: Checkpoint, sequencer: Sequencer, name: str, task: int
) -> None:
    def drop(linear: LinearWeights) -> LinearWeights:
        kept = tuple(one for one in linear.low_ranks if one.task != TASKS[task])
        assert len(kept) == len(linear.low_ranks) - 1
        return replace(linear, low_ranks=kept)

    broken = Engine(Altered(checkpoint, lambda weights: with_linear(weights, name, drop)))  # type: ignore[arg-type]
    with pytest.raises(AccuracyError):
        check_accuracy(broken, checkpoint, sequencer, CPU, PRECISIONS["float16-fast"], 4096)


def test_the_refusal_names_the_figure_the_bound_and_the_way_out(checkpoint: Checkpoint, sequencer: Sequencer) -> None:
    def perturb(linear: LinearWeights) -> LinearWeights:
        noise = torch.randn(linear.weight.shape, generator=torch.Generator().manual_seed(0))
        return replace(linear, weight=linear.weight * (1 + 0.2 * noise))

    broken = Engine(Altered(checkpoint, lambda weights: with_linear(weights, "fc1", perturb)))  # type: ignore[arg-type]
    with pytest.raises(AccuracyError, match=r"'float8'.* up to \d\.\de-0[123].*1e-03.*JINA_V3_DTYPE.*bfloat16"):
        check_accuracy(broken, checkpoint, sequencer, CPU, FLOAT8, 4096)


def test_the_bound_is_the_precisions_own(checkpoint: Checkpoint, sequencer: Sequencer) -> None:
    engine = Engine(checkpoint, torch.bfloat16)
    report = check_accuracy(engine, checkpoint, sequencer, CPU, FLOAT8, 4096)
    with pytest.raises(AccuracyError):
        check_accuracy(engine, checkpoint, sequencer, CPU, replace(FLOAT8, bound=report.worst / 2), 4096)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_refused(checkpoint: Checkpoint, sequencer: Sequencer, value: float) -> None:
    engine = Engine(checkpoint)

    def spoilt(batch: TokenBatch) -> np.ndarray:
        sums = engine(batch)
        sums[-1, 3] = value
        return sums

    with pytest.raises(AccuracyError, match="up to inf"):
        check_accuracy(spoilt, checkpoint, sequencer, CPU, FLOAT8, 4096)


@pytest.mark.parametrize(("layout", "tasks"), [("original", TASKS), ("flash", TASKS[1:3]), ("native", ())])
def test_what_is_compared_with_is_the_portable_model(
    tmp_path: Path, layout: str, tasks: tuple[str, ...], sequencer: Sequencer
) -> None:
    checkpoint = open_checkpoint(write_layout(tmp_path / "model", layout, TINY, tasks))  # type: ignore[arg-type]
    engine = Engine(checkpoint)
    report = check_accuracy(engine, checkpoint, sequencer, CPU, FLOAT8, 4096)
    assert report.worst <= 1e-10
    for batch in list(engine.batches):
        np.testing.assert_allclose(exact_sums(checkpoint, batch, CPU), engine(batch), atol=1e-3, rtol=1e-4)


def test_errors_are_one_minus_the_cosine_down_to_the_smallest() -> None:
    wanted = np.array([[3.0, 4.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]], np.float32)
    got = np.array([[6.0, 8.0], [0.0, 2.0], [-1.0, 0.0], [1.0, 1e-5], [1.0, 0.0]], np.float32)
    np.testing.assert_allclose(cosine_errors(got, wanted), [0.0, 1.0, 2.0, 5e-11, 0.5], rtol=1e-4, atol=1e-14)


def test_sentences_are_of_many_scripts_and_lengths() -> None:
    texts = sentences()
    scripts = {unicodedata.name(letter).split()[0] for text in texts for letter in text if letter.isalpha()}
    assert {"LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "HANGUL", "CJK"} <= scripts
    lengths = sorted(len(text) for text in texts)
    assert lengths[0] <= 5
    assert lengths[-1] >= 400
    assert len(set(texts)) == len(texts)
