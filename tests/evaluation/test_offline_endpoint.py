"""The offline suite through everything that is deployed: client, wire, server, engine."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from evaluation.offline import suite
from evaluation.offline.oracle import Oracle
from evaluation.offline.standin import write_bag_of_words
from evaluation.offline.texts import make_inputs
from tests.support.serving import ServeProcess

from jina_v3_client import EmbeddingClient
from jina_v3_client.transport import HttpRequest, HttpResponse

pytestmark = pytest.mark.slow


class ToTheServer:
    """SageMaker's part: what comes for the endpoint goes to its container."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        assert urlsplit(request.url).path == "/endpoints/texts/invocations"
        passed = {name: request.headers[name] for name in ("content-type", "accept") if name in request.headers}
        answer = self.client.post("/invocations", content=request.body, headers=passed, timeout=timeout_s)
        return HttpResponse(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    def close(self) -> None:
        self.client.close()


def test_the_endpoint_has_the_oracles_vectors_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_bag_of_words(tmp_path / "model")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with ServeProcess(tmp_path) as server:
        transport = ToTheServer(server.wait_until_ready().client())
        with EmbeddingClient("texts", region="eu-west-1", transport=transport) as client:
            results = list(suite.run(client, Oracle(model), make_inputs()))
    assert len(results) == 6
    for one in results:
        assert one.passed, one
