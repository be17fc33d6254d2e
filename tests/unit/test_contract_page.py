"""``docs/contract.md`` says what is built."""

import json
import re
from pathlib import Path

from tests.support.fake_encoder import FakeEncoder
from tests.support.wire import check_described

from jina_v3.config import _VARIABLES, Config
from jina_v3.contract import EMBEDDING_TYPES, LEAST_TOKENS_PER_TEXT, TASKS, ErrorCode
from jina_v3.serving.codecs import read_request, write_response
from jina_v3.serving.exchange import Prediction
from jina_v3.serving.formats.media_types import READ, TEXTS_OFFER

PAGE = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return re.split(r"^#+ ", PAGE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def answer(body: str, content_type: str, attributes: str | None = None) -> str:
    request = read_request(body, content_type, Config(), attributes=attributes)
    prediction = Prediction(request, tuple(FakeEncoder().encode_jobs(request.jobs)))
    return write_response(prediction, None)[0].decode()


def shape_of(value):
    """Names and types, in order, of a JSON value; generated ids and numbers aside."""
    if isinstance(value, dict):
        return [(name, shape_of(item)) for name, item in value.items()]
    if isinstance(value, list):
        return [shape_of(item) for item in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_examples_of_json():
    for title in ("jina-sagemaker", "Jina API", "Hugging Face", "Cohere", "LangChain"):
        examples = re.findall(r"```json\n(.*?)```", section(title), re.DOTALL)
        assert examples
        for request, response in zip(examples[::2], examples[1::2], strict=True):
            assert shape_of(json.loads(answer(request, "application/json"))) == shape_of(json.loads(response)), title


def test_the_example_of_csv():
    (request,) = re.findall(r"```text\n(a,.*?)```", section("CSV"), re.DOTALL)
    (response,) = re.findall(r"```json\n(.*?)```", section("CSV"), re.DOTALL)
    written = json.loads(answer(request, "text/csv", "dimensions=2"))
    assert shape_of(written) == shape_of(json.loads(response))
    assert written["parameters"] == json.loads(response)["parameters"]
    check_described(json.loads(response)["data"][-1]["error"], "line")


def test_the_example_of_custom_attributes():
    (header,) = re.findall(r"such as `(task=.*?)`", section("Parameters"))
    (job,) = read_request("a", "text/plain", Config(), attributes=header).jobs
    assert (job.task, job.dimensions) == ("retrieval.query", 256)


def test_the_example_of_json_lines():
    request, response = re.findall(r"```text\n(\{.*?)```", section("JSON lines"), re.DOTALL)
    written = answer(request, "application/jsonlines")
    for one, two in zip(written.splitlines(), response.splitlines(), strict=True):
        assert shape_of(json.loads(one)) == shape_of(json.loads(two))
    check_described(json.loads(response.splitlines()[-1])["error"], "line")


def test_every_code_stands_with_its_status():
    table = dict.fromkeys(ErrorCode)
    for statuses, codes in re.findall(r"^\| ([0-9, ]+) \| (.*) \|$", section("Errors"), re.MULTILINE):
        for name in re.findall(r"`(\w+)`", codes):
            code = next(code for code in ErrorCode if code.wire_name == name)
            table[code] = str(code.status) in statuses
    assert all(table.values()), table


def test_every_setting_type_form_and_task_is_named():
    rows = re.findall(r"^\| `(\w+)` \| `?([^`|]*?)`? \|", section("Limits and settings"), re.MULTILINE)
    assert [name for name, _ in rows] == list(_VARIABLES)
    stated = dict(rows)
    batch = Config.from_environment({"SAGEMAKER_BATCH": "true"})
    both = f"{Config().limits.max_body_bytes}; {batch.limits.max_body_bytes} in batch"
    assert stated["JINA_V3_MAX_BODY_BYTES"] == both
    assert (
        stated["JINA_V3_REQUEST_TIMEOUT_S"] == f"{Config().request_timeout_s:g}; {batch.request_timeout_s:g} in batch"
    )
    assert stated["JINA_V3_MAX_QUEUE_S"] == f"{Config().max_queue_s:g}; {batch.max_queue_s:g} in batch"
    assert stated["JINA_V3_MAX_TEXTS"] == str(Config().limits.max_texts)
    assert stated["JINA_V3_MAX_TOKENS"] == str(Config().limits.max_tokens_per_text)
    assert f"from {LEAST_TOKENS_PER_TEXT} to {Config().limits.max_tokens_per_text}" in section("Limits and settings")
    assert stated["JINA_V3_BODY_TIMEOUT_S"] == f"{Config().body_timeout_s:g}"
    for name in (*READ, *TEXTS_OFFER, *EMBEDDING_TYPES, *TASKS):
        assert f"`{name}`" in PAGE
