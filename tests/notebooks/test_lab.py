"""What the notebooks share, as far as it takes neither a kernel nor an AWS."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lab import place, plots, run, texts

LANGUAGES = {"ar", "de", "en", "es", "fr", "ja", "ru", "zh"}


def test_twelve_topics_have_a_passage_and_a_question_in_each_language() -> None:
    topics = texts.read("topics")
    counted = Counter((text.topic, text.language, text.more["kind"]) for text in topics)
    assert set(counted.values()) == {1}
    assert len(counted) == 12 * 8 * 2
    assert {text.language for text in topics} == LANGUAGES
    assert len({text.text for text in topics}) == len(topics)


def test_a_question_has_words_of_its_passage_and_of_no_other_topic_as_many() -> None:
    """The stand-in knows only the words of the texts: a question of others would find nothing."""
    topics = texts.read("topics")

    def stems(text: str, language: str) -> set[str]:
        if language in ("ja", "zh"):  # written without spaces
            return {text[place : place + 2] for place in range(len(text) - 1)}
        return {word[:5] for word in re.findall(r"\w+", text) if len(word) > 2}

    passages = {(one.topic, one.language): one.text for one in topics if one.more["kind"] == "passage"}
    for question in [one for one in topics if one.more["kind"] == "query"]:
        shared = {
            topic: len(stems(question.text, language) & stems(passage, language))
            for (topic, language), passage in passages.items()
            if language == question.language
        }
        assert max(shared, key=lambda topic: shared[topic]) == question.topic, question
        assert shared[question.topic] >= 2, question


def test_texts_say_what_they_are_about() -> None:
    assert "topics" in texts.names()
    for name in texts.names():
        for text in texts.read(name):
            assert text.topic
            assert text.text.strip() == text.text != ""
            assert re.fullmatch("[a-z]{2}", text.language)


def test_notebooks_are_found_by_number_and_by_a_part_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    for name in ("02-dimensions", "01-deploy-and-call", "12-later"):
        (tmp_path / f"{name}.ipynb").touch()

    def names(*wanted: str) -> list[str]:
        return [path.stem for path in run.find(wanted)]

    assert names() == ["01-deploy-and-call", "02-dimensions", "12-later"]
    assert names("2") == names("02") == names("dimensions") == names("02-dimensions.ipynb") == ["02-dimensions"]
    assert names("2", "call") == ["01-deploy-and-call", "02-dimensions"]
    with pytest.raises(run.NotebookError, match=r"no notebook is called '3'; there are 01-deploy-and-call, 02-"):
        names("1", "3")


def test_a_name_that_is_none_is_an_error_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["nowhere"]) == 2
    assert "no notebook is called 'nowhere'" in capsys.readouterr().err


def test_a_deployment_that_stands_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ)
    here = place.standing("jina-v3-prod", region="eu-west-1")
    here.deploy()
    assert capsys.readouterr().out == "jina-v3-prod stands already.\n"
    assert not here.is_local
    assert here.model == "whatever jina-v3-prod serves"
    with pytest.raises(place.CommandError, match="no configuration of it"):
        here.command("status")
    here.close()
    here.close()
    assert dict(os.environ) == before


def test_an_account_is_asked_for_nothing_before_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    here = place.my_account("infra/examples/development.toml", "name=trial", "region=eu-west-1")
    assert "trial in eu-west-1" in capsys.readouterr().out
    assert here.model == "jina-embeddings-v3"
    assert (here.deployment.name, here.deployment.region) == ("trial", "eu-west-1")
    here.close()  # nothing was deployed, so nothing is destroyed
    assert capsys.readouterr().out == ""


def test_the_steps_are_shown_and_the_cdk_is_not() -> None:
    shown = ["✓ region: us-east-1 has it", "✗ quotas: 0 are there", "[2/4] foundation: bucket", "uploaded 1 of 2 MB"]
    shown += ["    it stands (13.5 s)"]
    hidden = ["jina-v3-dev |  0/11 | 12:40:15 AM | CREATE_IN_PROGRESS", "✨  Synthesis time: 0.01s", "", "Outputs:"]
    hidden += ["    [local AWS] unpacked 131 files"]
    assert [line for line in shown + hidden if place._STEPS.match(line)] == shown


def test_a_plot_has_its_title_and_what_computed_it() -> None:
    drawn, axes = plots.figure("Alike", source="Computed by: a stand-in", columns=2)
    assert drawn.get_suptitle() == "Alike"
    assert drawn.get_supxlabel() == "Computed by: a stand-in"
    assert len(axes) == 2
    plots.plt.close(drawn)


def test_a_heat_map_writes_each_number_in_its_square() -> None:
    drawn, (axes,) = plots.figure("Alike", source="nothing")
    values = np.array([[1.0, 0.25, 0.5], [0.0, 0.75, 0.125]])
    image = plots.heat_map(axes, values, ["a", "b"], ["x", "y", "z"], limits=(0, 1))
    assert image.get_clim() == (0, 1)
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(column, row): f"{values[row, column]:.2f}" for row in range(2) for column in range(3)}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    plots.plt.close(drawn)
