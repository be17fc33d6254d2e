"""What is refused before anything is embedded, each with its reason and the way out."""

import codecs
import dataclasses
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.batch_deployment import SETTINGS, Batch

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.errors import PreflightError, SettingsError
from jina_v3_batch.places import Place
from jina_v3_batch.preflight import inspect
from jina_v3_batch.request import read_request
from jina_v3_batch.settings import read_settings
from jina_v3_batch.store import Store

ENVIRONMENT = {
    "JINA_V3_BATCH_NAME": "deployment",
    "JINA_V3_BATCH_BUCKET": "deployment",
    "JINA_V3_BATCH_MODEL": "model",
    "JINA_V3_BATCH_INSTANCE_TYPE": "ml.g6.xlarge",
    "JINA_V3_BATCH_INSTANCES": "2",
    "JINA_V3_BATCH_JOBS": "3",
    "JINA_V3_BATCH_AMI": "al2-ami-sagemaker-batch-gpu-535",
    "JINA_V3_BATCH_KMS_KEY": "arn:aws:kms:us-east-1:123456789012:key/1",
    "JINA_V3_BATCH_USD_PER_HOUR": "1.1267",
    "JINA_V3_BATCH_TOKENS_PER_S": "20000",
    "JINA_V3_BATCH_MAX_USD": "",
    "JINA_V3_BATCH_ATTEMPTS": "3",
    "JINA_V3_BATCH_DATASETS": '["s3://other/data/"]',
    "JINA_V3_BATCH_RESULTS": '["s3://results"]',
    "JINA_V3_BATCH_TAGS": '{"team": "search"}',
}
GOOD = b'{"id": 1, "text": "some words"}\n'


def test_the_environment_is_read_once_and_checked():
    settings = read_settings(ENVIRONMENT)
    assert (settings.jobs, settings.max_usd, settings.usd_per_hour) == (3, None, 1.1267)
    assert settings.readable == (Place("deployment", "batch/datasets/"), Place("other", "data/"))
    assert settings.writable == (Place("deployment", "batch/vectors/"), Place("results", ""))
    assert settings.tags == (("team", "search"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUCKET", ""),
        ("JOBS", "0"),
        ("JOBS", "1.5"),
        ("ATTEMPTS", "x"),
        ("TOKENS_PER_S", "nan"),
        ("TAGS", "[]"),
        ("RESULTS", '["x"]'),
    ],
)
def test_a_wrong_environment_names_its_variable(name, value):
    with pytest.raises(SettingsError, match=f"JINA_V3_BATCH_{name}"):
        read_settings({**ENVIRONMENT, f"JINA_V3_BATCH_{name}": value})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dataset": None}, 'no "dataset"'),
        ({"dataset": "bucket/docs"}, "must be a folder in S3"),
        ({"dataset": "s3://bucket//docs"}, "two slashes"),
        ({"taks": "separation"}, "did you mean 'task'"),
        ({"task": "retreival.query"}, "did you mean 'retrieval.query'"),
        ({"dimensions": 2000}, "from 1 to 1024"),
        ({"dimensions": True}, "from 1 to 1024"),
        ({"dimensions": 256.0}, "from 1 to 1024"),
        ({"embedding_type": "base46"}, "did you mean 'base64'"),
        ({"format": "xml"}, "jsonl, csv, parquet"),
        ({"instances": 0}, "above 0"),
        ({"dry_run": "yes"}, "true or false"),
        ({"max_usd": -1}, "above 0"),
        ({"resume": "a/b"}, "an earlier run"),
        ({"success_file": {"bucket": "b", "key": "k"}}, "must be alone"),
    ],
)
def test_a_request_that_cannot_be_names_the_field_and_what_is_allowed(fields, words):
    with pytest.raises(PreflightError) as caught:
        read_request({"dataset": "s3://bucket/docs/", **fields})
    assert words in str(caught.value)


def test_null_is_as_if_nothing_stood_there_but_for_the_task():
    fields = dict.fromkeys(("output", "dimensions", "embedding_type", "format", "instances", "resume", "max_usd"))
    request = read_request({"dataset": "s3://bucket/docs", "task": None, "dry_run": None, **fields})
    assert request == dataclasses.replace(read_request({"dataset": "s3://bucket/docs/"}), task="")


def refusal(batch: Batch, **request):
    """The reason for which a run is refused."""
    report = batch.run(**request)
    assert batch.end == "Refused"
    assert batch.service.requests == []
    assert not batch.keys("batch/vectors/run-1/")
    return report["error"]["message"]


def parquet(rows, column="text", value="x"):
    sink = io.BytesIO()
    pq.write_table(pa.table({column: pa.array([value] * rows, None if rows else pa.string())}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no file with anything in it"),
        ({"a.jsonl": b"", "_x.jsonl": GOOD, ".b.jsonl": GOOD, "_tmp/a.jsonl": GOOD}, "holds no file"),
        ({"a.jsonl": GOOD, "b.csv": b"1,x\n"}, "mixes formats: csv (b.csv), jsonl (a.jsonl)"),
        ({"a.txt": GOOD}, "says nothing of its format"),
        ({"a.jsonl": GOOD, "README.md": b"what is here"}, "the name of README.md says nothing of its format"),
        ({"a.jsonl": b'[{"text": "a"}]'}, "one JSON list"),
        ({"a.jsonl": codecs.BOM_UTF16_LE + '{"text": "a"}'.encode("utf-16-le")}, "UTF-16"),
        ({"a.jsonl": '{"text": "a"}'.encode("utf-16-be")}, "UTF-16"),
        ({"a.jsonl": b'{"id": 1, "body": "a"}\n' * 3}, "none of the first 3 records"),
        (
            {"a.jsonl": b'{"id": 1, "body": "a"}\n'},
            'the first of these is an object with "id", "body", and',
        ),
        ({"a.jsonl": b'{"id": 1, "text": 7}\n'}, "an object whose text is no string"),
        ({"a.jsonl": b"7\n"}, "JSON, and no object"),
        ({"a.jsonl": b'{"text": "a"\n'}, "a line that is not JSON"),
        ({"a.jsonl": b"\n \n"}, "all their lines are blank"),
        ({"a.csv": b'1,"two\nlines"\n'}, "goes on over a line end"),
        ({"a.csv": b"1,2,3\n"}, "a row of 3 columns, and records are rows of id,text"),
        ({"a.jsonl.gz": GOOD}, "is not gzip"),
        ({"a.parquet.gz": gzip.compress(parquet(3))}, "gzip'd Parquet"),
        ({"a.parquet": b"PAR1 not really"}, "no Parquet that can be read"),
        ({"a.parquet": parquet(3, "body")}, 'no column \'text\'; it has "body": say "text_field": "body"'),
        ({"a.parquet": parquet(3), "b.parquet": parquet(3, value=7)}, "'text' of b.parquet holds no strings"),
        ({"a.parquet": parquet(3, value=["x"])}, "holds no strings"),
        ({"a.parquet": parquet(20_000)}, "20,000 rows"),
        ({"a.parquet": parquet(0)}, "has a row"),
    ],
)
def test_a_dataset_that_cannot_be_embedded_is_refused_with_the_reason(batch, files, words):
    for name, body in files.items():
        batch.put(name, body)
    assert words in refusal(batch)


def test_records_without_a_text_are_noted_with_what_they_are_instead(s3):
    body = b"1,words\n2,words,en\n3,words\n"
    s3.put_object(Bucket="deployment", Key="a.csv", Body=body)
    files = [DataFile("a.csv", len(body))]
    (note,) = inspect(Store(s3), Place("deployment", ""), files, "csv", "float", 1024).notes
    assert note.startswith("1 of 3 sampled records have no text")
    assert "a row of 3 columns, and records are rows of id,text or of text, without a header" in note


@pytest.mark.parametrize("field", ["dataset", "output"])
def test_a_place_that_s3_keeps_closed_is_named(batch, field):
    gone = Place("bucket-that-is-gone", "")
    batch.settings = dataclasses.replace(batch.settings, datasets=(gone,), results=(gone,))
    batch.put("a.jsonl", GOOD)
    told = refusal(batch, **{field: "s3://bucket-that-is-gone/docs"})
    assert f"{field} is s3://bucket-that-is-gone/docs/, which S3 does not let this deployment look at: NoSuchB" in told


def test_a_parquet_file_larger_than_a_request_is_refused(s3):
    large = DataFile("a.parquet", 101 * 2**20)
    with pytest.raises(PreflightError, match=r"may have 104,857,600\. Write files of at most"):
        inspect(Store(s3), Place("deployment", ""), [large], "parquet", "float", 1024)


@pytest.mark.parametrize(
    ("request_fields", "words"),
    [
        ({"dataset": "s3://elsewhere/docs/"}, "may not read"),
        ({"dataset": "s3://deployment/models/"}, "may not read"),
        ({"output": "s3://elsewhere/"}, "may not write"),
        ({"output": "s3://deployment/batch/datasets/docs/out/"}, "may not write"),
        ({"max_usd": 0.01}, "above max_usd, 0.01"),
        ({"resume": "never"}, "no run of that name"),
        ({"instances": 3}, "at most 2"),
    ],
)
def test_what_may_not_be_is_refused(batch, request_fields, words):
    batch.put("a.jsonl", GOOD)
    assert words in refusal(batch, **request_fields)


def test_vectors_are_not_put_among_texts_nor_over_others(batch):
    everywhere = dataclasses.replace(SETTINGS, datasets=(Place("deployment", ""),), results=(Place("deployment", ""),))
    batch.settings = everywhere
    batch.put("a.jsonl", GOOD)
    assert "one within the other" in refusal(batch, output="s3://deployment/batch/datasets/docs/vectors/")
    batch.put("something", b"x", "taken/")
    assert "holds objects already" in refusal(batch, output="s3://deployment/taken/")


def test_the_lower_of_two_limits_of_cost_holds_and_needs_a_price(batch):
    batch.put("a.jsonl", GOOD)
    batch.settings = dataclasses.replace(SETTINGS, max_usd=0.01)
    assert "above max_usd, 0.01" in refusal(batch, max_usd=1000)
    batch.settings = dataclasses.replace(SETTINGS, usd_per_hour=None)
    assert "cannot be held" in refusal(batch, max_usd=1000)


def test_a_resumed_run_asks_for_nothing_else(batch):
    batch.put("a.jsonl", GOOD)
    batch.run(dimensions=64)
    for fields, words in (({"dimensions": 32}, "dimensions is 32"), ({"task": "separation"}, "task is 'separation'")):
        batch.run(f"run-{words[:4]}", resume="run-1", **fields)
        assert batch.end == "Refused"
        assert words in json.loads(batch.read(f"batch/runs/run-{words[:4]}/report.json"))["error"]["message"]


def test_what_the_caller_asks_for_reaches_the_transform_job(batch):
    batch.settings = dataclasses.replace(read_settings(ENVIRONMENT), results=())
    for number in range(5):
        batch.put(f"{number}.jsonl", GOOD)
    report = batch.run(task="retrieval.query", dimensions=32, embedding_type="int8", instances=1)
    assert report["outcome"] == "complete"
    (request,) = batch.service.requests
    assert request["Environment"] == {
        "JINA_V3_DEFAULT_TASK": "retrieval.query",
        "JINA_V3_DEFAULT_DIMENSIONS": "32",
        "JINA_V3_DEFAULT_EMBEDDING_TYPE": "int8",
    }
    assert request["TransformResources"] == {
        "InstanceType": "ml.g6.xlarge",
        "InstanceCount": 1,
        "TransformAmiVersion": "al2-ami-sagemaker-batch-gpu-535",
    }
    assert request["BatchStrategy"] == "MultiRecord"
    assert request["TransformOutput"]["KmsKeyId"] == ENVIRONMENT["JINA_V3_BATCH_KMS_KEY"]
    assert request["Tags"] == [{"Key": "team", "Value": "search"}, {"Key": "jina-v3-batch-run", "Value": "run-1"}]


def test_the_base_weights_are_asked_for_by_null(batch):
    batch.put("a.jsonl", GOOD)
    batch.run(task=None)
    assert batch.service.requests[0]["Environment"]["JINA_V3_DEFAULT_TASK"] == "none"
