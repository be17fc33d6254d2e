"""The real ``serve`` process with its engines on CUDA."""

import http.client
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from jina_v3.encoder import Encoder

for server_needs in ("httptools", "orjson", "prometheus_client", "pybase64", "uvicorn", "uvloop"):
    pytest.importorskip(server_needs, reason=f"the server needs {server_needs}, which is not installed here")

from tests.support.serving import ServeProcess  # noqa: E402
from tests.support.wire import check_error, from_base64  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
TEXTS = [f"the sun rises over harbour {index}" for index in range(64)]


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    (tmp_path / "model").symlink_to(tiny_model)
    return tmp_path


def ask(port: int, path: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
    response = connection.getresponse()
    return response.status, response.read()


def test_many_clients_get_the_vectors_that_the_cpu_computes(base, tiny_model):
    wanted = Encoder.from_folder(tiny_model, device="cpu").encode(TEXTS, task="text-matching")
    with ServeProcess(base, {"JINA_V3_DEVICE": "auto", "JINA_V3_DTYPE": "float32"}) as server:
        ready = server.wait_until_ready().wait_for_log("ready")
        assert (ready["device"], ready["dtype"]) == ("cuda:0", "float32")
        assert ready["engines"] == torch.cuda.device_count()
        port = server.wait_for_log("listening")["port"]

        def embed(text: str) -> np.ndarray:
            body = {"input": text, "task": "text-matching", "encoding_format": "base64"}
            status, answer = ask(port, "/invocations", body)
            assert status == 200
            return from_base64(json.loads(answer)["data"][0]["embedding"])

        with ThreadPoolExecutor(16) as pool:
            vectors = np.stack(list(pool.map(embed, TEXTS)))
    assert (1 - (vectors * wanted).sum(1)).max() <= 1e-6


def test_an_engine_that_is_killed_makes_ping_fail(base):
    with ServeProcess(base, {"JINA_V3_DEVICE": "cuda:0"}) as server:
        port = server.wait_until_ready().wait_for_log("listening")["port"]
        (engine,) = psutil.Process(server.pid).children()
        os.kill(engine.pid, signal.SIGKILL)
        server.wait_for_log("an engine is gone; /ping is 503 from now on")
        for path, body in (("/ping", None), ("/invocations", {"input": "a"})):
            status, answer = ask(port, path, body)
            assert check_error(answer, status)["code"] == "not_ready"


def test_the_start_says_how_it_computes(base):
    settings = {"JINA_V3_DEVICE": "cuda:0", "JINA_V3_KERNELS": "triton", "JINA_V3_MAX_BATCH_TOKENS": "8192"}
    with ServeProcess(base, settings) as server:
        ready = server.wait_until_ready().wait_for_log("ready")
        table = server.wait_for_log("graphs")
    assert (ready["kernels"], ready["attention"], ready["precision"]) == ("triton", "flash", "bfloat16")
    assert ready["graphs"] == len(table["captured"]) > 0
    assert ready["graphs_bytes"] == table["bytes"] <= ready["memory"]["graph_bytes"]
    assert ready["max_batch_tokens"] == ready["memory"]["max_batch_tokens"] == 8192
    assert ready["overlap"]
    assert ready["tokens_per_s"] > 0
