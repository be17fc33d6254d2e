from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import file_download
from tests.support.loopback_hub import LoopbackHub

from jina_v3_infra import transfer
from jina_v3_infra.hub import LICENCE_NOTICE, PINNED_REVISIONS, HubError, fetch_model, is_needed, main

NAME, COMMIT = "someone/embeddings", "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 4096  # 1 MiB
ADAPTER = b"adapter" * 1000
FILES = {
    "README.md": b"read me",
    "config.json": b'{"hidden_size": 1024}',
    "tokenizer.json": b"tokens " * 1000,
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"pickle" * 1000,
    "onnx/model.onnx": b"onnx" * 1000,
    "onnx/model.safetensors": b"no" * 1000,
    "retrieval_query/adapter_config.json": b'{"r": 4}',
    "retrieval_query/adapter_model.safetensors": ADAPTER,
    "separation/adapter_config.json": b'{"r": 4}',  # the same content under a second name
    "separation/adapter_model.safetensors": ADAPTER[::-1],
}
WANTED = {
    "config.json",
    "tokenizer.json",
    "model.safetensors",
    "retrieval_query/adapter_config.json",
    "retrieval_query/adapter_model.safetensors",
    "separation/adapter_config.json",
    "separation/adapter_model.safetensors",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    monkeypatch.setattr(transfer, "_RETRY_PAUSE_S", 0.0)
    with LoopbackHub({(NAME, COMMIT): dict(FILES)}).running() as running:
        yield running


def fetch(hub: LoopbackHub, cache: Path, model: str = f"{NAME}@{COMMIT}") -> Path:
    return fetch_model(model, cache_dir=cache, endpoint=hub.endpoint, progress=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_fetches_what_is_needed_and_nothing_else(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path)
    assert contents(folder) == {name: FILES[name] for name in WANTED}
    assert not [path for path in hub.fetched() if "onnx" in path or path.endswith((".bin", ".md"))]
    assert hub.sent_bytes("/model.safetensors") == len(WEIGHTS)
    assert not list(tmp_path.rglob("*part"))


def test_a_second_start_makes_no_request_at_all(hub: LoopbackHub, tmp_path: Path) -> None:
    first = fetch(hub, tmp_path)
    hub.served.clear()
    assert fetch(hub, tmp_path) == first
    assert hub.served == []


def test_a_second_start_reads_no_content(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(hub, tmp_path)
    monkeypatch.setattr("jina_v3_infra.checksums.file_digest", lambda *_: pytest.fail("hashed again"))
    fetch(hub, tmp_path)


def test_the_layout_is_the_one_of_huggingface_hub(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path)
    found = file_download.try_to_load_from_cache(NAME, "model.safetensors", cache_dir=tmp_path, revision=COMMIT)
    assert found == str(folder / "model.safetensors")


def test_a_snapshot_of_another_tool_is_checked_and_used(hub: LoopbackHub, tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json"):
        file_download.hf_hub_download(NAME, name, revision=COMMIT, cache_dir=tmp_path, endpoint=hub.endpoint)
    hub.served.clear()
    assert contents(fetch(hub, tmp_path)) == {name: FILES[name] for name in WANTED}
    assert hub.sent_bytes("/model.safetensors") == hub.sent_bytes("/config.json") == 0


def test_goes_on_when_the_connection_breaks(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.faults.cut_after_bytes["model.safetensors"] = [300_000, 200_000]
    assert contents(fetch(hub, tmp_path))["model.safetensors"] == WEIGHTS
    assert hub.sent_bytes("/model.safetensors") == len(WEIGHTS)
    starts = [
        each.start for each in hub.served if each.path.startswith("/cdn/") and each.path.endswith("/model.safetensors")
    ]
    assert starts == [0, 300_000, 500_000]


def test_a_killed_fetch_is_resumed_by_the_next(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.faults.stall_after_bytes["model.safetensors"] = 700_000
    process = subprocess.Popen(**command(hub, tmp_path))
    deadline = time.monotonic() + 240
    while sum(path.stat().st_size for path in tmp_path.rglob("*part")) < 100_000:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no bytes arrived"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = sum(path.stat().st_size for path in tmp_path.rglob("*part"))
    hub.faults.stall_after_bytes.clear()
    hub.served.clear()
    assert contents(fetch(hub, tmp_path))["model.safetensors"] == WEIGHTS
    assert hub.sent_bytes("/model.safetensors") == len(WEIGHTS) - kept


def test_the_token_goes_to_the_hub_alone(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "not-a-real-token")
    fetch(hub, tmp_path)
    assert {served.path.startswith("/cdn/"): served.authorized for served in hub.served} == {False: True, True: False}


def test_a_corrupted_file_in_the_cache_is_fetched_again(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path)
    weights = folder / "model.safetensors"
    weights.resolve().write_bytes(bytes(len(WEIGHTS)))  # same size, other content, other time
    hub.served.clear()
    assert contents(fetch(hub, tmp_path)) == {name: FILES[name] for name in WANTED}
    assert {path.rsplit("/", 1)[1] for path in hub.fetched()} == {"model.safetensors"}


@pytest.mark.parametrize("damage", ["truncated", "deleted", "touched"])
def test_other_damage_is_repaired(hub: LoopbackHub, tmp_path: Path, damage: str) -> None:
    weights = fetch(hub, tmp_path) / "model.safetensors"
    if damage == "truncated":
        weights.resolve().write_bytes(WEIGHTS[:1000])
    elif damage == "deleted":
        weights.resolve().unlink()
    else:
        os.utime(weights.resolve(), (1, 1))
    hub.served.clear()
    assert contents(fetch(hub, tmp_path))["model.safetensors"] == WEIGHTS
    assert hub.sent_bytes("/model.safetensors") == (0 if damage == "touched" else len(WEIGHTS))


def test_a_wrong_partial_file_costs_one_more_fetch(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.faults.cut_after_bytes["model.safetensors"] = [500_000] + [0] * 20
    with pytest.raises(HubError, match="run again"):
        fetch(hub, tmp_path)
    (partial,) = tmp_path.rglob("*part")
    assert partial.stat().st_size == 500_000
    partial.write_bytes(bytes(500_000))
    hub.faults.cut_after_bytes.clear()
    assert contents(fetch(hub, tmp_path))["model.safetensors"] == WEIGHTS


def test_wrong_bytes_from_the_hub_are_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.faults.corrupt["model.safetensors"] = 1
    with pytest.raises(HubError, match=r"model\.safetensors .* another sha256 digest .* thrown away"):
        fetch(hub, tmp_path)
    assert not list(tmp_path.rglob("model.safetensors"))
    assert contents(fetch(hub, tmp_path))["model.safetensors"] == WEIGHTS


def test_wrong_bytes_of_a_small_file_are_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.faults.corrupt["config.json"] = 1
    with pytest.raises(HubError, match=r"config\.json .* another git-blob digest"):
        fetch(hub, tmp_path)


def test_an_id_without_a_commit_is_refused_before_any_request(hub: LoopbackHub, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=rf"{NAME}@<40 hex digits>.*jinaai/jina-embeddings-v3-hf"):
        fetch(hub, tmp_path, NAME)
    with pytest.raises(HubError, match=r"revision 'main' .* not a commit"):
        fetch(hub, tmp_path, f"{NAME}@main")
    with pytest.raises(HubError, match="two revisions"):
        fetch_model(f"{NAME}@{COMMIT}", revision="f" * 40, cache_dir=tmp_path, endpoint=hub.endpoint)
    assert hub.served == []


@pytest.mark.parametrize(("name", "revision"), list(PINNED_REVISIONS.items()))
def test_the_known_repositories_are_pinned(tmp_path: Path, name: str, revision: str) -> None:
    with LoopbackHub({(name, revision): dict(FILES)}).running() as running:
        assert fetch(running, tmp_path, name).name == revision


def test_says_what_is_missing_at_the_hub(hub: LoopbackHub, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="has no commit ffff"):
        fetch(hub, tmp_path, f"{NAME}@{'f' * 40}")
    with pytest.raises(HubError, match=r"has no some/other .*HF_TOKEN"):
        fetch(hub, tmp_path, f"some/other@{COMMIT}")
    hub.faults.gated = True
    with pytest.raises(HubError, match=r"is gated: accept its terms .* HF_TOKEN"):
        fetch(hub, tmp_path)


def test_refuses_a_repository_that_is_no_checkpoint(hub: LoopbackHub, tmp_path: Path) -> None:
    files = hub.repositories[NAME, COMMIT]
    del files["model.safetensors"], files["tokenizer.json"]
    with pytest.raises(HubError, match=r"has no tokenizer\.json, \*\.safetensors"):
        fetch(hub, tmp_path)
    del files["config.json"]
    with pytest.raises(HubError, match="not a checkpoint"):
        fetch(hub, tmp_path)


def test_refuses_a_hub_that_answers_with_another_commit(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.faults.wrong_commit = True
    with pytest.raises(HubError, match=r"answered with commit '0000.*HF_ENDPOINT"):
        fetch(hub, tmp_path)


def test_refuses_names_that_leave_the_folder(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.repositories[NAME, COMMIT]["../adapter_config.json"] = b"{}"
    with pytest.raises(HubError, match="no repository can hold"):
        fetch(hub, tmp_path)


def test_a_hub_that_is_down_is_named_with_what_to_do(tmp_path: Path) -> None:
    with LoopbackHub({}).running() as stopped:
        pass
    with pytest.raises(HubError, match=rf"{stopped.endpoint} cannot be reached.*HF_ENDPOINT.*folder"):
        fetch(stopped, tmp_path)


def test_a_full_disk_is_told_before_the_first_byte(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_SPARE_BYTES", 1 << 62)
    with pytest.raises(HubError, match=r"does not fit: 1 MB are needed .*HF_HUB_CACHE"):
        fetch(hub, tmp_path)
    assert hub.fetched() == set()


def test_a_folder_is_returned_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert fetch_model(str(tmp_path)) == tmp_path
    with pytest.raises(HubError, match="is a file"):
        fetch_model(str(tmp_path / "config.json"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(HubError, match=r"has no config\.json"):
        fetch_model(str(tmp_path / "empty"))
    with pytest.raises(HubError, match="no folder here, and no hub id"):
        fetch_model(str(tmp_path / "absent"))


def test_which_files_are_needed() -> None:
    assert all(is_needed(name) for name in (*WANTED, "model.safetensors.index.json", "model-00001-of-2.safetensors"))
    assert not any(is_needed(name) for name in FILES if name not in WANTED)


def command(hub: LoopbackHub, cache: Path, model: str = f"{NAME}@{COMMIT}") -> dict[str, object]:
    """What subprocess takes to fetch as a user does, with the hub named by HF_ENDPOINT."""
    return {
        "args": [sys.executable, "-m", "jina_v3_infra.hub", model, "--cache-dir", str(cache)],
        "env": {**os.environ, "HF_ENDPOINT": hub.endpoint, "COLUMNS": "100"},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def test_the_command_prints_the_folder_alone(hub: LoopbackHub, tmp_path: Path) -> None:
    done = subprocess.run(**command(hub, tmp_path), timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert contents(Path(done.stdout.strip())) == {name: FILES[name] for name in WANTED}
    assert done.stderr.count(LICENCE_NOTICE) == 1
    assert "fetched 1.1 of 1.1 MB" in done.stderr
    again = subprocess.run(**command(hub, tmp_path), timeout=240, check=True)
    assert (again.stdout, again.stderr) == (done.stdout, "")


def test_the_command_ends_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nobody/nothing"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: 'nobody/nothing' is no folder here")
    assert "Traceback" not in shown.err
