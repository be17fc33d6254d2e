"""Both transports against a server that misbehaves: the right error in bounded time, and the next request works."""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.misbehaving_server import (
    GOOD,
    Behaviour,
    MisbehavingServer,
    answer,
    chunked,
    deaf,
    raw,
    refusing_early,
    silent,
    trickling,
    tunnel,
    whole,
)

from jina_v3_client.transport import HttpRequest, HttpResponse, TransportError
from jina_v3_client.transport.httpx import HttpxTransport
from jina_v3_client.transport.urllib3 import Urllib3Transport

pytestmark = pytest.mark.timeout(150)  # what is not bounded never ends here
_SHORT_S = 0.1
_LONG_S = 60.0  # for connecting too, which a busy machine may take its time for

Send = Callable[..., HttpResponse]


KINDS = ["urllib3", "httpx"]


@contextmanager
def _sending(kind: str, connect_s: float) -> Iterator[Send]:
    if kind == "urllib3":
        with Urllib3Transport(connect_s=connect_s) as transport:
            yield lambda url, body=b"{}", timeout_s=_LONG_S, **headers: transport.send(
                _request(url, body, headers), timeout_s=timeout_s
            )
        return
    with asyncio.Runner() as runner:
        asynchronous = HttpxTransport(connect_s=connect_s)
        yield lambda url, body=b"{}", timeout_s=_LONG_S, **headers: runner.run(
            asynchronous.send(_request(url, body, headers), timeout_s=timeout_s)
        )
        runner.run(asynchronous.aclose())


@pytest.fixture(params=KINDS)
def send(request: pytest.FixtureRequest) -> Iterator[Send]:
    """Sends with one transport of each kind, over the same connections all through a test."""
    with _sending(request.param, _LONG_S) as sending:
        yield sending


def _request(url: str, body: bytes, headers: dict[str, str]) -> HttpRequest:
    return HttpRequest(method="POST", url=f"{url}/endpoints/e/invocations", headers=headers, body=body)


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as running:
        yield running


_GARBAGE = b"\x16\x03\x01 this is no answer\r\n\r\n"
_BROKEN = {
    "cut in the middle": raw(answer(length=len(GOOD) + 40)),
    "closed without a word": raw(b""),
    "cut in the headers": raw(answer()[:25]),
    "no length, and closed": raw(b"HTTP/1.1 200 OK\r\n\r\n" + GOOD),
    "a status line of garbage": raw(_GARBAGE),
    "a length that is no number": raw(answer(length="many")),
    "two lengths": raw(answer(GOOD, "Content-Length: 3")),
    "chunks without their end": chunked(b'{"data"', ended=False),
    "cut within a chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"),
    "a chunk's size of garbage": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"),
}
_TOO_SLOW = {
    "silence": silent(),
    "a body that trickles": trickling(answer(b"", length=10**6), b"x"),
    "headers that trickle": trickling(b"HTTP/1.1 200 OK\r\n", b"x"),
    "chunks that trickle": trickling(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a length that is too great": trickling(answer(length=len(GOOD) + 40), b""),
}


@pytest.mark.parametrize("behaviour", _BROKEN.values(), ids=_BROKEN)
def test_an_answer_that_is_not_whole_is_broken(send: Send, server: MisbehavingServer, behaviour: Behaviour) -> None:
    server.then(behaviour)
    with pytest.raises(TransportError) as failed:
        send(server.url)
    assert failed.value.kind == "broken"
    assert send(server.url).body == GOOD


@pytest.mark.parametrize("behaviour", _TOO_SLOW.values(), ids=_TOO_SLOW)
def test_an_answer_that_takes_too_long_ends_at_its_time_out(
    send: Send, server: MisbehavingServer, behaviour: Behaviour
) -> None:
    server.then(whole(), behaviour)
    assert send(server.url).body == GOOD
    with pytest.raises(TransportError, match="no whole answer within") as failed:
        send(server.url, timeout_s=_SHORT_S)
    assert failed.value.kind == "timeout"
    assert send(server.url).body == GOOD


def test_a_server_that_does_not_read_ends_at_the_time_out(send: Send, server: MisbehavingServer) -> None:
    server.then(whole(), deaf())
    send(server.url)
    with pytest.raises(TransportError) as failed:
        send(server.url, body=bytes(20_000_000), timeout_s=_SHORT_S)
    assert failed.value.kind == "timeout"
    assert send(server.url).body == GOOD


def test_a_connection_is_kept_and_used_again(send: Send, server: MisbehavingServer) -> None:
    for _ in range(3):
        send(server.url)
    assert server.connections == 1
    server.then(chunked(b"one, ", b"two"))
    assert send(server.url).body == b"one, two"
    send(server.url)
    assert server.connections == 1


def test_a_kept_connection_that_the_server_closed_is_not_used_again(send: Send, server: MisbehavingServer) -> None:
    server.then(raw(answer()))  # it does not say that it will close
    assert send(server.url).body == GOOD
    _wait_for(lambda: not server.open_connections)
    assert send(server.url).body == GOOD
    assert server.connections == 2


def test_what_comes_after_an_answer_is_no_part_of_the_next_one(send: Send, server: MisbehavingServer) -> None:
    server.then(raw(answer(b"short") + b"and more", keeps=True))
    assert send(server.url).body == b"short"
    with suppress(TransportError):  # httpx has read it already, and takes it for the next one's beginning
        assert send(server.url).body == GOOD
    assert send(server.url).body == GOOD


def test_an_early_refusal_is_the_answer(send: Send, server: MisbehavingServer) -> None:
    server.then(refusing_early())
    assert send(server.url, body=bytes(3_000_000)).status == 413
    assert send(server.url).body == GOOD


def test_a_refused_connection_is_said_to_be_one(send: Send) -> None:
    with socket.socket() as deaf_one:  # nobody else gets the port, and nobody listens at it
        deaf_one.bind(("127.0.0.1", 0))
        port = deaf_one.getsockname()[1]
        with pytest.raises(TransportError, match=f"no connection to 127.0.0.1:{port}") as failed:
            send(f"http://127.0.0.1:{port}")
    assert failed.value.kind == "connect"


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_that_nobody_accepts_ends_by_the_time_for_connecting(kind: str) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        with _sending(kind, _SHORT_S) as send, pytest.raises(TransportError) as failed:
            send(f"http://127.0.0.1:{address[1]}")
        assert failed.value.kind == "connect"
        for each in waiting:
            each.close()


def test_all_addresses_of_a_host_share_the_time_for_connecting(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(server.url.rpartition(":")[2])
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        addresses = [full.getsockname()] * 200
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in addresses],
        )
        with Urllib3Transport(connect_s=2 * _SHORT_S) as transport:  # httpx tries them side by side
            with pytest.raises(TransportError, match="TimeoutError") as failed:
                transport.send(_request("http://dead.localhost", b"", {}), timeout_s=60)
            assert failed.value.kind == "connect"
            addresses[2:] = [("127.0.0.1", port)]
            assert transport.send(_request("http://half.localhost", b"", {}), timeout_s=60).body == GOOD
        for each in waiting:
            each.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_that_has_rested_too_long_is_not_used_again(server: MisbehavingServer, kind: str) -> None:
    async def ask_twice() -> None:
        async with HttpxTransport(idle_s=0) as transport:
            for _ in range(2):
                await transport.send(_request(server.url, b"", {}), timeout_s=_LONG_S)
                await asyncio.sleep(0.01)

    if kind == "urllib3":
        with Urllib3Transport(idle_s=0) as transport:
            for _ in range(2):
                transport.send(_request(server.url, b"", {}), timeout_s=_LONG_S)
    else:
        asyncio.run(ask_twice())
    assert server.connections == 2


def test_the_request_arrives_as_it_was_signed(send: Send, server: MisbehavingServer) -> None:
    send(server.url, b"\x00\xff", host="signed.example", authorization="AWS4-HMAC-SHA256 Credential=A", accept="a")
    (asked,) = server.asked
    assert asked.line == "POST /endpoints/e/invocations HTTP/1.1"
    assert asked.body == b"\x00\xff"
    assert asked.headers["host"] == "signed.example"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["content-length"] == "2"
    assert "transfer-encoding" not in asked.headers


def test_every_status_is_an_answer_and_none_is_followed(send: Send, server: MisbehavingServer) -> None:
    server.then(whole(b"", f"Location: {server.url}/elsewhere", status="307 Elsewhere"))
    moved = send(server.url)
    assert (moved.status, moved.headers["location"]) == (307, f"{server.url}/elsewhere")
    server.then(whole(b"{}", "X-Amzn-ErrorType: ModelError", status="424 Failed Dependency"))
    failed = send(server.url)
    assert (failed.status, failed.headers["x-amzn-errortype"], failed.body) == (424, "ModelError", b"{}")
    assert len(server.asked) == 2


def test_many_threads_share_a_transport(server: MisbehavingServer) -> None:
    server.then(*(whole(b"%d" % number) for number in range(64)))
    with Urllib3Transport(connections=4) as transport, ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda number: transport.send(_request(server.url, b"%d" % number, {}), timeout_s=_LONG_S).body, range(64)
        )
        assert sorted(map(int, answers)) == list(range(64))
    assert sorted(int(asked.body) for asked in server.asked) == list(range(64))


def test_many_tasks_share_a_transport_and_a_cancelled_one_harms_none(server: MisbehavingServer) -> None:
    async def ask_many() -> list[HttpResponse]:
        async with HttpxTransport() as transport:
            server.then(silent())
            lost = asyncio.create_task(transport.send(_request(server.url, b"", {}), timeout_s=_LONG_S))
            while not server.asked:
                await asyncio.sleep(0.01)
            lost.cancel()
            with pytest.raises(asyncio.CancelledError):
                await lost
            return await asyncio.gather(
                *(transport.send(_request(server.url, b"", {}), timeout_s=_LONG_S) for _ in range(32))
            )

    assert {answered.body for answered in asyncio.run(ask_many())} == {GOOD}


def test_the_proxy_of_the_environment_is_asked_and_its_password_stays_in_no_error(
    send: Send, server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server.url.rpartition(":")[2]
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://user:hidden-word@localhost:{port}")
    assert send("http://runtime.example").body == GOOD
    assert server.asked[0].line == "POST http://runtime.example/endpoints/e/invocations HTTP/1.1"
    assert server.asked[0].headers["proxy-authorization"].startswith("Basic ")
    server.__exit__()
    with pytest.raises(TransportError) as failed:
        send("http://runtime.example")
    assert "hidden-word" not in repr(failed.value) + str(failed.value)


def test_a_proxy_that_does_not_answer_is_not_taken_for_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Urllib3Transport() as transport, pytest.raises(TransportError, match=r"runtime.example, by its proxy: "):
        transport.send(_request("http://runtime.example", b"", {}), timeout_s=5)


def _wait_for(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    while not condition():
        pause.wait(0.01)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that signs itself, and its key, in one file."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[MisbehavingServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with MisbehavingServer(context) as running:
        yield running


def test_a_server_is_trusted_by_the_bundle_that_is_named(
    send: Send, tls_server: MisbehavingServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    tls_server.then(whole(), trickling(answer(b"", length=10**6), b"x"))
    assert send(tls_server.url).body == GOOD
    with pytest.raises(TransportError) as failed:
        send(tls_server.url, timeout_s=_SHORT_S)
    assert failed.value.kind == "timeout"
    assert send(tls_server.url, body=bytes(3_000_000)).body == GOOD
    assert len(tls_server.asked[-1].body) == 3_000_000


def test_tls_goes_through_a_proxy_that_sees_nothing_of_it(
    send: Send,
    server: MisbehavingServer,
    tls_server: MisbehavingServer,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, server.url)
    server.then(tunnel(int(tls_server.url.rpartition(":")[2])))
    tls_server.then(whole(), trickling(answer(b"", length=10**6), b"x"))
    assert send(tls_server.url, authorization="AWS4-HMAC-SHA256").body == GOOD
    with pytest.raises(TransportError) as failed:
        send(tls_server.url, timeout_s=_SHORT_S)
    assert failed.value.kind == "timeout"
    assert server.asked[0].line.startswith("CONNECT localhost:")
    assert "authorization" not in server.asked[0].headers
    assert tls_server.asked[0].headers["authorization"] == "AWS4-HMAC-SHA256"


def test_a_server_that_nobody_vouches_for_gets_nothing(send: Send, tls_server: MisbehavingServer) -> None:
    with pytest.raises(TransportError, match=re.compile("certificate|CERTIFICATE")) as failed:
        send(tls_server.url)
    assert failed.value.kind == "connect"
    assert not tls_server.asked
