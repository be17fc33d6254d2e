"""jina-sagemaker's own client beside ours: the same calls to one service, the same results."""

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.support.loopback_endpoint import REGION, LoopbackEndpoint

from jina_v3_client.integrations import jina_sagemaker as ours

pytest.importorskip("jina_sagemaker", reason="make test-integrations")

import jina_sagemaker as theirs

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/jina-embeddings-v3-0123456789abcdef"
TEXTS = ["sunrise over the harbour", "sunset"]
# a name of theirs stands for the member of each package
CALLS: list[dict[str, Any]] = [
    {"texts": "sunrise over the harbour"},
    {"texts": TEXTS},
    {"texts": TEXTS, "task_type": "RETRIEVAL_QUERY"},
    {"texts": TEXTS, "task_type": "RETRIEVAL_PASSAGE", "dimensions": 256},
    {"texts": TEXTS, "task_type": "TEXT_MATCHING", "dimensions": None},
    {"texts": TEXTS, "task_type": "CLASSIFICATION", "late_chunking": False},
    {"texts": TEXTS, "task_type": "SEPARATION", "dimensions": 1},
    {"texts": TEXTS, "late_chunking": True},
    {"texts": TEXTS, "input_type": "QUERY", "image_urls": None, "use_colbert": False},
]


@pytest.fixture(scope="module")
def service() -> Iterator[LoopbackEndpoint]:
    with LoopbackEndpoint() as service:
        yield service


@pytest.fixture
def clients(service: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", service.url)
    monkeypatch.setattr(theirs.Client, "_does_endpoint_exist", lambda *_: True)  # the service has no control plane
    made = [package.Client(region_name=REGION) for package in (theirs, ours)]
    for client in made:
        client.connect_to_endpoint(endpoint_name="texts", arn=ARN)
    yield made
    for client in made:
        client.close()


def embed(client: Any, call: dict[str, Any]) -> list[dict[str, Any]]:
    package = theirs if isinstance(client, theirs.Client) else ours
    kinds = {"task_type": package.Task, "input_type": package.InputType}
    return client.embed(**{name: kinds[name][value] if name in kinds else value for name, value in call.items()})


def shape(value: Any) -> Any:
    """Say of what types a result is made, all the way down."""
    if isinstance(value, dict):
        return {key: shape(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shape(member) for member in value]
    return type(value).__name__


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_call_gives_what_it_gave(clients: list[Any], call: dict[str, Any]) -> None:
    before, after = (embed(client, call) for client in clients)
    assert shape(after) == shape(before)
    assert [item["usage"]["id"] for item in after] == [item["id"] for item in after]
    assert [item["usage"]["total_tokens"] for item in after] == [item["usage"]["total_tokens"] for item in before]
    vectors = [np.array([item["embedding"] for item in items], np.float32) for items in (before, after)]
    assert np.array_equal(*vectors)


def test_signatures_accept_every_call_that_theirs_accept() -> None:
    for name in ("__init__", "connect_to_endpoint", "embed", "close"):
        old = inspect.signature(getattr(theirs.Client, name)).parameters
        new = inspect.signature(getattr(ours.Client, name)).parameters
        assert list(new)[: len(old)] == list(old)
        for key, parameter in old.items():
            assert new[key].kind == parameter.kind
            if isinstance(parameter.default, theirs.InputType):
                assert new[key].default.value == parameter.default.value
            elif parameter.default is not parameter.empty:
                assert new[key].default == parameter.default


def test_enumerations_have_the_same_members() -> None:
    for name in ("Task", "InputType"):
        old, new = getattr(theirs, name), getattr(ours, name)
        assert {member.name: member.value for member in new} == {member.name: member.value for member in old}


def test_each_of_their_methods_is_there_or_refused_in_words() -> None:
    client = ours.Client()
    public = {name for name, _ in inspect.getmembers(theirs.Client, inspect.isfunction) if not name.startswith("_")}
    here = {"connect_to_endpoint", "embed", "close"}
    assert here < public
    for name in public - here:
        with pytest.raises(ours.ConfigurationError, match=f"{name} is not here; .+"):
            getattr(client, name)("anything", more=1)


def test_their_tasks_are_understood_where_code_still_imports_them(clients: list[Any]) -> None:
    _, client = clients
    asked = [client.embed(TEXTS, task_type=task) for task in (theirs.Task.CLUSTERING, ours.Task.SEPARATION)]
    assert asked[0][0]["embedding"] == asked[1][0]["embedding"]
