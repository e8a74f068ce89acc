"""Deliveries to a real server on the loopback, their signatures judged by others' code."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import trustme
from standardwebhooks.webhooks import Webhook

from funcatron import callbacks
from funcatron.callbacks import deliverer, is_public, resolve, without_password
from funcatron.errors import Problem, Retry, SettingsError
from funcatron.invocation import Context, Invocation
from funcatron.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the example of the Standard Webhooks specification
LOCAL = Settings(callback_allow_private=True)
SIGNED = Settings(callback_allow_private=True, callback_secret=SECRET)


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    content: bytes


@dataclass
class Receiver:
    """A server that keeps what it gets and answers as it is told."""

    port: int
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    megabytes: int = 0
    written: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=1"


@pytest.fixture
def receiver(free_port: Callable[[], int]) -> Iterator[Receiver]:
    told = Receiver(free_port())

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.received.append(Received(self.command, self.path, headers, content))
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                while told.written < told.megabytes:
                    self.wfile.write(b"x" * 2**20)
                    told.written += 1
            except OSError:
                pass
            told.over.set()

        do_POST = do_PUT = answer

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", told.port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


class Door:
    """A TLS server for one name, which answers 204; ``asked`` has the server names that clients sent."""

    def __init__(self, port: int, authority: trustme.CA, name: str) -> None:
        self.asked: list[str | None] = []
        self.received: list[bytes] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        context.sni_callback = lambda _, asked, __: self.asked.append(asked)
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listening.accept()
                with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
                    request = b""
                    while not request.endswith(b"}"):
                        request += connection.recv(65_536) or b"}"
                    self.received.append(request)
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of hook.example is on the loopback."""
    real = socket.getaddrinfo

    def found(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith("hook.example") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(free_port: Callable[[], int], authority: trustme.CA) -> Iterator[tuple[int, Door]]:
    port = free_port()
    door = Door(port, authority, "hook.example")
    yield port, door
    door.close()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls_is_for_the_name_though_an_address_is_called(
    names: None, authority: trustme.CA, tls_server: tuple[int, Door]
) -> None:
    port, door = tls_server
    deliver(LOCAL, f"https://hook.example:{port}/x", tls=lambda: trusting(authority))
    assert door.asked == ["hook.example"]
    assert f"\r\nHost: hook.example:{port}\r\n".encode() in door.received[0]


@pytest.mark.parametrize("host", ["other.hook.example", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(
    names: None, authority: trustme.CA, tls_server: tuple[int, Door], host: str
) -> None:
    port, door = tls_server
    with pytest.raises(Retry, match="CERTIFICATE_VERIFY_FAILED"):
        deliver(LOCAL, f"https://{host}:{port}/", tls=lambda: trusting(authority))
    assert door.received == []


def test_a_certificate_of_nobody_we_know_is_refused(names: None, tls_server: tuple[int, Door]) -> None:
    port, door = tls_server
    with pytest.raises(Retry, match="CERTIFICATE_VERIFY_FAILED"):
        deliver(LOCAL, f"https://hook.example:{port}/")
    assert door.received == []


def test_a_receiver_that_says_nothing_is_tried_again(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "TIMEOUT", httpx.Timeout(0.1))
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(Retry, match="ReadTimeout"):
        deliver(LOCAL, f"http://127.0.0.1:{port}/")


def test_headers_without_an_end_are_tried_again(receiver: Receiver) -> None:
    receiver.headers = {f"X-{n}": "y" * 1000 for n in range(200)}
    with pytest.raises(Retry, match="RemoteProtocolError"):
        deliver(LOCAL, receiver.url)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_that_drips_is_given_up(
    names: None, authority: trustme.CA, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(callbacks, "WHOLE", 0.3)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hook.example").configure_cert(context)
    given_up = threading.Event()

    def drip(listening: socket.socket) -> None:
        plain, _ = listening.accept()
        with (
            contextlib.suppress(OSError),
            plain if scheme == "http" else context.wrap_socket(plain, True) as connection,
        ):
            connection.sendall(b"HTTP/1.1 204 No Content\r\n")
            while not given_up.wait(0.02):
                connection.sendall(b"X: y\r\n")

    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as listening:
        dripping = threading.Thread(target=drip, args=(listening,))
        dripping.start()
        try:
            with pytest.raises(Retry, match=r"no answer within 0\.3 s"):
                deliver(LOCAL, f"{scheme}://hook.example:{port}/", tls=lambda: trusting(authority))
        finally:
            given_up.set()
            dripping.join()


def deliver(settings: Settings, url: str, tls: Callable[[], ssl.SSLContext] | None = None, **members: Any) -> None:
    body = {"url": url, "method": "post", "content_type": "application/json", "body": '{"ü":1}', **members}
    invocation = Invocation(id="exec-1", function="funcatron.callbacks.deliver", trigger="event", arguments={})
    deliverer(settings, tls)(body=body, context=Context(invocation, logging.getLogger("test")))


def test_a_result_is_posted(receiver: Receiver) -> None:
    deliver(LOCAL, receiver.url, execution="e-1", function="shop.größe", state="succeeded")
    (got,) = receiver.received
    assert (got.method, got.path, got.content) == ("POST", "/hook?a=1", '{"ü":1}'.encode())
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == "exec-1"
    assert got.headers["x-funcatron-execution"] == "e-1"
    assert got.headers["x-funcatron-function"] == "shop.gr%C3%B6%C3%9Fe"
    assert got.headers["x-funcatron-state"] == "succeeded"
    assert "webhook-signature" not in got.headers


def test_bytes_arrive_as_they_are(receiver: Receiver) -> None:
    deliver(SIGNED, receiver.url, method="put", content_type="image/png", body="", base64="AP8=")
    (got,) = receiver.received
    assert (got.method, got.headers["content-type"], got.content) == ("PUT", "image/png", b"\x00\xff")


def test_others_accept_the_signature(receiver: Receiver) -> None:
    deliver(SIGNED, receiver.url)
    (got,) = receiver.received
    assert Webhook(SECRET).verify(got.content, got.headers) == {"ü": 1}

    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = b".".join([got.headers["webhook-id"].encode(), got.headers["webhook-timestamp"].encode(), got.content])
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize("secret", ["whsec_!", "whsec_", "ü", "no base64"])
def test_a_secret_that_cannot_sign_is_refused_at_start(secret: str) -> None:
    with pytest.raises(SettingsError, match="whsec_"):
        deliverer(Settings(callback_secret=secret))


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_what_is_not_taken_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(Retry, match=f"answered {status}") as retry:
        deliver(LOCAL, receiver.url)
    assert retry.value.after is None


@pytest.mark.parametrize(
    ("asked", "after"), [("7", 7.0), ("99999999999", 86_400.0), ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("²", None)]
)
def test_the_receiver_says_when(receiver: Receiver, asked: str, after: float | None) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": asked}
    with pytest.raises(Retry) as retry:
        deliver(LOCAL, receiver.url)
    assert retry.value.after == after


def test_gone_is_final(receiver: Receiver) -> None:
    receiver.status = 410
    with pytest.raises(Problem, match="410 Gone") as problem:
        deliver(LOCAL, receiver.url)
    assert problem.value.status == 410


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.headers = status, {"Location": f"http://127.0.0.1:{receiver.port}/other"}
    with pytest.raises(Problem, match="redirects are not followed") as problem:
        deliver(LOCAL, receiver.url)
    assert problem.value.status == 422
    assert len(receiver.received) == 1


def test_what_the_receiver_answers_is_not_read(receiver: Receiver) -> None:
    receiver.status, receiver.megabytes = 200, 100
    deliver(LOCAL, receiver.url)
    assert receiver.over.wait(10)
    assert receiver.written < 100


def test_nobody_there_is_tried_again(free_port: Callable[[], int]) -> None:
    with pytest.raises(Retry, match="ConnectError"):
        deliver(LOCAL, f"http://user:secret@127.0.0.1:{free_port()}/")


def test_messages_show_no_password(receiver: Receiver) -> None:
    receiver.status = 500
    with pytest.raises(Retry) as retry:
        deliver(LOCAL, f"http://user:secret@127.0.0.1:{receiver.port}/x@y")
    assert str(retry.value) == f"http://127.0.0.1:{receiver.port}/x@y answered 500"
    assert receiver.received[0].headers["authorization"].startswith("Basic ")
    assert without_password("nonsense") == "nonsense"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0"])
def test_private_addresses_are_refused(receiver: Receiver, host: str) -> None:
    with pytest.raises(Problem, match="not a public address") as problem:
        deliver(Settings(), f"http://{host}:{receiver.port}/")
    assert problem.value.status == 422
    assert receiver.received == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::7f00:1", False),
        ("::ffff:0:7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("2001:0:7f00:1::", False),
        ("fec0::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
        ("2002:808:808::", True),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "//example.org",
        "nonsense",
        "",
        "http://",
        "http://h:99999/",
        "http://[::1/",
        "http://127.0.0.1:80\x00/",
        "gopher://u:secret@h",
    ],
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(Problem, match="Callback refused") as problem:
        resolve(url, allow_private=True)
    assert problem.value.status == 422
    assert "secret" not in str(problem.value)


def test_a_name_that_does_not_resolve_is_tried_again() -> None:
    with pytest.raises(Retry, match="does not resolve"):
        resolve("http://funcatron.invalid/", allow_private=True)


def test_a_name_is_resolved_once_and_that_address_is_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second answer of the DNS (rebinding) is never asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def names(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "rebind.example":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "127.0.0.9"
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", names)
    deliver(LOCAL, f"http://rebind.example:{receiver.port}/hook")
    assert asked == ["rebind.example"]
    assert receiver.received[0].headers["host"] == f"rebind.example:{receiver.port}"


def test_of_several_addresses_a_public_one_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def names(*args: Any, **kwargs: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 80)) for address in ("10.0.0.1", "8.8.8.8", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", names)
    assert resolve("http://example.org/", allow_private=False) == "8.8.8.8"
    assert resolve("http://example.org/", allow_private=True) == "10.0.0.1"


@pytest.mark.parametrize("host", ["example.com", "evil.example.org", "localhost.example.com"])
def test_where_hosts_are_named_no_other_name_is_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("looked up"))
    with pytest.raises(Problem, match="callback_hosts"):
        resolve(f"http://{host}/", allow_private=True, hosts=("localhost", "*.example.net"))


def test_a_named_host_is_looked_up() -> None:
    assert resolve("http://LOCALHOST:1/", allow_private=True, hosts=("localhost",)) in ("127.0.0.1", "::1")
