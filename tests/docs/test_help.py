"""What ``--help`` says and what the pages say of options is the same, and the examples in ``--help`` can be typed."""

import argparse
import re
from collections.abc import Iterator

import pytest
from tests.support.commands import check, commands, parser_of
from tests.support.pages import PAGES, ROOT, all_blocks, spans

from jina_v3_client.cli.arguments import build_parser as client_parser
from jina_v3_infra.deploy.arguments import build_parser as infra_parser

MODULES = (
    "benchmarks.batch",
    "benchmarks.batch.verify_speed",
    "benchmarks.bench_client",
    "benchmarks.bench_cpu",
    "benchmarks.bench_endpoint",
    "benchmarks.bench_gpu",
    "benchmarks.gpu_sanitize",
    "demo",
    "evaluation.mteb",
    "evaluation.verify",
    "jina_v3.encoder.fused.prebuild",
    "jina_v3.serving.server",
    "jina_v3_infra.artifact",
    "jina_v3_infra.hub",
    "jina_v3_infra.publish",
    "lab.run",
    "local_aws",
    "tests.live.verify",
)
OTHERS = {
    *("--build-arg", "--no-cache", "--output", "--provenance=false"),  # docker
    "--cloud",  # hf-serve
    "--include",  # curl
    "-m",  # Python
    *("--auto-truncate", "--max-client-batch-size", "--max-concurrent-requests", "--payload-limit"),  # TEI
}
"""Options of other people's programs that the prose names by themselves."""


def family(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from family(one)


def parsers() -> Iterator[argparse.ArgumentParser]:
    for parser in (client_parser(), infra_parser(), *(parser_of(module)[0] for module in MODULES)):
        yield from family(parser)


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for one in family(parser) for option in one._option_string_actions}


def command_names(parser: argparse.ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in (action.choices or ()) if action.dest == "command"}


def test_every_example_in_a_help_can_be_typed() -> None:
    examples = [
        line.strip()
        for parser in parsers()
        for line in ((parser.format_help() and parser.epilog) or "").splitlines()
        if re.match(r"\s+(jina-v3|jina-v3-infra|python -m)\s", line)
    ]
    assert len(examples) > 20
    for example in examples:
        for words in commands(example.partition("   (")[0]):
            check(words, whole=True)


def test_every_option_that_stands_by_itself_is_there() -> None:
    known = OTHERS | {option for parser in parsers() for option in options(parser)}
    blocks = {page: " ".join(block.text for block in all_blocks() if block.page == page) for page in PAGES}
    named = [
        (span, option)
        for page in PAGES
        for span in spans(page)
        for option in re.findall(r"^--?[a-z][\w-]*(?:=false)?", span.text)
    ]
    assert len(named) > 50
    wrong = [
        f"{span.place}: {option}" for span, option in named if option not in known and option not in blocks[span.page]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("page", "parser"), [("docs/command-line.md", client_parser()), ("docs/deploy.md", infra_parser())]
)
def test_the_page_has_every_command(page: str, parser: argparse.ArgumentParser) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(rf"(?:`|^|{parser.prog} )({'|'.join(command_names(parser))})\b", text, re.MULTILINE))
    assert named == command_names(parser)
    actions = {
        name for one in family(parser) for action in one._actions if action.dest == "action" for name in action.choices
    }
    batch = text if parser.prog == "jina-v3" else (ROOT / "docs/batch.md").read_text(encoding="utf-8")
    assert not [name for name in actions if not re.search(rf"\b{name}\b", batch)]


def test_every_target_of_make_is_in_its_help() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):(?! export)(.*)$", text, re.MULTILINE)
    assert targets
    assert not [name for name, rest in targets if "##" not in rest]
