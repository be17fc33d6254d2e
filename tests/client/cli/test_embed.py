"""``jina-v3 embed`` in this process: what comes in, what goes out, and what is said of what fails."""

from __future__ import annotations

import errno
import gzip
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.watched_clients import LIMITS, WINDOW, WatchedClients, expected

from jina_v3_client.cli import clients, main
from jina_v3_client.cli.places import Place

Run = Callable[..., tuple[int, bytes, str]]
Stdin = Callable[[bytes], None]


def lines(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_words_of_the_command_line_come_back_as_json_lines(run: Run, watched: WatchedClients) -> None:
    status, out, err = run("embed", "red apple", "blue sky", "--dimensions", "8", "--task", "separation")
    assert (status, err) == (0, "")
    first, second = lines(out)
    assert (first["index"], second["index"]) == (0, 1)
    wanted = expected("red apple", "blue sky", dimensions=8, task="separation")
    assert [first["tokens"], second["tokens"]] == wanted.token_counts.tolist()
    np.testing.assert_array_equal(np.float32([first["embedding"], second["embedding"]]), wanted)
    assert watched.open_ones == 0


def test_lines_of_standard_input_are_texts_and_blank_ones_are_none(
    run: Run, watched: WatchedClients, stdin: Stdin
) -> None:
    stdin("\ufeffrot\r\n\n  \nblau über\n".encode())
    status, out, _ = run("embed", "--dimensions", "4")
    assert status == 0
    np.testing.assert_array_equal(
        np.float32([line["embedding"] for line in lines(out)]), expected("rot", "blau über", dimensions=4)
    )


def test_json_lines_keep_ids_and_metadata(run: Run, watched: WatchedClients, tmp_path: Path) -> None:
    file = tmp_path / "documents.jsonl"
    own = {"id": 7, "city": "Ulm", "deep": {"a": [1, None, "ü"]}, "embedding": "theirs", "half": "\ud800"}
    file.write_text(json.dumps({"body": "red", **own}) + "\n" + json.dumps({"body": "blue"}) + "\n")
    status, out, _ = run("embed", "--file", str(file), "--field", "body", "--dimensions", "2")
    first, second = lines(out)
    assert status == 0
    assert {key: first[key] for key in own if key != "embedding"} == {k: v for k, v in own.items() if k != "embedding"}
    assert len(first["embedding"]) == 2
    assert "body" not in first
    assert second["index"] == 1


def test_csv_has_a_head_and_its_cells_may_be_long(run: Run, watched: WatchedClients, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    long = "w" * 200_000
    file.write_text(f'id,text,city\na,"red, ""blue""",Ulm\n\nb,"{long}",Jena\n\n"c\n","d"\n')
    status, out, err = run("embed", "--file", str(file), "--dimensions", "2", "--errors", "return")
    assert status == 3
    *good, bad = lines(out)
    assert bad["error"] == {
        "code": "invalid_csv",
        "message": "the row has 2 cells; the head has 3 columns",
        "place": f"{file}:6",
    }
    assert f"{file}:6: the row has 2 cells" in err
    assert [(line["id"], line["city"]) for line in good] == [("a", "Ulm"), ("b", "Jena")]
    np.testing.assert_array_equal(
        np.float32([line["embedding"] for line in good]), expected('red, "blue"', long, dimensions=2)
    )


@pytest.mark.parametrize("form", ["float", "ubinary", "binary"])
def test_an_array_has_a_row_for_each_text(run: Run, watched: WatchedClients, tmp_path: Path, form: str) -> None:
    target = tmp_path / "vectors.npy"
    words = ("embed", "red", "blue", "green", "--output", str(target), "--embedding-type", form, "--dimensions", "16")
    assert run(*words) == (0, b"", "")
    array = np.load(target)
    wanted = expected("red", "blue", "green", embedding_type=form, dimensions=16)
    np.testing.assert_array_equal(array, wanted)
    assert array.dtype == wanted.dtype


def test_the_row_of_a_text_that_failed_is_nan(run: Run, watched: WatchedClients, tmp_path: Path, stdin: Stdin) -> None:
    stdin(b'{"text": "red"}\n{"text": ""}\n{"text": "blue"}\n')
    target = tmp_path / "v.npy"
    status, _, err = run("embed", "--input-format", "jsonl", "-o", str(target), "--errors", "return")
    assert status == 3
    assert "1 of 3 texts could not be embedded" in err
    assert np.isnan(np.load(target)).all(axis=1).tolist() == [False, True, False]


def test_parquet_has_the_table_of_the_contract(run: Run, watched: WatchedClients, tmp_path: Path, stdin: Stdin) -> None:
    stdin(b'{"text": "red", "id": 5, "city": "Ulm"}\nno json\n{"text": "blue"}\n')
    target = tmp_path / "v.parquet"
    words = ("embed", "--input-format", "jsonl", "-o", str(target), "--errors", "return", "--embedding-type", "int8")
    assert run(*words)[0] == 3
    first, bad, last = pq.read_table(target).to_pylist()
    assert (first["id"], first["index"], json.loads(first["metadata"])) == ("5", 0, {"city": "Ulm"})
    wanted = expected("red", "blue", embedding_type="int8")
    assert [first["embedding"], last["embedding"]] == wanted.tolist()
    assert wanted.scales is not None
    assert [first["scale"], last["scale"]] == wanted.scales.tolist()
    assert bad["embedding"] is None
    assert bad["error"]["code"] == "invalid_json"
    assert (last["index"], last["id"], last["metadata"], last["error"]) == (2, None, None, None)


def test_bad_records_stand_where_they_were_and_the_others_are_embedded(
    run: Run, watched: WatchedClients, stdin: Stdin
) -> None:
    records = ['{"text": 3}', '{"text": "red"}', "[1]", '{"id": "x", "body": ""}', '{"text": ""}', '{"text": NaN}']
    stdin("\n".join(records).encode())
    status, out, err = run("embed", "--input-format", "jsonl", "--errors", "return", "--dimensions", "1")
    assert status == 3
    codes = [line.get("error", {}).get("code") for line in lines(out)]
    assert codes == ["wrong_type", None, "wrong_type", "missing_field", "empty_text", "invalid_json"]
    assert [line["error"]["place"] for line in lines(out) if "error" in line][:2] == ["stdin:1", "stdin:3"]
    assert lines(out)[3]["id"] == "x"
    assert "5 of 6 texts" in err
    assert "--text-field names" in err


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(["good", "empty", "broken"]), max_size=20))
def test_each_record_has_its_line_whatever_is_between(
    kinds: list[str], watched: WatchedClients, stdin: Stdin, tmp_path: Path
) -> None:
    text = {"good": '{"text": "w%d", "id": %d}', "empty": '{"text": "", "n": %d, "id": %d}', "broken": "{%d %d"}
    stdin("\n".join(text[kind] % (number, number) for number, kind in enumerate(kinds)).encode())
    target = tmp_path / "out.jsonl"
    words = ["embed", "--input-format", "jsonl", "--errors", "return", "-o", str(target), "--dimensions", "3"]
    assert main(words) == (3 if {"empty", "broken"} & set(kinds) else 0)
    found = lines(target.read_bytes())
    assert len(found) == len(kinds)
    texts = [f"w{number}" for number in range(20)]
    wanted = dict(zip(texts, expected(*texts, dimensions=3).tolist(), strict=True))
    for number, (kind, line) in enumerate(zip(kinds, found, strict=True)):
        assert line.get("id", line.get("index")) == number
        if kind == "good":
            assert np.float32(line["embedding"]).tolist() == wanted[f"w{number}"]
        else:
            assert line["error"]["place"] == f"stdin:{number + 1}"


def test_the_first_bad_text_ends_the_command_with_its_place_and_no_half_file(
    run: Run, watched: WatchedClients, stdin: Stdin, tmp_path: Path
) -> None:
    for form in ("jsonl", "npy", "parquet"):
        target = tmp_path / f"v.{form}"
        target.write_bytes(b"as it was")
        stdin(b'{"text": "red"}\n\n{"text": ""}\n')
        status, _, err = run("embed", "--input-format", "jsonl", "-o", str(target))
        assert status == 1
        assert err.startswith("jina-v3: stdin:3: ")
        assert "--errors return" in err
        assert err.count("\n") == 1
        assert target.read_bytes() == b"as it was"
    assert {path.name for path in tmp_path.iterdir()} == {"v.jsonl", "v.npy", "v.parquet"}


def test_a_file_is_one_document_with_late_chunking(run: Run, watched: WatchedClients, tmp_path: Path) -> None:
    for name, content in (("a.txt", "red\nblue\n"), ("b.txt", ""), ("c.txt", "green\n")):
        (tmp_path / name).write_text(content)
    files = [str(tmp_path / name) for name in ("a.txt", "b.txt", "c.txt")]
    status, out, _ = run("embed", "--late-chunking", "--file", *files, "--dimensions", "2")
    assert status == 0
    assert [(line["index"], line["document"]) for line in lines(out)] == [(0, 0), (1, 0), (2, 2)]
    assert [parameters.late_chunking for parameters in watched.asked] == [True, True]
    wanted = expected("red", "blue", late_chunking=True, dimensions=2)
    np.testing.assert_array_equal(np.float32([line["embedding"] for line in lines(out)[:2]]), wanted)


def test_a_document_with_a_bad_chunk_fails_as_a_whole_and_the_next_does_not(
    run: Run, watched: WatchedClients, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "red"}\n{"text": ""}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "blue"}\n')
    files = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    status, out, _ = run("embed", "--late-chunking", "--errors", "return", "--dimensions", "2", "--file", *files)
    assert status == 3
    assert ["error" in line for line in lines(out)] == [True, True, False]
    assert f"{files[0]}:2: " in lines(out)[0]["error"]["message"]
    status, _, err = run("embed", "--late-chunking", "--file", *files)
    assert status == 1
    assert f"{files[0]}:2: " in err


def test_memory_is_bounded_by_what_the_client_reads_ahead(
    run: Run, monkeypatch: pytest.MonkeyPatch, watched: WatchedClients, tmp_path: Path
) -> None:
    from jina_v3_client.cli import records

    read = 0
    most_ahead = 0

    def many() -> Any:
        nonlocal read, most_ahead
        for number in range(1000):
            read += 1
            most_ahead = max(most_ahead, read - watched.answered)
            yield records.Record(text=f"text {number}", place=f"many:{number}")

    source = records.Source(name="many", read=many)
    monkeypatch.setattr("jina_v3_client.cli.embed.from_files", lambda *_: [source])
    assert run("embed", "--file", "-", "-o", str(tmp_path / "v.npy"), "--dimensions", "2")[0] == 0
    assert np.load(tmp_path / "v.npy").shape == (1000, 2)
    assert most_ahead <= (WINDOW + 2) * LIMITS.texts


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["embed", "text", "--dimensions", "2000"], "from 1 to 1024"),
        (["embed", "text", "--format", "npy"], "--output FILE.npy"),
        (["embed", "text", "-o", "vectors.bin"], ".parquet"),
        (["embed", "text", "-o", "nowhere/v.npy"], "no folder"),
        (["embed", "text", "-o", "v.npy", "--embedding-type", "int8"], "scales"),
        (["embed", "text", "--file", "a.txt"], "give one"),
        (["embed", "--file", "a.xml"], "--input-format"),
        (["embed", "--file", "."], "it is a folder; name its files"),
        (["embed", "here.jsonl"], "--file here.jsonl"),
        (["embed", "text", "--task", "query"], "'retrieval.query', 'retrieval.passage'"),
    ],
)
def test_words_that_cannot_be_are_refused_before_anything_is_done(
    run: Run, watched: WatchedClients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.jsonl").touch()
    status, out, err = run(*words)
    assert (status, out) == (2, b"")
    assert told in err
    assert watched.asked == []
    assert [path.name for path in tmp_path.iterdir()] == ["here.jsonl"]


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (b"ok\nnaj\xefve\n", "a.txt", ":2: the line is not UTF-8 (byte 4 is 0xef)"),
        (b"id,body\n1,red\n", "a.csv", "no column is named 'text'; there are 'id', 'body'"),
        (b"text,text\n1,red\n", "a.csv", "same name"),
        (b'text\n"open', "a.csv", "is no CSV after line"),
        (b"text\n\xff", "a.csv", "is not UTF-8"),
        ("red\n".encode("utf-16"), "a.txt", "iconv -f utf-16"),
        (gzip.compress(b"red\n" * 99, mtime=0)[:-9], "a.txt.gz", "gzip that cannot be read to its end"),
        (b"PAR1 no more", "a.parquet", "no Parquet that can be read"),
        (None, "a.txt", "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    run: Run, watched: WatchedClients, tmp_path: Path, content: bytes | None, name: str, told: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    status, _, err = run("embed", "--file", str(file))
    assert status == 1
    assert err.startswith(f"jina-v3: {file}")
    assert told in err


def test_a_device_is_written_to_and_stays_one(run: Run, watched: WatchedClients) -> None:
    assert run("embed", "red", "-o", "/dev/null", "--format", "jsonl")[0] == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl", "A.JSON.GZ"])
def test_what_is_gzipped_is_read_whatever_its_name_is(
    run: Run, watched: WatchedClients, tmp_path: Path, stdin: Stdin, name: str
) -> None:
    packed = gzip.compress(b'{"text": "red"}\n') + gzip.compress(b'{"text": "blue"}\n')
    (tmp_path / name).write_bytes(packed)
    stdin(packed)
    for words in (["--file", str(tmp_path / name)], ["--input-format", "jsonl"]):
        status, out, _ = run("embed", *words, "--dimensions", "2")
        assert (status, [line["index"] for line in lines(out)]) == (0, [0, 1])


def test_rows_of_parquet_are_texts(run: Run, watched: WatchedClients, tmp_path: Path, stdin: Stdin) -> None:
    day = pa.array([0, 1], pa.timestamp("s"))
    pq.write_table(pa.table({"id": ["a", "b"], "text": ["red", None], "day": day}), tmp_path / "a.parquet")
    stdin((tmp_path / "a.parquet").read_bytes())
    for words in (["--file", str(tmp_path / "a.parquet")], ["--input-format", "parquet"]):
        status, out, _ = run("embed", *words, "--dimensions", "2", "--errors", "return")
        good, bad = lines(out)
        assert (status, good["id"], good["day"]) == (3, "a", "1970-01-01 00:00:00")
        np.testing.assert_array_equal(np.float32(good["embedding"]), expected("red", dimensions=2)[0])
        assert (bad["id"], bad["error"]["message"]) == ("b", "'text' is null; it must be a string")


def test_an_error_does_not_count_texts_as_they_were_sent(run: Run, watched: WatchedClients, stdin: Stdin) -> None:
    stdin(b'broken\n{"text": "red"}\n{"text": ""}\n')
    _, out, err = run("embed", "--input-format", "jsonl", "--errors", "return")
    assert "texts[" not in out.decode() + err
    assert lines(out)[2]["error"]["message"].startswith("the text is empty")
    assert "chunking" not in run("embed", 7_000_000 * "w")[2]


def test_a_full_disk_is_no_fault_of_the_command(
    run: Run, watched: WatchedClients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert run("embed", "red", "-o", "/dev/full")[::2] == (1, "jina-v3: No space left on device\n")
    monkeypatch.setattr("jina_v3_client.cli.outputs._JsonLines.write", full)
    assert run("embed", "red", "-o", str(tmp_path / "v.jsonl"))[::2] == (1, "jina-v3: No space left on device\n")
    assert list(tmp_path.iterdir()) == []


def test_streams_that_were_closed_are_empty(
    run: Run, watched: WatchedClients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    status, _, err = run("embed")
    assert (status, err) == (0, "there was no text in stdin\n")
    sys.stdin.close()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", None)
        assert main(["embed", "red", "-o", str(tmp_path / "v.npy")]) == 0
        sys.stdout.close()
    assert np.load(tmp_path / "v.npy").shape == (1, 1024)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_it_leaves_no_half_file(
    watched: WatchedClients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals
) -> None:
    def ended(*_: Any) -> None:
        os.kill(os.getpid(), number)
        time.sleep(10)

    monkeypatch.setattr("jina_v3_client.cli.outputs._JsonLines.write", ended)
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it is ignored, and the command leaves it so
    try:
        with pytest.raises(SystemExit) as end:
            main(["embed", "red", "-o", str(tmp_path / "v.jsonl")])
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert end.value.code == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_a_hyphen_is_standard_input_and_json_lines_are_not_taken_for_texts_unsaid(
    run: Run, watched: WatchedClients, stdin: Stdin
) -> None:
    stdin(b'{"text": "red"}\n')
    status, out, err = run("embed", "-", "--dimensions", "2")
    np.testing.assert_array_equal(np.float32(lines(out)[0]["embedding"]), expected('{"text": "red"}', dimensions=2)[0])
    assert status == 0
    assert err.startswith("jina-v3: stdin:1: the line is embedded as it is, and looks like JSON; --input-format jsonl")
    stdin(b'{"text": "red"}\n')
    assert run("embed", "-", "--input-format", "jsonl")[2] == ""


def test_a_small_endpoint_is_asked_less_at_once(run: Run, watched: WatchedClients) -> None:
    run("embed", "red", "--concurrency", "2")
    assert watched.concurrency == 2
    with clients.open_client(Place(endpoint="texts", region="eu-west-1"), 2) as client:
        assert client.settings.concurrency == 2
