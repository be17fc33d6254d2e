"""A whole run by the command ``jina-v3 batch``, over the real client and the real steps."""

import json

import pytest

from jina_v3_client.cli import clients, main


@pytest.fixture
def command(client, monkeypatch, capfdbinary):
    monkeypatch.setattr(clients, "open_batch", lambda _place: client)

    def run(*words):
        status = main(["batch", *words])
        return status, capfdbinary.readouterr().out

    return run


def test_a_file_is_submitted_followed_and_fetched(command, tmp_path):
    records = [{"id": "a", "body": "first", "city": "Ulm"}, {"id": "b", "body": ""}, {"body": "third"}]
    file = tmp_path / "docs.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    words = ("submit", str(file), "--field", "body", "--name", "docs", "--dimensions", "8", "--task", "separation")
    assert command(*words) == (0, b"docs\n")
    status, out = command("status", "docs", "--follow")
    assert status == 0
    assert out.startswith(b"docs: complete")
    status, out = command("result", "docs")
    first, bad, third = (json.loads(line) for line in out.splitlines())
    assert status == 3
    assert (first["id"], first["city"], len(first["embedding"])) == ("a", "Ulm", 8)
    assert (bad["id"], bad["error"]["code"]) == ("b", "empty_text")
    assert third["id"] == 2
    assert command("runs")[1].startswith(b"docs\t")


def test_a_run_that_nobody_knows_is_told_in_one_line(client, monkeypatch, capfd):
    monkeypatch.setattr(clients, "open_batch", lambda _place: client)
    assert main(["batch", "status", "nowhere"]) == 1
    assert capfd.readouterr().err.count("\n") == 1


def test_records_of_different_forms_are_no_array(command, tmp_path):
    file = tmp_path / "docs.jsonl"
    file.write_text('{"text": "first"}\n{"text": "second", "embedding_type": "int8"}\n')
    command("submit", str(file), "--name", "mixed", "--dimensions", "8")
    assert command("result", "mixed", "--output", str(tmp_path / "v.npy"))[0] == 2
    assert not (tmp_path / "v.npy").exists()
    status, out = command("result", "mixed")
    assert status == 0
    assert ["scale" in json.loads(line) for line in out.splitlines()] == [False, True]
