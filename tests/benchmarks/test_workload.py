"""Texts of wanted token counts, in the vocabulary that every variant loads."""

import pytest
from benchmarks.workload import Lengths, Lexicon, round_robin_tasks

from jina_v3.contract import PROMPTS, TASKS


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(2000)


def test_texts_have_the_wanted_tokens_with_and_without_prompts(lexicon: Lexicon) -> None:
    lengths = [11, 40, 512, 23, 17, 30]
    tasks = [None, *TASKS]
    counts = [len(one.ids) for one in lexicon.tokenizer.encode_batch(lexicon.texts(lengths))]
    assert counts == lengths
    prompted = [
        (PROMPTS[task] if task else "") + text for task, text in zip(tasks, lexicon.texts(lengths, tasks), strict=True)
    ]
    assert [len(one.ids) for one in lexicon.tokenizer.encode_batch(prompted)] == lengths


def test_vocabulary_has_the_size_and_specials_of_the_model(lexicon: Lexicon) -> None:
    tokenizer = lexicon.tokenizer
    assert tokenizer.get_vocab_size() == 2000
    assert [tokenizer.token_to_id(t) for t in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")] == [0, 1, 2, 3, 1999]
    assert tokenizer.encode("never seen: ÄÖ", add_special_tokens=False).ids  # unknown letters are no error


def test_lengths_are_the_mix_that_the_docstring_says() -> None:
    lengths = Lengths().draw(64)
    assert lengths == Lengths().draw(64)
    assert (min(lengths) >= 8, max(lengths)) == (True, 512)
    assert sum(lengths) == 5439


def test_drawn_lengths_add_up() -> None:
    lengths = Lengths(shortest_tokens=16).draw_total(2000)
    assert sum(lengths) == 2000
    assert min(lengths) >= 16


def test_too_short_a_text_and_too_small_a_vocabulary_are_errors(lexicon: Lexicon) -> None:
    with pytest.raises(ValueError, match="no room for a word"):
        lexicon.texts([2])
    with pytest.raises(ValueError, match="too small"):
        Lexicon(20)
    assert len(set(round_robin_tasks(7))) == 5
