"""What ``Encoder.encode`` takes, refuses and reports."""

import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.checkpoints import TINY, write_original

from jina_v3.contract import EncodeJob, ErrorCode, Task
from jina_v3.encoder import Embeddings, Encoder
from jina_v3.encoder.attention import uses_flash
from jina_v3.errors import RequestError


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder.from_folder(write_original(tmp_path_factory.mktemp("tiny"), TINY))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A model of 40 tokens."""
    folder = write_original(tmp_path_factory.mktemp("short"), TINY)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 42}))
    return Encoder.from_folder(folder)


def refused(encoder: Encoder, texts: object, **parameters: object) -> RequestError:
    with pytest.raises(RequestError) as caught:
        encoder.encode(texts, **parameters)  # type: ignore[arg-type]
    assert encoder.encode(["the next one works"]).shape == (1, 64)
    return caught.value


@pytest.mark.parametrize(
    ("texts", "parameters", "code", "field", "said"),
    [
        ([], {}, ErrorCode.EMPTY_INPUT, "texts", "at least one"),
        (["a", ""], {}, ErrorCode.EMPTY_TEXT, "texts[1]", "empty"),
        (["a", " \n\t"], {}, ErrorCode.EMPTY_TEXT, "texts[1]", "white space"),
        (["a", None], {}, ErrorCode.WRONG_TYPE, "texts[1]", "NoneType"),
        (["a", 7], {}, ErrorCode.WRONG_TYPE, "texts[1]", "int"),
        (["ab\ud800"], {}, ErrorCode.INVALID_TEXT, "texts[0]", "lone surrogate at character 2"),
        (["a"], {"task": "retrieval.qurey"}, ErrorCode.UNKNOWN_TASK, "task", "did you mean 'retrieval.query'"),
        (["a"], {"task": "x" * 500}, ErrorCode.UNKNOWN_TASK, "task", "Allowed: retrieval.query"),
        (["a"], {"task": [None, None]}, ErrorCode.INVALID_VALUE, "task", "2 names for 1 texts"),
        (["a"], {"task": 5}, ErrorCode.WRONG_TYPE, "task", "task is int"),
        (["a"], {"task": {"separation": 1}}, ErrorCode.WRONG_TYPE, "task", "task is dict"),
        (["a"], {"dimensions": 0}, ErrorCode.INVALID_DIMENSIONS, "dimensions", "from 1 to 1024"),
        (["a"], {"dimensions": 1025}, ErrorCode.INVALID_DIMENSIONS, "dimensions", "1025"),
        (["a"], {"dimensions": True}, ErrorCode.INVALID_DIMENSIONS, "dimensions", "True"),
        (["a"], {"dimensions": 64.0}, ErrorCode.INVALID_DIMENSIONS, "dimensions", "64.0"),
        ([["a"], ["b", ""]], {"late_chunking": True}, ErrorCode.EMPTY_TEXT, "texts[2]", "texts[2] is empty"),
        ([["a"], []], {"late_chunking": True}, ErrorCode.EMPTY_INPUT, "texts", "at least one"),
        ([["a"], "b"], {"late_chunking": True}, ErrorCode.WRONG_TYPE, "texts[1]", "not a mix"),
        ([["a"], 3], {"late_chunking": True}, ErrorCode.WRONG_TYPE, "texts[1]", "int"),
        (None, {}, ErrorCode.WRONG_TYPE, "texts", "texts is NoneType"),
        (5, {}, ErrorCode.WRONG_TYPE, "texts", "texts is int"),
        ({"a", "b"}, {}, ErrorCode.WRONG_TYPE, "texts", "texts is set"),
        (np.array([["a"]]), {}, ErrorCode.WRONG_TYPE, "texts", "texts is ndarray"),
        ([], {"task": []}, ErrorCode.EMPTY_INPUT, "texts", "at least one"),
        (["a", "", "b"], {"task": [None, "separation", None]}, ErrorCode.EMPTY_TEXT, "texts[1]", "texts[1] is empty"),
        (b"bytes", {}, ErrorCode.WRONG_TYPE, "texts", "texts is bytes"),
        ({"text": 1}, {}, ErrorCode.WRONG_TYPE, "texts", "texts is dict"),
        (["a"], {"truncate": "false"}, ErrorCode.WRONG_TYPE, "truncate", "'false'"),
        (["a"], {"normalized": None}, ErrorCode.WRONG_TYPE, "normalized", "True or False"),
        ([["a"], ["b"]], {}, ErrorCode.WRONG_TYPE, "texts[0]", "lists of chunks need late_chunking"),
    ],
)
def test_bad_calls_say_what_is_wrong(
    encoder: Encoder, texts: object, parameters: dict[str, object], code: ErrorCode, field: str, said: str
) -> None:
    error = refused(encoder, texts, **parameters)
    assert (error.code, error.field) == (code, field)
    assert said in error.message
    assert error.allowed is not None
    assert error.value is not None


def test_an_overlong_text_is_named_counted_and_may_be_cut(short: Encoder) -> None:
    texts = ["of a", "of " * 60, "a", "of " * 38]
    error = refused(short, texts)
    assert error.code is ErrorCode.TEXT_TOO_LONG
    assert (error.field, error.value, error.allowed) == ("texts[1]", 62, {"maximum": 40})
    assert "62 tokens" in error.message
    cut = short.encode(texts, truncate=True)
    assert cut.truncated == (1,)
    assert cut.token_counts == (4, 40, 3, 40)
    np.testing.assert_allclose(cut[1], cut[3], atol=1e-6)  # the first 38 tokens are what is left
    # the prompt counts, and stays
    assert short.encode(["of " * 60], task="retrieval.passage", truncate=True).token_counts == (40,)


def test_of_a_text_of_megabytes_only_the_beginning_is_read(short, monkeypatch):
    read: list[int] = []
    tokenise = short._sequencer._tokenizer.ids
    monkeypatch.setattr(
        short._sequencer._tokenizer, "ids", lambda texts: read.append(sum(map(len, texts))) or tokenise(texts)
    )
    vast = "of " * 1_000_000
    error = refused(short, [vast])
    assert (error.code, error.field) == (ErrorCode.TEXT_TOO_LONG, "texts[0]")
    assert "at least" in error.message
    cut = short.encode([vast], truncate=True)
    assert max(read) < 10_000
    assert cut.truncated == (0,)
    assert np.array_equal(cut, short.encode(["of " * 60], truncate=True))
    assert short.encode(["of" + " " * 1_000_000]).token_counts == short.encode(["of "]).token_counts  # long, few tokens


def test_late_chunking_has_no_limit(short: Encoder) -> None:
    result = short.encode(["of " * 60, "a"], late_chunking=True)
    assert result.token_counts == (61, 2)
    assert result.truncated == ()


def test_a_chunk_that_the_tokenizer_drops_is_named(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = encoder._sequencer._tokenizer
    ids = tokenizer.ids
    monkeypatch.setattr(
        tokenizer,
        "ids",
        lambda texts: [i[:0] if t == "gone" else i for i, t in zip(ids(texts), texts, strict=True)],
    )
    error = refused(encoder, ["a", "gone"], late_chunking=True)
    assert (error.code, error.field) == (ErrorCode.EMPTY_TEXT, "texts[1]")


def test_a_bad_job_leaves_the_others_alone(encoder: Encoder) -> None:
    jobs = [
        EncodeJob(("one", "two"), Task.SEPARATION, dimensions=8),
        EncodeJob(
            ("bad", " "),
        ),
        EncodeJob(("of " * 9000,)),
        EncodeJob(("chunk one", "chunk two"), late_chunking=True, normalized=False),
        EncodeJob(("of " * 9000, "short"), truncate=True),
    ]
    results = encoder.encode_jobs(jobs)
    assert [type(result) for result in results] == [Embeddings, RequestError, RequestError, Embeddings, Embeddings]
    first, _, _, late, cut = results
    np.testing.assert_allclose(first, encoder.encode(["one", "two"], task="separation", dimensions=8), atol=1e-6)
    np.testing.assert_allclose(
        late, encoder.encode(["chunk one", "chunk two"], late_chunking=True, normalized=False), atol=1e-5
    )
    assert isinstance(cut, Embeddings)
    assert (cut.truncated, cut.token_counts[0]) == ((0,), 8192)


def test_the_result_is_an_ordinary_float32_array(encoder: Encoder) -> None:
    result = encoder.encode(["one", "two"])
    assert isinstance(result, np.ndarray)
    assert (result.dtype, result.shape, result.token_counts) == (np.float32, (2, 64), result.token_counts)
    assert result[:1].token_counts == ()  # a slice does not claim the whole's counts
    assert (result @ result.T).shape == (2, 2)
    one = encoder.encode("one")
    np.testing.assert_allclose(one, result[:1], atol=1e-6)


def test_any_list_of_strings_will_do(encoder: Encoder) -> None:
    expected = encoder.encode(["one", "two"])
    for texts in (("one", "two"), np.array(["one", "two"]), {"one": 1, "two": 2}.keys()):
        np.testing.assert_array_equal(encoder.encode(texts), expected)  # type: ignore[arg-type]


def test_numpys_numbers_are_numbers(encoder: Encoder) -> None:
    assert encoder.encode(["a"], dimensions=np.int64(8), normalized=np.True_).shape == (1, 8)


def test_runs_of_one_task_keep_their_order(encoder: Encoder) -> None:
    texts = [f"text {index}" for index in range(7)]
    tasks = ["separation", "separation", None, None, "separation", "classification", None]
    together = encoder.encode(texts, task=tasks, dimensions=16)
    apart = [encoder.encode([text], task=task, dimensions=16) for text, task in zip(texts, tasks, strict=True)]
    np.testing.assert_allclose(together, np.concatenate(apart), atol=1e-6)
    assert together.token_counts == tuple(one.token_counts[0] for one in apart)


def test_an_error_ends_a_long_call_before_the_rest_is_encoded(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[int] = []
    run = encoder._runner.submit
    monkeypatch.setattr(
        encoder._runner, "submit", lambda batch, width: (texts.append(len(batch.lengths)), run(batch, width))[1]
    )
    with pytest.raises(RequestError, match=r"texts\[2100\] has 9002 tokens"):
        encoder.encode(["a"] * 2100 + ["of " * 9000] + ["a"] * 5000, dimensions=2)
    assert sum(texts) == 2048
    with pytest.raises(RequestError, match=r"texts\[7000\] is empty"):
        encoder.encode(["a"] * 7000 + [""])
    assert sum(texts) == 2048


def test_an_error_crosses_to_another_process_whole(encoder: Encoder) -> None:
    error = refused(encoder, ["a"], dimensions=0)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, copy.message, copy.field, copy.value, copy.allowed) == (
        error.code, error.message, error.field, error.value, error.allowed,
    )  # fmt: skip


def test_threads_share_one_encoder(encoder: Encoder) -> None:
    texts = [[f"thread {i} text {j}" for j in range(5)] for i in range(6)]
    expected = [encoder.encode(one, task="text-matching") for one in texts]
    got: dict[int, Embeddings] = {}

    def work(index: int) -> None:
        got[index] = encoder.encode(texts[index], task="text-matching")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, vectors in enumerate(expected):
        np.testing.assert_allclose(got[index], vectors, atol=1e-6)


def test_a_fork_is_refused_where_it_would_wait_for_ever(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    for call in (encoder.encode, encoder.token_states):
        with pytest.raises(RuntimeError, match="a fork without torch's threads: load it here"):
            call("tide")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert encoder.encode("tide").shape == (1, encoder.hidden)


def test_threads_of_a_program_may_encode_to_their_end(tmp_path: Path) -> None:
    """Also while the interpreter waits for them, when executors take no more work."""
    program = """
import threading, time
from jina_v3.encoder.block import ahead
items = (number for number in range(3) if time.sleep(0.1) is None)
threading.Thread(target=lambda: print(list(ahead(items)))).start()
"""
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=240)
    assert (ended.stdout, ended.stderr) == ("[0, 1, 2]\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"device": "cuda"}, "no CUDA device"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"device": "meta"}, "not supported"),
        ({"dtype": "int8"}, "unknown dtype 'int8'"),
        ({"dtype": ["float32"]}, "unknown dtype \\['float32'\\]"),
        ({"max_tokens": 15}, "max_tokens is 15; it must be a whole number, at least 16"),
        ({"max_tokens": 20.5}, "max_tokens is 20.5"),
        ({"max_batch_tokens": 0}, "max_batch_tokens is 0; it must be a whole number, at least 1"),
        ({"max_batch_tokens": "512"}, "max_batch_tokens is '512'"),
        ({"max_batch_tokens": True}, "max_batch_tokens is True"),
        ({"options": {"graphs": False}}, "options is dict; give EngineOptions"),
    ],
)
def test_arguments_that_cannot_be(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    if arguments.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises((ValueError, TypeError), match=said):
        Encoder.from_folder(write_original(tmp_path, TINY), **arguments)


def test_a_lower_limit_is_for_texts_and_not_for_documents(tmp_path: Path) -> None:
    encoder = Encoder.from_folder(write_original(tmp_path, TINY), max_tokens=20)
    error = refused(encoder, ["of " * 30])
    assert (error.value, error.allowed) == (32, {"maximum": 20})
    assert encoder.encode(["of " * 30], truncate=True).token_counts == (20,)
    assert encoder.encode(["of " * 30], late_chunking=True).token_counts == (32,)


def test_a_higher_limit_than_the_models_is_the_models(tmp_path: Path) -> None:
    assert Encoder.from_folder(write_original(tmp_path, TINY), max_tokens=100_000).max_tokens == 8192


@pytest.mark.parametrize(
    ("dtype", "capability", "flash"),
    [(torch.bfloat16, (9, 0), True), (torch.float16, (8, 6), True), (torch.float16, (7, 5), False),
     (torch.float32, (9, 0), False)],
)  # fmt: skip
def test_flash_is_used_where_it_runs(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, capability: tuple[int, int], flash: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert uses_flash(torch.device("cuda", 0), dtype) is flash
