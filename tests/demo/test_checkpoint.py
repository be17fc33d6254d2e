from pathlib import Path
from typing import Any

import pytest
import torch
from demo import standin
from demo.checkpoint import STANDIN_CONFIG, standin_folder
from demo.corpus import load_corpus
from demo.standin import StandInConfig, rarity
from tokenizers import Tokenizer, models, pre_tokenizers

SMALL = StandInConfig(layers=1, hidden=64, heads=4, intermediate=128, vocab=2000, follows_words=True)
CORPUS = load_corpus()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_stand_in_is_the_same_everywhere(tmp_path: Path) -> None:
    one, other = (standin_folder(CORPUS, SMALL, tmp_path / name) for name in ("one", "other"))
    assert one.name == other.name
    assert contents(one) == contents(other)
    assert set(contents(one)) == {"config.json", "tokenizer.json", "model.safetensors"}


def test_it_is_built_once_and_again_for_other_settings(tmp_path: Path) -> None:
    folder = standin_folder(CORPUS, SMALL, tmp_path)
    built = (folder / "model.safetensors").stat().st_mtime_ns
    assert standin_folder(CORPUS, SMALL, tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == built
    other = standin_folder(CORPUS, StandInConfig(**{**vars_of(SMALL), "seed": 1}), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [other.name]


def test_what_another_process_has_built_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, theirs = standin.write_standin, []

    def write_late(*arguments: Any) -> Path:
        monkeypatch.setattr(standin, "write_standin", write)
        theirs.append(standin_folder(CORPUS, SMALL, tmp_path).stat().st_ino)
        return write(*arguments)

    monkeypatch.setattr(standin, "write_standin", write_late)
    folder = standin_folder(CORPUS, SMALL, tmp_path)
    assert [folder.stat().st_ino] == theirs
    assert list(tmp_path.iterdir()) == [folder]


def vars_of(config: StandInConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__slots__}


def test_an_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(standin, "save_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            standin_folder(CORPUS, SMALL, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert (standin_folder(CORPUS, SMALL, tmp_path) / "model.safetensors").stat().st_size > 1000


def test_what_a_killed_build_left_is_not_taken_for_a_model(tmp_path: Path) -> None:
    draft = tmp_path / "draft-left-by-a-crash"
    draft.mkdir()
    (draft / "config.json").write_text("{")
    folder = standin_folder(CORPUS, SMALL, tmp_path)
    assert folder != draft
    assert (folder / "model.safetensors").is_file()


def test_the_tokenizer_knows_the_words_of_the_texts(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(standin_folder(CORPUS, STANDIN_CONFIG, tmp_path) / "tokenizer.json"))
    assert 1000 < tokenizer.get_vocab_size() <= STANDIN_CONFIG.vocab
    unknown = tokenizer.token_to_id("<unk>")
    for passage in CORPUS.passages:
        ids = tokenizer.encode(passage.text).ids
        assert unknown not in ids
        assert (ids[0], ids[-1]) == (0, 2)
        if passage.language not in ("ja", "ko", "zh"):  # there a character is a fair piece
            assert len(ids) < 0.7 * len(passage.text)


def test_rarity_goes_from_every_text_to_one() -> None:
    words = ["<unk>", "sun", "moon", "sea", "never", "Represent"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    rare = rarity(tokenizer, ["sun sea", "sun sea sea", "sun moon"], len(words))
    _, sun, moon, sea, never, prompt = rare.tolist()
    assert sun == prompt == pytest.approx(0.0)
    assert never == 1.0
    assert 0.0 < sea < moon < 1.0
