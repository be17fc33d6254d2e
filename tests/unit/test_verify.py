"""The checker of real checkpoints, on a stand-in whose "published" values another implementation made."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo.standin import StandInConfig
from evaluation import verify
from evaluation.published import FOLDER, read_published
from safetensors.torch import load_file, save_file
from tests.support.checkpoints import TINY, write_layout, write_original
from tests.support.oracle import PROMPTS, Oracle

from jina_v3.contract import TASKS, Task

SAMPLE_TEXTS = ["a token in a packed batch", "what the model returns", "an array of vectors", "text"]
STATES_TEXT = "the encoder gives one vector for each text, in order"
POOLED_TEXT = "a checkpoint folder goes in and vectors come out"
CONFIG: StandInConfig = TINY


def _write(folder: Path, name: str, content: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(content))


def _vectors(oracle: Oracle, texts: list[str], task: Task) -> list[list[float]]:
    return oracle.encode(texts, [task] * len(texts), CONFIG.hidden).astype(float).tolist()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_original(tmp_path_factory.mktemp("verify") / "original", CONFIG)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What transformers and peft make of the same weights, in the form and precision of the published files."""
    oracle = Oracle(write_layout(tmp_path_factory.mktemp("verify") / "flash", "flash", CONFIG))
    ids = oracle.ids(STATES_TEXT, None)
    states = {}
    for task in (None, *TASKS):
        (whole,) = oracle.states([ids], [task])
        states[task.value if task else "none"] = np.round(whole[1:4, 1:10].numpy().astype(float), 4).tolist()
    vectors = _vectors(oracle, SAMPLE_TEXTS, Task.TEXT_MATCHING)
    (pooled,) = oracle.states([oracle.ids(POOLED_TEXT, None)], [Task.RETRIEVAL_QUERY])
    mean = pooled.mean(0).numpy()
    prompts = {task: len(oracle.ids(prompt.strip(), None)) - 2 for task, prompt in PROMPTS.items()}
    tolerances = {
        key: json.loads((FOLDER / f"{name}.json").read_text())[key]
        for name, key in (
            ("sample_vectors", "cosine_tolerance"),
            ("sample_vectors", "value_tolerance"),
            ("sample_vectors", "pair_tolerance"),
        )
    }
    return {
        "token_counts": {
            "texts": [{"text": text, "tokens": len(oracle.ids(text, None))} for text in SAMPLE_TEXTS],
            "prompts": prompts,
        },
        "token_states": {
            "text": STATES_TEXT,
            "token_ids": ids,
            "tokens": [1, 4],
            "channels": [1, 10],
            "states": states,
            "tolerance": 1e-4,
        },
        "sample_vectors": {
            "texts": SAMPLE_TEXTS,
            "task": "text-matching",
            "dimensions": CONFIG.hidden,
            "vectors": vectors,
            "cosines": [{"pair": [a, b], "cosine": float(np.dot(vectors[a], vectors[b]))} for a, b in ((0, 1), (2, 3))],
            **tolerances,
        },
        "pooled_slice": {
            "text": POOLED_TEXT,
            "task": "retrieval.query",
            "values": (mean / np.linalg.norm(mean))[:16].astype(float).tolist(),
            "tolerance": 2e-4,
        },
    }


@pytest.fixture
def published(values: dict[str, dict[str, Any]], tmp_path: Path) -> Path:
    for name, content in values.items():
        _write(tmp_path, name, content)
    return tmp_path


def run(model: Path | str, published: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """The exit status, the names of the failed checks, and the last line."""
    status = verify.main([str(model), "--published", str(published)])
    lines = capsys.readouterr().out.splitlines()
    return status, [line[6:62].strip() for line in lines if line.startswith("FAIL")], lines[-1]


def test_right_checkpoint_passes_every_check(model: Path, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 4 counts, 2 prompts, the ids, 6 windows, 4 vectors by cosine and by value, 2 pairs, 1 slice
    assert run(model, published, capsys) == (0, [], "24 of 24 checks passed")


def _add(path: list[Any], amount: float) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        place = content
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] += amount

    return change


@pytest.mark.parametrize(
    ("file", "change", "failed"),
    [
        ("token_counts", _add(["texts", 1, "tokens"], 1), "token count, “what the model returns”"),
        ("token_counts", _add(["prompts", "retrieval.query"], 1), "token count, prompt of retrieval.query"),
        ("token_counts", _add(["prompts", "retrieval.passage"], -1), "token count, prompt of retrieval.passage"),
        ("token_states", _add(["token_ids", 2], 1), "token ids, “the encoder gives one vector fo…”"),
        *(
            (
                "token_states",
                _add(["states", task, 2, 8], 1e-3),
                f"token states, {'base weights' if task == 'none' else task}",
            )
            for task in ("none", *(task.value for task in TASKS))
        ),
        ("sample_vectors", _add(["vectors", 3, 63], 0.02), "vector, values, “text”"),
        ("sample_vectors", _add(["cosines", 0, "cosine"], -0.006), "cosine, texts 0 and 1"),
        ("sample_vectors", _add(["cosines", 1, "cosine"], 0.006), "cosine, texts 2 and 3"),
        ("pooled_slice", _add(["values", 15], 5e-4), "pooled without prompt, retrieval.query"),
    ],
)
def test_each_value_is_really_compared(
    model: Path,
    values: dict[str, dict[str, Any]],
    published: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    change: Callable[[dict[str, Any]], None],
    failed: str,
) -> None:
    content = json.loads(json.dumps(values[file]))
    change(content)
    _write(published, file, content)
    status, names, _ = run(model, published, capsys)
    assert (status, names) == (1, [failed])


def test_turned_vector_fails_by_cosine(
    model: Path, values: dict[str, dict[str, Any]], published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(json.dumps(values["sample_vectors"]))
    content["vectors"][0] = [-value for value in content["vectors"][0]]
    _write(published, "sample_vectors", content)
    _, names, _ = run(model, published, capsys)
    assert "vector, 1-cos, “a token in a packed batch”" in names


WORDS = "roberta.embeddings.word_embeddings"


@pytest.mark.parametrize(
    ("tensor", "failed"),
    [
        ("roberta.encoder.layers.1.mlp.fc2.bias", "token states, base weights"),
        ("roberta.embeddings.token_type_embeddings.parametrizations.weight.original", "token states, base weights"),
        ("roberta.encoder.layers.0.mixer.Wqkv.parametrizations.weight.0.lora_B", "token states, classification"),
        (
            "roberta.embeddings.word_embeddings.parametrizations.weight.0.lora_A",
            "vector, 1-cos, “what the model returns”",
        ),
        ("roberta.encoder.layers.1.norm2.weight", "pooled without prompt, retrieval.query"),
    ],
)
def test_wrong_weights_fail(
    model: Path, published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tensor: str, failed: str
) -> None:
    folder = write_original(tmp_path / "wrong", CONFIG)
    tensors = load_file(folder / "model.safetensors")
    tensors[tensor] = -tensors[tensor]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    status, names, last = run(folder, published, capsys)
    assert status == 1
    assert failed in names
    assert last.endswith(f"{len(names)} FAILED")
    if ".lora_" in tensor:
        assert "token states, base weights" not in names


def test_absent_adapter_is_a_failure_and_not_the_end(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_layout(tmp_path / "some", "native", CONFIG, [Task.RETRIEVAL_QUERY, Task.SEPARATION])
    status, names, _ = run(folder, published, capsys)
    assert status == 1
    assert names == [
        "token count, prompt of retrieval.passage",
        "token states, retrieval.passage",
        "token states, classification",
        "token states, text-matching",
        "vectors, text-matching",
    ]


def test_no_checkpoint_is_said_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([]) == 2
    assert "MODEL=" in capsys.readouterr().err
    assert verify.main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert verify.main(["no such folder"]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_published_files_hold_what_they_must() -> None:
    published = read_published()
    counts = published.token_counts
    assert [count for _, count in counts.texts] == [8, 9, 12, 7, 9, 9]
    assert counts.prompts == {"retrieval.query": 12, "retrieval.passage": 9}
    states = published.token_states
    assert set(states.states) == {"none", *(task.value for task in TASKS)}
    assert all(window.shape == (3, 9) for window in states.states.values())
    assert len(states.token_ids) == 17
    vectors = published.sample_vectors
    assert vectors.vectors.shape == (6, 1024)
    assert np.allclose(np.linalg.norm(vectors.vectors, axis=1), 1, atol=1e-6)
    for first, second, cosine in vectors.pairs:
        assert vectors.vectors[first] @ vectors.vectors[second] == pytest.approx(cosine, abs=1e-5)
    assert published.pooled_slice.values.shape == (16,)
    for file in FOLDER.glob("*.json"):
        assert {"source", "licence", "made_with"} <= json.loads(file.read_text()).keys()
