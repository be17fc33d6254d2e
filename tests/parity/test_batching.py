"""An embedding does not depend on what else is in the batch, beyond contract.md's bounds."""

import random

import numpy as np
import pytest
from tests.support.case import Case
from tests.support.oracle import cosine_distance
from tests.support.texts import text_of

from jina_v3.encoder import Encoder

BOUND = {"float32": 1e-6, "bfloat16": 5e-5, "float16": 5e-5}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_row_in_a_batch_is_the_row_alone(full_width: Case, dtype: str) -> None:
    encoder = Encoder.from_folder(full_width.folder("original"), dtype=dtype)
    together = encoder.encode(full_width.texts, task=full_width.tasks)
    for index in (0, 1, 3, 7, 11):
        alone = encoder.encode([full_width.texts[index]], task=full_width.tasks[index])
        assert cosine_distance(alone, together[index : index + 1]).max() <= BOUND[dtype]
        assert alone.token_counts == (together.token_counts[index],)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_order_and_packing_do_not_matter(tiny: Case, dtype: str) -> None:
    whole = Encoder.from_folder(tiny.folder("original"), dtype=dtype).encode(tiny.texts, task=tiny.tasks)
    order = list(range(len(tiny.texts)))
    for max_batch_tokens in (1, 100, 800):
        random.Random(max_batch_tokens).shuffle(order)
        encoder = Encoder.from_folder(tiny.folder("original"), dtype=dtype, max_batch_tokens=max_batch_tokens)
        shuffled = encoder.encode([tiny.texts[i] for i in order], task=[tiny.tasks[i] for i in order])
        assert cosine_distance(shuffled, np.asarray(whole)[order]).max() <= BOUND[dtype]


@pytest.mark.parametrize("tokens", [500, 520, 900])
def test_equal_neighbours_of_a_long_text_leave_it_alone(tiny: Case, tokens: int) -> None:
    """Half precision on the CPU has more than one way through attention, chosen by length alone."""
    text = text_of(tokens, tiny.tokenizer, seed=1)
    exact = Encoder.from_folder(tiny.folder("original")).encode([text])
    encoder = Encoder.from_folder(tiny.folder("original"), dtype="bfloat16", max_batch_tokens=8192)
    alone, together = encoder.encode([text]), encoder.encode([text] * 5)
    assert cosine_distance(np.repeat(alone, 5, axis=0), together).max() <= BOUND["bfloat16"]
    assert cosine_distance(alone, exact).max() <= 1e-3


def test_neighbours_of_other_tasks_leave_a_base_vector_alone(tiny: Case) -> None:
    encoder = Encoder.from_folder(tiny.folder("original"))
    alone = encoder.encode(tiny.texts[:4])
    mixed = encoder.encode(tiny.texts[:4] + tiny.texts[:4], task=[None] * 4 + ["separation"] * 4)
    np.testing.assert_allclose(mixed[:4], alone, atol=1e-6)
    assert cosine_distance(mixed[4:], np.asarray(alone)).min() > 1e-3  # the adapter does something


def test_more_texts_than_one_block_keep_their_order(tiny: Case) -> None:
    encoder = Encoder.from_folder(tiny.folder("original"))
    texts = [f"{word} {number}" for number in range(1300) for word in ("alpha", "beta")]
    many = encoder.encode(texts, dimensions=16)
    some = [0, 1, 2047, 2048, 2049, 2599]
    np.testing.assert_allclose(
        np.asarray(many)[some], encoder.encode([texts[i] for i in some], dimensions=16), atol=1e-6
    )
