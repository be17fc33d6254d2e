import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jina_v3_client import chunking
from jina_v3_client.errors import ConfigurationError

CHUNKERS = [chunking.sentences, chunking.paragraphs, chunking.fixed]
prose = st.lists(
    st.sampled_from(
        [
            *'aZéж雨🙂.!?。…"”) \t\n\r\u2028',
            "\n\n",
            "e.g. ",
            "word ",
            "नमस्ते। ",
            "👩‍👩‍👧",
            "🇩🇪",
            "e\u0301",
            "\u200b",
            "각",
        ]
    )
    | st.characters(exclude_categories=["Cs"]),
    max_size=60,
).map("".join)


def has_something(text):
    return any(unicodedata.category(c) not in {"Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Mc", "Me"} for c in text)


@pytest.mark.parametrize("make", CHUNKERS)
def test_chunks_put_together_are_the_text_and_each_has_something(make):
    @given(prose, st.integers(1, 30))
    @settings(max_examples=100, deadline=None)
    def check(text, most):
        chunks = make(most)(text)
        assert "".join(chunks) == (text if has_something(text) else "")
        assert all(map(has_something, chunks))

    check()


@pytest.mark.parametrize("make", CHUNKERS)
def test_no_chunk_is_longer_than_it_may_be(make):
    @given(st.text("ab. \n。!雨é", max_size=80), st.integers(1, 12))
    @settings(max_examples=100, deadline=None)
    def check(text, most):
        assert all(len(chunk.strip()) <= most for chunk in make(most)(text))

    check()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One. Two! Three? Four… Five", ["One. ", "Two! ", "Three? ", "Four… ", "Five"]),
        ('He said "No." Then (really!) he left.', ['He said "No." ', "Then (really!) ", "he left."]),
        ("Version 3.14 of e.g. this. Next", ["Version 3.14 of e.g. this. ", "Next"]),
        ("It is vs.  this. Next", ["It is vs.  this. ", "Next"]),
        ("By J. R. Smith.  Next", ["By J. R. Smith.  ", "Next"]),
        ("雨だ。「寝る。」起きる！Fin", ["雨だ。", "「寝る。」", "起きる！", "Fin"]),
        ("यह है। वह है॥ अंत", ["यह है। ", "वह है॥ ", "अंत"]),
        ("هل هذا؟ نعم۔ لا", ["هل هذا؟ ", "نعم۔ ", "لا"]),
        ("Это так. Да! нет", ["Это так. ", "Да! ", "нет"]),
        ("A title\n\nA text. End", ["A title\n\n", "A text. ", "End"]),
        ("\n\n  One.  ", ["\n\n  One.  "]),
        (" \n", []),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_says(text, wanted):
    assert chunking.sentences()(text) == wanted


def test_paragraphs_are_apart_by_blank_lines():
    text = "One\nstill.\n \t\n\nTwo.\r\n\r\nThree\u2029Four\n"
    assert chunking.paragraphs()(text) == ["One\nstill.\n \t\n\n", "Two.\r\n\r\n", "Three\u2029", "Four\n"]


@pytest.mark.parametrize(
    ("text", "most", "wanted"),
    [
        ("one two three", 7, ["one two ", "three"]),
        ("one two three", 6, ["one ", "two ", "three"]),
        ("abcdefgh ij", 3, ["abc", "def", "gh ", "ij"]),
        ("one" + " " * 50 + "two", 4, ["one" + " " * 50, "two"]),
        ("🇩🇪🇫🇷🇮🇹", 3, ["🇩🇪", "🇫🇷", "🇮🇹"]),
        ("👩‍👩‍👧👩‍👩‍👧", 7, ["👩‍👩‍👧", "👩‍👩‍👧"]),
        ("👩‍👩‍👧!", 2, ["👩‍👩‍👧", "!"]),
        ("👍🏽👍🏽", 3, ["👍🏽", "👍🏽"]),
        ("e\u0301e\u0301e\u0301", 3, ["e\u0301", "e\u0301", "e\u0301"]),
    ],
)
def test_a_long_text_is_cut_between_words_or_between_characters(text, most, wanted):
    assert chunking.fixed(most)(text) == wanted


@pytest.mark.parametrize("unit", [" ", ".", "\n", "!", "a.", "(", "\u0301", "🇩", "。", "e\u0301"])
@pytest.mark.parametrize("make", CHUNKERS)
def test_no_text_takes_more_than_its_length(make, unit):
    make()(f"a{unit * 100_000}b")  # what takes a square of it would not end within the suite's time-out


@pytest.mark.parametrize("make", CHUNKERS)
@pytest.mark.parametrize("most", [0, -1, True, 1.5, "9"])
def test_what_a_chunk_may_have_must_be_a_number(make, most):
    with pytest.raises(ConfigurationError, match="max_characters"):
        make(most)
