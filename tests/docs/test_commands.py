"""Every command on the pages, in blocks and in prose: its program, target, subcommand and options are there."""

import re
from collections.abc import Iterator

import pytest
from tests.support.commands import PROGRAMS, WrongError, check, commands
from tests.support.page_program import CHEAP, HELD
from tests.support.pages import PAGES, ROOT, all_blocks, spans

GOES_ON = re.compile(r"^… (?=--)")
ASSIGNS = re.compile(r"^(?:[A-Z_]+=\S+ )+")


def in_prose() -> Iterator[tuple[str, str]]:
    """Yield each command that stands in prose or in a table, and where; "… --option" goes on with the one before."""
    for page in PAGES:
        last = ""
        for span in spans(page):
            text = GOES_ON.sub(lambda _, last=last: f"{last} ", span.text)
            program = ASSIGNS.sub("", text).split(" ")[0].rpartition("/")[2]
            if program in PROGRAMS and " " in text and (text == span.text or last):
                yield span.place, text
                if text == span.text:
                    last = " ".join(word for word in text.split() if not word.startswith(("ARGS", "--")))


def wrong(found: list[tuple[str, str]], *, whole: bool) -> list[str]:
    told = []
    for place, text in found:
        try:
            for words in commands(text):
                check(words, whole=whole)
        except (WrongError, ValueError, ModuleNotFoundError) as error:
            told.append(f"{place}: {text}\n    {error}")
    return told


@pytest.mark.parametrize(
    "text",
    [
        "make demos",
        "make demo MODLE=x",
        "make bench ARGS='--onyl queries'",
        "make setup && .venv/bin/jina-v3-infra deploy --form publish",
        "jina-v3 embedd harbour",
        "zcat texts.gz | jina-v3 embed --dimension 8 -",
        "aws sagemaker describe-endpoint --name texts",
        "aws stepfunctions start-execution --name a",
        "aws sagemaker describe-endpoints",
        "python -m jina_v3_infra.nothing",
        "PYTHONPATH=. python3 -m demo --kep",
        "python3 -m pytest tests/nowhere",
        "digest=$(docker buildx imagetool inspect x)",
        "docker build --plattform linux/amd64 inference",
        "pip install '.[langchian]'",
        "cdk depoly NAME-foundation",
        "curl https://example.com",
        "frobnicate texts",
    ],
)
def test_what_cannot_be_is_found(text: str) -> None:
    assert wrong([("page.md:1", text)], whole=True)


def test_commands_in_blocks() -> None:
    blocks = [(block.place, block.text) for block in all_blocks() if block.language == "sh"]
    assert len(blocks) > 20
    assert not (found := wrong(blocks, whole=True)), "\n".join(found)


def test_every_target_in_a_block_is_run_or_has_a_test() -> None:
    named = {
        word
        for block in all_blocks()
        if block.language == "sh"
        for words in commands(block.text)
        if words[0] == "make"
        for word in words[1:]
        if "=" not in word
    }
    assert len(named) > 8
    assert not named - CHEAP - set(HELD)
    assert not [target for target in named & set(HELD) if not (ROOT / HELD[target]).exists()]


def test_commands_in_prose() -> None:
    found = list(in_prose())
    assert len(found) > 100
    assert not (told := wrong(found, whole=False)), "\n".join(told)
