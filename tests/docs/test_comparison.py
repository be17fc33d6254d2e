"""The page that compares: its measured figures are those of the results, and every source that is named is there."""

import re
from pathlib import Path

import pytest
from benchmarks import growing

from jina_v3_batch.estimate import tokens_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
GROWING = (ROOT / "docs" / "growing.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the tables under a heading."""
    section = page.partition(f"# {heading}\n")[2].partition("\n#")[0]
    return [cells(line) for line in section.splitlines() if line.startswith("|") and "---" not in line]


def measured(file: str, heading: str) -> list[list[str]]:
    found = rows((RESULTS / file).read_text(encoding="utf-8"), heading)
    assert found
    return found


TOLD = {first: rest for first, *rest in rows(PAGE, "Measured here")}


def test_the_encoders_ratios() -> None:
    at = {
        (case, layers, precision, variant): median
        for case, layers, precision, variant, _, median, *_ in measured("cpu.md", "All ratios")
    }

    def ratio(case: str, precision: str, batch: int) -> str:
        return at[case, "24", precision, f"sentence-transformers, batch {batch}"].rstrip("×")

    (_, fp32), (_, bf16) = TOLD["encoder, 64 mixed texts, fp32, 24 layers"], TOLD["… bf16"]
    assert re.findall(r"[\d.]+(?= times)", fp32) == [ratio("mixed-64", "float32", 32), ratio("mixed-64", "float32", 4)]
    assert re.findall(r"[\d.]+(?= times)", bf16) == [
        ratio("mixed-64", "bfloat16", 32),
        ratio("mixed-64", "bfloat16", 4),
    ]
    (_, query) = TOLD["one query of 16 tokens, fp32; bf16"]
    assert re.findall(r"[\d.]+(?= times)", query) == [
        ratio("query-16", "float32", 32),
        ratio("query-16", "bfloat16", 32),
    ]


OTHERS = {"infinity": "infinity", "FastAPI": "sentence-transformers + FastAPI", "hf-serve": "hf-serve"}


@pytest.mark.parametrize(
    ("told", "texts", "load", "column"),
    [
        ("server, queries, 64 clients, fp32", "queries", "64 clients", 6),
        ("server, documents, 64 clients", "documents", "64 clients", 6),
        ("server, one client, query p50", "queries", "1 client", 3),
    ],
)
def test_the_servers_figures(told: str, texts: str, load: str, column: int) -> None:
    at = {one[2]: one[column] for one in measured("endpoint.md", "Closed loop") if one[:2] == [texts, load]}
    ours, others = TOLD[told]
    assert ours.split()[0] == at["ours"]
    for name, server in OTHERS.items():
        found = re.search(rf"{name}[^;\d]*([\d.]+)", others)
        assert found is not None
        assert found[1].rstrip(".") == at[server], name


def test_the_clients_figures() -> None:
    many = {one[0]: one[1] for one in measured("client.md", "Many texts, as fast as each can")}
    ours, others = TOLD["client, 10,000 texts"]
    assert ours == f"{many['ours']} s"
    for way in ("boto3, threads, JSON floats", "boto3, threads, base64", "jina-sagemaker's way"):
        assert f"{way} {many[way]}" in others.replace("*", "")
    one = {name: more for name, _, more, *_ in measured("client.md", "One query")}
    assert TOLD["client, one query, added to plain urllib3"] == [f"{one['ours']} ms", f"boto3 {one['boto3']}"]


def test_every_source_is_named_and_every_name_has_one() -> None:
    text, _, sources = PAGE.partition("## Sources")
    listed = re.findall(r"^- \[(\w+)\]", sources, re.MULTILINE)
    assert len(listed) == len({*listed})
    assert {*re.findall(r"\[(\d+|a)\](?!\()", text)} == {*listed}


def test_every_cell_about_others_has_a_source_or_says_that_none_is_known() -> None:
    head, *features = rows(PAGE, "What each does")
    assert len(features) > 10
    known = re.compile(r"\[(\d+|a)\]|^–$|^no$|not known|not looked up|not stated|licence from Jina AI")
    assert [(row[0], cell) for row in features for cell in row[1:] if not known.search(cell)] == []
    assert all(len(row) == len(head) for row in features)


def test_what_the_page_on_growing_has_measured() -> None:
    page = " ".join(GROWING.split())
    told = re.search(r"at 80% of what the server can the p95 of queries was (\d+) ms beside (\d+) ms", page)
    assert told is not None
    loop = {(one[0], one[2]): one[4] for one in measured("endpoint.md", "Open loop, queries")}
    alone = next(one[4] for one in measured("endpoint.md", "Closed loop") if one[:3] == ["queries", "1 client", "ours"])
    assert (told[1], int(told[2])) == (loop["80% of what ours can", "ours"], round(float(alone)))
    most = max(float(one[2]) for one in measured("endpoint.md", "The load generator by itself")[1:])
    assert f"{most:,.0f} requests a second" in page


def test_a_document_has_as_many_tokens_here_as_in_the_estimates_of_runs() -> None:
    assert int(tokens_of(800)) == growing.DOCUMENT_TOKENS
