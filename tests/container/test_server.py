"""The real ``serve`` process over a real socket."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.support.calling import wait_until
from tests.support.serving import ServeProcess, serve_after
from tests.support.wire import check_error, from_base64, from_float

from jina_v3.serving.load_report import EVERY_S

JSON = {"Content-Type": "application/json"}
GOOD = {"data": [{"text": "the sun rises", "id": "x"}], "parameters": {"dimensions": 8}}
MAX_BODY_BYTES = 3_000_000


def base_with(folder: Path, model: Path, program: str | None = None) -> Path:
    """Make a container's base folder with that model, and that text as ``code/inference.py``."""
    (folder / "model").mkdir(parents=True)
    for file in model.iterdir():
        (folder / "model" / file.name).symlink_to(file)
    if program is not None:
        (folder / "model" / "code").mkdir()
        (folder / "model" / "code" / "inference.py").write_text(program)
    return folder


@pytest.fixture(scope="module")
def server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    base = base_with(tmp_path_factory.mktemp("base"), tiny_model)
    limits = {"JINA_V3_MAX_TEXTS": "64", "JINA_V3_MAX_BODY_BYTES": str(MAX_BODY_BYTES)}
    with ServeProcess(base, limits) as process:
        yield process.wait_until_ready()


@pytest.fixture(scope="module")
def client(server: ServeProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def invoke(client: httpx.Client, body: bytes | str | object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/invocations", content=content, headers=JSON | headers)


def still_serves(client: httpx.Client) -> None:
    response = invoke(client, GOOD)
    assert response.status_code == 200
    assert len(response.json()["data"][0]["embedding"]) == 8


# what works


def test_ping(client):
    response = client.get("/ping")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


def test_each_shape(client):
    sagemaker = invoke(client, GOOD).json()["data"][0]
    assert (sagemaker["id"], sagemaker["usage"]["id"]) == ("x", "x")
    api = invoke(client, {"input": "the sun rises", "task": "text-matching", "dimensions": 8}).json()
    assert api["usage"]["total_tokens"] == sagemaker["usage"]["total_tokens"]
    assert api["data"][0]["embedding"] == sagemaker["embedding"]
    packed = invoke(
        client, {"input": "the sun rises", "task": "text-matching", "dimensions": 8, "encoding_format": "base64"}
    ).json()
    assert from_base64(packed["data"][0]["embedding"]).tobytes() == from_float(sagemaker["embedding"]).tobytes()
    record = '{"text":"the sun rises","task":"text-matching","dimensions":8,"k":"v"}\n{"text":""}\n'
    response = invoke(client, record, Content_Type="application/jsonlines")
    assert response.headers["content-type"] == "application/jsonlines"
    good, bad = map(json.loads, response.text.splitlines())
    assert (good["embedding"], good["k"]) == (sagemaker["embedding"], "v")
    assert bad["error"]["code"] == "empty_text"


def test_a_body_sent_in_chunks(client):
    body = json.dumps(GOOD).encode()
    response = client.post("/invocations", content=iter([body[:9], body[9:]]), headers=JSON)
    assert response.status_code == 200


def test_custom_attributes_and_the_request_id_come_back(client):
    response = invoke(client, GOOD, X_Amzn_SageMaker_Custom_Attributes="trace=1;b=2")
    assert response.headers["X-Amzn-SageMaker-Custom-Attributes"] == "trace=1;b=2"
    response = invoke(client, "{", **{"X-Amzn-RequestId": "abc-1", "X-Amzn-SageMaker-Custom-Attributes": "t"})
    assert check_error(response.content, 400)["request_id"] == "abc-1"
    assert response.headers["X-Amzn-SageMaker-Custom-Attributes"] == "t"


def test_two_requests_at_once_get_their_own_answers(client):
    def dimensions(count: int) -> int:
        body = {"input": f"sun {count}", "dimensions": count}
        return len(invoke(client, body).json()["data"][0]["embedding"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(dimensions, range(1, 33))) == list(range(1, 33))


def test_no_records_no_lines(client):
    response = invoke(client, "\n\n", Content_Type="application/jsonlines")
    assert (response.status_code, response.content) == (200, b"")


def test_a_client_that_goes_away_while_it_sends(server, client):
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0), timeout=30) as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
    still_serves(client)
    server.wait_for_log("request", status=499)


# bad input

DEEP = '{"data":' + "[" * 200_000 + "]" * 200_000 + "}"
BAD = {
    "not JSON": (b"{bad", "not_json", "body"),
    "empty": (b"", "not_json", "body"),
    "not UTF-8": (b'{"data":["\xff"]}', "not_utf8", "body"),
    "deep": (DEEP, "not_json", "body"),
    "deep, yet JSON": ('{"data":' + "[" * 1000 + "]" * 1000 + "}", "wrong_type", "data[0]"),
    "huge number": ('{"input":"a","dimensions":' + "9" * 400 + "}", "not_json", "body"),
    "large number": ('{"input":"a","dimensions":' + "9" * 40 + "}", "wrong_type", "dimensions"),
    "NaN": ('{"input":"a","dimensions":NaN}', "not_json", "body"),
    "null": (b"null", "unknown_shape", "body"),
    "a list": (["a"], "unknown_shape", "body"),
    "wrong types": ({"data": {"text": {}}}, "wrong_type", "data.text"),
    "unknown task": ({"data": ["a"], "parameters": {"task": "x"}}, "unknown_task", "parameters.task"),
    "dimension 0": ({"input": "a", "dimensions": 0}, "invalid_dimensions", "dimensions"),
    "dimension 1025": ({"input": "a", "dimensions": 1025}, "invalid_dimensions", "dimensions"),
    "empty list": ({"data": []}, "empty_input", "data"),
    "empty string": ({"data": [{"text": "a"}, {"text": ""}]}, "empty_text", "data[1].text"),
    "null text": ({"data": [{"text": None}]}, "wrong_type", "data[0].text"),
    "numbers for texts": ({"input": [1, 2]}, "wrong_type", "input[0]"),
    "lone surrogate": (rb'{"data":[{"text":"a\ud800"}]}', "invalid_text", "data[0].text"),
    "too many texts": ({"input": ["a"] * 65}, "too_many_texts", "input"),
    "a 2 MB text": ({"input": ["a", "secret " * 290_000]}, "text_too_long", "input[1]"),
    "unknown field": ({"input": "a", "dimension": 3}, "unknown_field", "dimension"),
    "unknown shape": ({"inptus": ["a"]}, "unknown_shape", "body"),
}
STATUS = {"not_json": 400, "not_utf8": 400, "too_many_texts": 413}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(client, name):
    body, code, field = BAD[name]
    response = invoke(client, body)
    error = check_error(response.content, response.status_code)
    assert (error["code"], error["field"]) == (code, field)
    assert response.status_code == STATUS.get(code, 422)
    assert response.headers["content-type"] == "application/json"
    assert "secret" not in response.text
    still_serves(client)


def test_wrong_content_type_and_accept(server, client):
    response = invoke(client, "a,b", Content_Type="image/png")
    assert "application/jsonlines" in check_error(response.content, 415)["allowed"]
    response = invoke(client, b"x", Content_Encoding="br")
    assert check_error(response.content, 415)["field"] == "Content-Encoding"
    response = invoke(client, GOOD, Accept="image/png")
    assert check_error(response.content, 406)["value"] == "image/png"
    assert (response.status_code, response.headers["content-type"]) == (406, "application/json")
    assert server.wait_for_log("request", status=406)["tokens"] is None  # the model did not run in vain
    still_serves(client)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_too_large(server, chunked):
    body = b'{"data":["' + b"a" * MAX_BODY_BYTES + b'"]}'
    parts = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
    with server.client() as client:
        response = client.post("/invocations", content=parts if chunked else body, headers=JSON)
        error = check_error(response.content, 413)
        assert (error["field"], error["allowed"]) == ("body", f"at most {MAX_BODY_BYTES} bytes")
        assert MAX_BODY_BYTES < error["value"] <= len(body)
        still_serves(client)


def test_a_body_without_end_is_cut_off(server):
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0), timeout=30) as connection:
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head)
        chunk = b"%x\r\n" % 1_000_000 + b" " * 1_000_000 + b"\r\n"
        sent = 0
        with pytest.raises(OSError, match=r"."):  # noqa: PT012
            while sent < 100 * MAX_BODY_BYTES:
                connection.sendall(chunk)
                sent += len(chunk)
    assert sent < 30 * MAX_BODY_BYTES


def test_a_client_that_waits_for_leave_to_send_is_refused_at_once(server):
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0), timeout=30) as connection:
        length = str(MAX_BODY_BYTES + 1).encode()
        head = (
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: " + length + b"\r\n\r\n"
        )
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_unknown_paths_and_methods(client):
    error = check_error(client.get("/nope").content, 404)
    paths = ["/ping", "/invocations", "/execution-parameters", "/metrics"]
    assert (error["field"], error["value"], error["allowed"]) == ("path", "/nope", paths)
    response = client.get("/invocations")
    check_error(response.content, 405)
    assert response.headers["allow"] == "POST"
    check_error(client.post("/ping").content, 405)


def test_texts_are_never_logged(server, client):
    secret = "Xyzzy-secret"
    for body in (
        {"input": secret},
        {"input": [secret, ""]},
        {"data": [{"text": secret}, 5]},
        {"input": [[secret], secret], "late_chunking": True},
        f'{{"{secret}',
    ):
        invoke(client, body)
    still_serves(client)
    line = server.wait_for_log("request")
    assert {"request_id", "status", "ms", "texts", "tokens"} <= set(line)
    assert secret not in json.dumps(server.logs)
    assert server.stderr == b""


# beginning and end

HELD = """
import time
from pathlib import Path
from jina_v3.serving.handler import input_fn, output_fn
from jina_v3.serving.handler import model_fn as load
from jina_v3.serving.handler import predict_fn as ours

def model_fn(model_dir):
    return load(model_dir), Path(model_dir).parent

def predict_fn(data, model):
    encoder, folder = model
    (folder / "begun").touch()
    while not (folder / "may end").exists():
        time.sleep(0.005)
    return ours(data, encoder)
"""


def refuses_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was opened while the port was being closed
        pass
    return False


def test_sigterm_finishes_what_is_in_flight_and_exits_0(tiny_model, tmp_path):
    with ServeProcess(base_with(tmp_path, tiny_model, HELD)) as server, server.wait_until_ready().client() as client:
        port = httpx.URL(server.url).port or 0
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(invoke(client, GOOD)))
        asking.start()
        wait_until((tmp_path / "begun").exists, 60)
        server.terminate()
        wait_until(lambda: refuses_connections(port), 60)
        (tmp_path / "may end").touch()
        asking.join()
        assert server.wait() == 0
        assert [response.status_code for response in answers] == [200]
        assert len(answers[0].json()["data"][0]["embedding"]) == 8


STUCK = """
import time

def model_fn(model_dir):
    time.sleep(3600)
"""


def test_503_until_the_model_is_loaded_and_sigterm_while_it_loads(tiny_model, tmp_path):
    with ServeProcess(base_with(tmp_path, tiny_model, STUCK)) as server, server.client() as client:
        response = client.get("/ping")
        assert check_error(response.content, response.status_code)["code"] == "not_ready"
        assert invoke(client, GOOD).status_code == 503
        server.terminate()
        assert server.wait() == 0


def test_a_failed_load_ends_the_process_with_one_line(tmp_path):
    (tmp_path / "model").mkdir()
    with ServeProcess(tmp_path) as server:
        assert server.wait() == 1
    line = server.wait_for_log("the model could not be loaded")
    assert "config.json" in line["message"]
    assert str(tmp_path / "model") in line["message"]
    assert server.stderr == b""


@pytest.mark.parametrize("environment", [{"JINA_V3_MAX_TEXTS": "many"}, {"JINA_V3_NOPE": "1"}])
def test_an_impossible_setting_stops_the_start(tmp_path, environment):
    with ServeProcess(tmp_path, environment) as server:
        assert server.wait() == 1
    assert next(iter(environment)) in server.wait_for_log("cannot start")["message"]


RAISING = """
def input_fn(body, content_type):
    return body.decode()

def predict_fn(data, model):
    if data != "fine":
        raise KeyError(f"cannot embed {data}")

def output_fn(prediction, accept):
    return "plain", "text/plain"
"""


def test_a_users_handlers_are_honoured_and_their_faults_stay_inside(tiny_model, tmp_path):
    with ServeProcess(base_with(tmp_path, tiny_model, RAISING)) as server, server.wait_until_ready().client() as client:
        response = invoke(client, "Xyzzy-secret", Accept="text/plain", X_Amzn_RequestId="abc-1")
        assert check_error(response.content, 500)["code"] == "internal"
        response = invoke(client, "fine", Accept="text/plain")  # which ours would refuse
        assert (response.text, response.headers["content-type"]) == ("plain", "text/plain")
        line = server.wait_for_log("handler failed")
        assert (line["exception"], line["request_id"]) == ("KeyError", "abc-1")
        assert line["frames"][-1].endswith("inference.py:7:predict_fn")
    for told in (response.text, json.dumps(server.logs)):
        assert "Xyzzy" not in told
        assert "cannot embed" not in told
    assert server.stderr == b""


LOST = """
from jina_v3.serving import handler

class Fake:
    def encode_jobs(self, jobs):
        if jobs[0].texts[0] == "much":
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        raise RuntimeError("CUDA error: unspecified launch failure")

def model_fn(model_dir):
    return Fake()

def predict_fn(data, model):
    if data.jobs[0].texts[0] == "raise":
        return model.encode_jobs(data.jobs)
    return handler.predict_fn(data, model)
"""


@pytest.mark.parametrize("text", ["raise", "pass on"])
def test_a_lost_device_makes_ping_fail_for_good(tiny_model, tmp_path, text):
    with ServeProcess(base_with(tmp_path, tiny_model, LOST)) as server, server.wait_until_ready().client() as client:
        assert check_error(invoke(client, {"input": "much"}).content, 500)["code"] == "internal"
        assert client.get("/ping").status_code == 200  # too much at once is not the end
        for response in (
            invoke(client, {"input": text}),
            invoke(client, {"input": text}),
            client.get("/ping"),
            invoke(client, {"input": "much"}),
        ):
            error = check_error(response.content, 503)
            assert (response.status_code, error["code"]) == (503, "not_ready")
            assert "accelerator has failed" in error["message"]
        server.terminate()
        assert server.wait() == 0
    critical = [line["event"] for line in server.logs if line["level"] == "critical"]
    assert critical == ["an engine is gone; /ping is 503 from now on"]


def test_a_port_that_is_taken(tiny_model, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with ServeProcess(tmp_path, {"SAGEMAKER_BIND_TO_PORT": str(port)}) as server:
            assert server.wait() == 1
        assert str(port) in server.wait_for_log("cannot start")["message"]


def test_a_body_that_does_not_come_is_408(tiny_model, tmp_path):
    with ServeProcess(base_with(tmp_path, tiny_model), {"JINA_V3_BODY_TIMEOUT_S": "0.3"}) as server:
        port = httpx.URL(server.wait_until_ready().url).port or 0
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
            response = b""
            while part := connection.recv(65536):
                response += part
        assert response.startswith(b"HTTP/1.1 408 ")
        check_error(response.partition(b"\r\n\r\n")[2], 408)


@pytest.mark.slow
def test_a_minute_with_requests_ends_with_a_line_of_the_log(tiny_model, tmp_path):
    assert EVERY_S == 60
    half_second = "it.report_load = functools.partial(it.report_load, every_s=0.5)"
    soon = serve_after(f"import functools, jina_v3.serving.server as it; {half_second}")
    with ServeProcess(base_with(tmp_path, tiny_model), command=soon) as server, server.client() as client:
        server.wait_until_ready()
        for _ in range(3):
            assert invoke(client, GOOD).status_code == 200
        wait_until(lambda: sum(line["requests"] for line in server.logged("load")) >= 3)
        lines = server.logged("load")
        assert sum(line["requests"] for line in lines) == 3  # in one such time or in several, but each once
        assert (lines[-1]["queue_requests"], lines[-1]["level"]) == (0, "info")
        assert lines[-1]["queue_wait_p99_ms"] >= 0
