"""The pages that users read: their blocks of code, their commands in prose, and which test holds each block."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("README.md", "CHANGELOG.md", "docs/*.md", "[a-z]*/README.md")
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(r"^(?P<indent>[ \t]*(?:[-*+>] +|\d+\. +)?)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[^\s`{]*)[^`]*$")
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is its first line of code."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Span:
    """Code in prose or in a table's cell, on one line whatever the page does."""

    page: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def read(page: str) -> tuple[tuple[Block, ...], str]:
    """Return a page's blocks, also those in lists and indented ones, and the page with blank lines in their place."""
    blocks, prose = [], []
    opened: tuple[int, re.Match[str]] | None = None
    inside: list[str] = []
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        found = FENCE.match(line)
        prose.append("" if opened or found else line)
        if opened is None:
            if found:
                opened, inside = (number, found), []
        elif line.strip() == opened[1]["fence"]:
            text = dedent("\n".join(inside)) + "\n"
            blocks.append(Block(page, opened[0] + 1, opened[1]["language"] or "text", text))
            opened = None
        else:
            inside.append(line)
    assert opened is None, f"{page}:{opened and opened[0]}: a block that does not end"
    return tuple(blocks), "\n".join(prose)


def all_blocks() -> Iterator[Block]:
    for page in PAGES:
        yield from read(page)[0]


def spans(page: str) -> Iterator[Span]:
    """Yield the code in a page's prose."""
    prose = read(page)[1]
    for found in SPAN.finditer(prose):
        yield Span(page, prose.count("\n", 0, found.start()) + 1, " ".join(found[2].split()))


@dataclass(frozen=True)
class Held:
    """Blocks that a test takes from here, by ``blocks_of``: of these pages, in this language, with these words."""

    by: str
    pages: str
    language: str
    words: str = ""

    def has(self, block: Block) -> bool:
        return (
            re.fullmatch(self.pages, block.page) is not None
            and block.language == self.language
            and re.search(self.words, block.text) is not None
        )


HELD = (
    Held("tests/docs/test_shell.py", r".*", "sh"),
    Held("tests/docs/test_configurations.py", r".*", "toml"),
    Held("tests/docs/test_configurations.py", r".*", "yaml"),
    Held("tests/container/test_openapi_examples.py", r"docs/(contract|api)\.md", "json"),
    Held("tests/container/test_openapi_examples.py", r"docs/(contract|api)\.md", "text"),
    Held("tests/docs/test_library_page.py", r"docs/library\.md", "python"),
    Held("tests/docs/test_migration.py", r"docs/from-(jina-api|text-embeddings-inference)\.md", "python"),
    Held("tests/client/integrations/test_migration_pages.py", r"docs/from-(openai|langchain)\.md", "python"),
    Held("tests/docs/test_shell.py", r"docs/local-aws\.md", "python"),
    Held("tests/docs/test_shell.py", r"docs/batch\.md", "text", "^Batch run "),
    Held("tests/demo/test_demo.py", r"README\.md", "text", "^Complete: every record"),
    Held("tests/docs/test_drawing.py", r"docs/performance\.md", "text", "tokenise"),
    Held("tests/client/test_client_page.py", r"README\.md|docs/(client|growing)\.md", "python"),
    Held("tests/client/integrations/test_pages.py", r"docs/(integrations|from-jina-sagemaker)\.md", "python"),
    Held("tests/docs/test_changes.py", r".*", "diff"),
    Held("tests/notebooks/test_lab_runs.py", r"docs/notebooks\.md|notebooks/README\.md", "python"),
)
"""Each block is of exactly one row; ``tests/docs/test_register.py`` says which has none or more than one."""


def blocks_of(test: str | Path) -> list[Block]:
    """Return the blocks that a test, named by its ``__file__``, has to run, in the order of the pages."""
    name = str(Path(test).relative_to(ROOT))
    rows = [row for row in HELD if row.by == name]
    assert rows, f"tests/support/pages.py has no row for {name}"
    return [block for block in all_blocks() if any(row.has(block) for row in rows)]
