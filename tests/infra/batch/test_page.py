"""docs/batch.md says what the code does."""

import json
import re
from pathlib import Path

from tests.support.batch_deployment import DEFINITION

from jina_v3_batch import cutting, dataset, planning, request, settle, sizing

PAGE = (Path(__file__).parents[3] / "docs" / "batch.md").read_text()


def table(header: str) -> list[list[str]]:
    rows = PAGE.split(f"| {header} |", 1)[1].split("\n\n", 1)[0].split("\n")[2:]
    return [[cell.strip() for cell in row.strip("| ").split("|")] for row in rows if row]


def test_the_fields_of_a_request():
    assert sorted(row[0].strip("`") for row in table("field")) == sorted(request.FIELDS)


def test_the_names_of_the_formats():
    for form, names, *_ in table("format"):
        suffixes = re.findall(r"`(\.\w+)`", names)
        wanted = {"JSON lines": "jsonl", "CSV": "csv", "Parquet": "parquet"}[form]
        files = [dataset.DataFile(f"a{suffix}", 1) for suffix in suffixes]
        assert suffixes
        assert {dataset.find_format([file], "auto") for file in files} == {wanted}


def test_the_limits():
    limits = dict(table("limit"))
    assert limits["files of a dataset"] == f"{dataset.MAX_FILES:,}"
    assert limits["files of a transform job"] == f"{planning.FILES_PER_JOB:,}"
    assert limits["shards"] == f"{cutting.MAX_SHARDS:,}"
    assert limits["waits for a machine in a row"].startswith(f"{settle.MOST_WAITS},")
    assert limits["a gzip'd file that must be cut"] == f"{cutting.MAX_GZIP_BYTES // 2**30} GB"
    rows = {form: sizing.parquet_rows(form, 1024) for form in ("float", "int8")}
    assert f"{rows['float'] // 1000:,},000 of 1024 floats" in limits["a Parquet file"]
    assert f"{rows['int8'] // 1000:,},000 as `int8`" in limits["a Parquet file"]


def test_how_an_execution_can_end():
    ends = {
        state["Error"] for state in json.loads(DEFINITION.read_text())["States"].values() if state["Type"] == "Fail"
    }
    assert ends - {"Unreported"} == set(re.findall(r"`(Refused|Incomplete|Broken)`", PAGE))


def test_the_input_of_the_example_is_taken():
    text = re.search(r"--input '(.*)'", PAGE)
    assert text
    read = request.read_request(json.loads(text[1].replace("BUCKET", "bucket")))
    assert (read.dataset.uri, read.task) == ("s3://bucket/batch/datasets/docs/", "retrieval.passage")
