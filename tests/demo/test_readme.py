"""What the README tells a user to run or read is there."""

import re
from pathlib import Path

from jina_v3_infra.config import read_deployment
from jina_v3_infra.deploy.arguments import parse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = "\n".join(README.splitlines()[:40])


def test_its_targets_are_the_makefile_s() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test", "verify"} <= named <= targets


def test_its_links_and_folders_are_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    folders = re.findall(r"`([a-z]+)/`", README)
    assert links
    assert folders
    assert not [name for name in links + folders if not (ROOT / name).exists() and name != "code"]


def test_the_first_screen_has_the_commands_and_the_licence() -> None:
    for text in ("make demo", "make test", "CC-BY-NC-4.0", "Jina AI"):
        assert text in FIRST_SCREEN


def test_what_needs_the_environment_makes_it_first() -> None:
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if ".venv/" in block]
    assert blocks
    assert all(block.startswith("make setup") for block in blocks)


def test_its_examples_are_there() -> None:
    named = re.findall(r"infra/examples/[\w.-]+", README)
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_its_configuration_is_understood(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "readme.toml").write_text(block)
        read_deployment(tmp_path / "readme.toml", ["model.source=jinaai/jina-embeddings-v3", "region=us-east-1"])


def test_its_words_of_the_command_line_are_understood() -> None:
    commands = re.findall(r"^\.venv/bin/jina-v3-infra (.*)$", README, re.MULTILINE)
    assert commands
    for command in commands:
        assert parse(command.split()).config is not None


def test_its_modules_can_be_run() -> None:
    for module in set(re.findall(r"-m (jina_v3_infra\.\w+)", README)):
        source = ROOT / "infra" / (module.replace(".", "/") + ".py")
        assert '__name__ == "__main__"' in source.read_text(encoding="utf-8")
