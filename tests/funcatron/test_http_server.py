"""The door behind a real server in another process."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.served import uvicorn

APP = """
import asyncio, tempfile
from funcatron.testing import application

async def slow(n):
    for i in range(n):
        yield f"{i}\\n"
        await asyncio.sleep(0.01)

def echo(body, x_name=None):
    return {"body": body, "name": x_name}, 200, {"X-Name": x_name or ""}

async def broken():
    yield "first"
    raise ValueError("in the middle")

TEXT = {"responses": {"200": {"description": "", "content": {"text/plain": {}}}}}
BODY = {"content": {"application/json": {"schema": {"type": "object"}}}}
app = application({
    "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
    "paths": {
        "/slow": {"get": {"operationId": "slow", **TEXT, "parameters": [
            {"name": "n", "in": "query", "schema": {"type": "integer"}}]}},
        "/broken": {"get": {"operationId": "broken", **TEXT}},
        "/echo": {"post": {"operationId": "echo", "requestBody": BODY, "responses": {"200": {"description": ""}},
                           "parameters": [{"name": "X-Name", "in": "header", "schema": {"type": "string"}}]}},
        "/later": {"post": {"operationId": "later", "x-funcatron": {"mode": "async"},
                            "responses": {"200": {"description": ""}}}},
    },
}, handlers={"slow": slow, "echo": echo, "later": lambda: None, "broken": broken}, max_body=1000)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[int]:
    """The port of a server, whose log is looked at afterwards."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    with uvicorn(folder, "served_app", APP, port, quiet=False):
        yield port
    text = (folder / "log").read_text()
    assert "in the middle" in text
    assert text.count("Traceback") == 1, text


@pytest.fixture
def connection(server: int) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection("127.0.0.1", server, timeout=20)
    yield made
    made.close()


def test_a_chunked_body_is_read(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/echo", iter([b'{"a"', b": 1}"]), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["body"]) == (200, {"a": 1})


def test_a_connection_serves_many_requests(connection: http.client.HTTPConnection) -> None:
    for number in range(3):
        connection.request("POST", "/echo", json.dumps({"n": number}), {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["body"] == {"n": number}


def test_header_values_come_and_go_as_utf_8_or_latin_1(connection: http.client.HTTPConnection) -> None:
    for sent, back in (("é".encode("latin-1"), "é".encode("latin-1")), ("☃".encode(), "☃".encode())):
        connection.request("POST", "/echo", b"{}", {"X-Name": sent, "Content-Type": "application/json"})
        answer = connection.getresponse()
        assert json.loads(answer.read())["name"] == back.decode("latin-1" if back == b"\xe9" else "utf-8")
        assert (answer.headers["x-name"] or "").encode("latin-1") == back


def test_a_stream_arrives_in_pieces(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/slow?n=3")
    answer = connection.getresponse()
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.read() == b"0\n1\n2\n"


def test_a_stream_that_breaks_is_broken_for_the_client_too(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/broken")
    answer = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()


@pytest.mark.parametrize("path", ["/echo", "/slow?n=1", "/nowhere"])
def test_head_and_its_length(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("HEAD", path)
    answer = connection.getresponse()
    assert answer.read() == b""
    assert answer.status == {"/echo": 405, "/slow?n=1": 200, "/nowhere": 404}[path]
    connection.request("GET", "/_funcatron/health/live")
    assert connection.getresponse().read() == b'{"status":"ok"}'


@pytest.mark.parametrize("length", [{"Content-Length": "2000"}, {}])
def test_a_body_beyond_the_limit_is_refused(connection: http.client.HTTPConnection, length: dict[str, str]) -> None:
    connection.request(
        "POST", "/echo", iter([b"x" * 1000, b"x" * 1000]), {"Content-Type": "application/json", **length}
    )
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["limit"]) == (413, 1000)


def test_a_client_that_waits_and_goes_away_leaves_no_trace(server: int) -> None:
    with socket.create_connection(("127.0.0.1", server), 20) as raw:
        raw.sendall(b"POST /later HTTP/1.1\r\nHost: x\r\nPrefer: wait=30\r\nContent-Length: 0\r\n\r\n")
    with socket.create_connection(("127.0.0.1", server), 20) as raw:
        raw.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
    connection = http.client.HTTPConnection("127.0.0.1", server, timeout=20)
    connection.request("GET", "/_funcatron/executions")
    assert json.loads(connection.getresponse().read())["executions"][0]["function"] == "later"
    connection.close()


def test_who_follows_is_let_go_when_the_server_stops(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Nothing runs what is called later, so that who follows it would wait for ever."""
    port = free_port()
    with uvicorn(tmp_path, "served_app", APP, port) as process:
        follows, asks = (http.client.HTTPConnection("127.0.0.1", port, timeout=50) for _ in range(2))
        asks.request("POST", "/later")
        answer = asks.getresponse()
        location = answer.headers["location"]
        answer.read()
        follows.request("GET", location + "/events")
        followed = follows.getresponse()
        assert followed.readline() == b"retry: 1000\n"
        process.send_signal(signal.SIGINT)
        assert b"event: end" not in followed.read()
        follows.close()
        asks.close()
        process.wait(60)
