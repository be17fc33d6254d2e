"""How files are cut and put together, against an oracle that knows only of records; and the filters' paths."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.sagemaker.transform.paths import PathError, parse_path
from local_aws.sagemaker.transform.processing import Processing
from local_aws.sagemaker.transform.records import Record, RecordTooLargeError, assemble, batch_records

FILES = st.lists(st.sampled_from([b"", b" ", b"a", b"bb\r", b"ccc", b"\xff\x00", b"long " * 4]), max_size=20).map(
    b"\n".join
)


def answer(payload: bytes) -> bytes:
    """A container that answers every record, and is careless about its last line end."""
    return b"\n".join(b"<" + line.strip() + b">" for line in payload.split(b"\n") if line.strip())


def lines(body: bytes) -> list[bytes]:
    """Cut at line ends alone, which stay."""
    return [line for line in re.split(rb"(?<=\n)", body) if line]


@given(FILES, st.booleans(), st.integers(0, 40))
def test_outputs_are_the_answers_to_the_records_in_order(body: bytes, single: bool, limit: int) -> None:
    records = [Record(line, line) for line in lines(body)]
    longest = max(map(len, lines(body)), default=0)
    if limit and longest > limit:
        with pytest.raises(RecordTooLargeError, match=f"a payload has at most {limit}"):
            list(batch_records(records, single=single, limit_bytes=limit))
        return
    batches = list(batch_records(records, single=single, limit_bytes=limit))
    payloads = [b"".join(record.asked for record in batch) for batch in batches]
    output = b"".join(assemble(answer(payload), lines=True) for payload in payloads)
    assert output == b"".join(b"<" + line.strip() + b">\n" for line in body.split(b"\n") if line.strip())
    if single:
        assert payloads == [line for line in lines(body) if line.strip()]
    else:
        assert b"".join(payloads) == body
        assert all(len(payload) <= limit for payload in payloads if limit)
        # no two neighbours would have had room together: each is as full as can be
        firsts = [batch[0].asked for batch in batches[1:]]
        assert all(limit and len(one) + len(first) > limit for one, first in zip(payloads, firsts, strict=False))


@given(st.binary(max_size=20))
def test_an_answer_stays_as_it_is_or_gets_the_line_end_that_it_lacks(given_answer: bytes) -> None:
    assert assemble(given_answer, lines=False) == given_answer
    assert assemble(given_answer, lines=True).removesuffix(b"\n") == given_answer.removesuffix(b"\n")


@pytest.mark.parametrize(
    ("path", "value", "selected"),
    [
        ("$", {"a": 1}, {"a": 1}),
        ("$.a", {"a": 1}, 1),
        ("$.a-b.c_d", {"a-b": {"c_d": 2}}, 2),
        ("$['a b']", {"a b": 3}, 3),
        ("$['a','c']", {"a": 1, "b": 2, "c": 3}, {"a": 1, "c": 3}),
        ("$.x.['a', \"b\"]", {"x": {"a": 1, "b": 2}}, {"a": 1, "b": 2}),
        ("$[0]", [7, 8], 7),
        ("$[-1]", [7, 8], 8),
        ("$[1:]", [7, 8, 9], [8, 9]),
        ("$[:-1]", [7, 8, 9], [7, 8]),
        ("$[0,2:]", [6, 7, 8, 9], [6, 8, 9]),
        ("$.a[0].b", {"a": [{"b": 4}]}, 4),
        ("$.a.*", {"a": {"x": 1, "y": 2}}, [1, 2]),
        ("$[*]", [1, 2], [1, 2]),
    ],
)
def test_a_path_selects(path: str, value: Any, selected: Any) -> None:
    assert parse_path(path)(value) == selected


@pytest.mark.parametrize(
    ("path", "value"),
    [("$.a", {}), ("$.a", [1]), ("$[2]", [1]), ("$[0]", {"0": 1}), ("$['a','b']", {"a": 1}), ("$.*", 5)],
)
def test_a_path_that_finds_nothing_says_so(path: str, value: Any) -> None:
    with pytest.raises(PathError, match="finds nothing in a record"):
        parse_path(path)(value)


@pytest.mark.parametrize(
    "path", ["", "a", "$a", "$.", "$..a", "$[a]", "$['a'", "$[1", "$[?(@.x)]", "$.*.a", "$[0,1].a"]
)
def test_a_path_that_is_not_allowed_is_refused(path: str) -> None:
    with pytest.raises(PathError, match=r"allowed are \$, \.name"):
        parse_path(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=6))
def test_a_join_keeps_every_record_and_puts_its_answer_beside_it(values: list[Any]) -> None:
    processing = Processing({"JoinSource": "Input"}, content_type="application/jsonlines", accept="", lines=True)
    records = [json.dumps(value).encode() + b"\n" for value in values]
    replies = b"".join(json.dumps([number]).encode() + b"\n" for number in range(len(values)))
    joined = [json.loads(line) for line in processing.answer(records, replies).split(b"\n") if line]
    assert joined == [
        {**value, "SageMakerOutput": [number]}
        if isinstance(value, dict)
        else {"SageMakerInput": value, "SageMakerOutput": [number]}
        for number, value in enumerate(values)
    ]
