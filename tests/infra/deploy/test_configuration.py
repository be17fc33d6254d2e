"""`config`: what it prints is the configuration, and the reference is the schema."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jina_v3_infra.config import check_deployment, read_deployment
from jina_v3_infra.deploy import command
from jina_v3_infra.deploy.reference import write_reference
from jina_v3_infra.deploy.toml_text import toml_value, write_toml

DOCS = Path(__file__).parents[3] / "docs"
FULL = {
    "name": "search",
    "region": "eu-west-1",
    "account": "123456789012",
    "tags": {"cost centre": "42", "team": "suche ü 日本"},
    "endpoint": {
        "name": "search-live",
        "variants": [
            {"name": "a", "instance_pool": ["ml.g5.xlarge"], "scaling": {"min": 1, "max": 3}, "weight": 0.5},
            {"name": "b", "instances": 2, "scaling": {"min": 2, "max": 2}},
        ],
        "capture": {"percent": 5},
        "environment": {"JINA_V3_DEFAULT_TASK": "retrieval.query", "NOTE": 'a "quoted" \\ value 😀'},
    },
    "batch": {
        "datasets": ["s3://their-data/a/"],
        "schedules": [{"name": "nightly", "expression": "rate(1 day)", "dataset": "s3://their-data/a/"}],
    },
    "network": {"vpc": "vpc-0", "subnets": ["subnet-1", "subnet-2"], "security_groups": ["sg-1"]},
}


def test_what_is_printed_reads_as_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployment = check_deployment(FULL)
    path = tmp_path / "one.toml"
    path.write_text(write_toml(deployment), encoding="utf-8")
    assert read_deployment(path) == deployment
    assert command.run(["config", "--config", str(path), "-c", "tags.team=other"]) == 0
    again = tmp_path / "two.toml"
    again.write_text(capsys.readouterr().out, encoding="utf-8")
    assert read_deployment(again) == dataclasses.replace(deployment, tags={**deployment.tags, "team": "other"})


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_survives(text: str) -> None:
    assert tomllib.loads(f"a = {toml_value(text)}")["a"] == text


def test_the_reference_is_the_page() -> None:
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == write_reference(), (
        "docs/configuration.md is not what the schema says: jina-v3-infra config --reference > docs/configuration.md"
    )


def test_the_reference_has_every_field_once() -> None:
    reference = write_reference()

    def walk(instance: object) -> None:
        for field in dataclasses.fields(instance):  # type: ignore[arg-type]
            assert f"`{field.name}`" in reference, field.name

    deployment = check_deployment(FULL)
    for one in (deployment, deployment.endpoint, deployment.endpoint.variants[0], deployment.network, deployment.image):
        walk(one)
    # a bound, a choice, a pattern with the sign that would end the cell, and a default that is a factory's
    assert "| `percent` | whole number | `100` | at least 1 and at most 100 |" in reference
    assert '`"codebuild"`, `"docker"`' in reference
    assert r"`^(create\|vpc-[0-9a-f]+)$`" in reference
    component = reference.partition("[endpoint.inference_component.scaling]")[2]
    assert "| `min` | whole number | `0` |" in component.partition("##")[0]


def test_the_file_of_the_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command.run(["config"]) == 0
    assert 'name = "jina-v3"' in capsys.readouterr().out
    (tmp_path / "jina-v3.toml").write_text('name = "mine"\n')
    assert command.run(["config", "--region", "eu-west-1"]) == 0
    out = capsys.readouterr().out
    assert 'name = "mine"' in out
    assert 'region = "eu-west-1"' in out


@pytest.mark.parametrize(
    "words",
    [
        ("-c", "endpoint.variants.0.instance_type=ml.g9.xlarge"),
        ("-c", "nonsense"),
        ("--region", "mars-north-1"),
        ("--config", "not-there.toml"),
    ],
)
@pytest.mark.parametrize("name", ["preflight", "deploy", "destroy", "status", "config", "cdk"])
def test_a_wrong_configuration_is_one_sentence(
    name: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run([name, *words]) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
