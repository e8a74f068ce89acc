"""What Keystone's answers become. (Tokens of the real Keystone: tests/integration/test_openstack_identity.py.)"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token

from funcatron.errors import Unavailable
from funcatron.http.security import principal_of
from funcatron.invocation import Principal
from funcatron_openstack.keystone import ask_keystone, describe

TOKEN = "t0ken-of-a-user"
BODY: dict[str, Any] = {
    "methods": ["password"],
    "user": {"id": "u1", "name": "demo", "domain": {"id": "default", "name": "Default"}},
    "project": {"id": "p1", "name": "demo", "domain": {"id": "d1", "name": "D"}},
    "roles": [{"id": "r1", "name": "member"}, {"id": "r2", "name": "reader"}],
    "expires_at": "2030-01-01T00:00:00.000000Z",
    "OS-TRUST:trust": {"id": "t1", "impersonation": True},
}


class Answers:
    """A server of HTTP that says one thing, whatever it is asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.asked: list[tuple[str, str | None, str | None]] = []
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers.asked.append((self.path, self.headers["X-Subject-Token"], self.headers["X-Auth-Token"]))
                self.send_response(answers.status)
                self.send_header("Content-Length", str(len(answers.body)))
                self.end_headers()
                self.wfile.write(answers.body)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.session = Session(Token(f"http://127.0.0.1:{self.server.server_port}/v3", "own-token"), timeout=20)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        self.session.session.close()


@pytest.fixture
def keystone() -> Iterator[Answers]:
    made = Answers()
    try:
        yield made
    finally:
        made.close()


def test_the_service_asks_with_its_own_token(keystone: Answers) -> None:
    keystone.body = json.dumps({"token": BODY}).encode()
    assert ask_keystone(keystone.session, TOKEN) == BODY
    assert keystone.asked == [("/v3/auth/tokens?nocatalog=", TOKEN, "own-token")]


@pytest.mark.parametrize("status", [400, 404, 413, 431])
def test_what_is_no_valid_token(keystone: Answers, status: int) -> None:
    keystone.status = status
    assert ask_keystone(keystone.session, TOKEN) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b""),
        (403, b""),
        (429, b""),
        (500, b""),
        (503, b""),
        (204, b""),
        (200, b"not JSON"),
        (200, b"{}"),
        (200, b'{"token": null}'),
        (200, b"[]"),
    ],
)
def test_what_says_nothing_of_the_token_is_no_refusal(
    keystone: Answers, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    keystone.status, keystone.body = status, body
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable) as caught:
        ask_keystone(keystone.session, TOKEN)
    assert any(record.levelno == logging.ERROR for record in caplog.records)  # somebody has to know
    assert TOKEN not in caplog.text + str(caught.value)


def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    session = Session(Token("http://127.0.0.1:9/v3", "own-token"), timeout=20)
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable):
        ask_keystone(session, TOKEN)
    assert TOKEN not in caplog.text
    assert "own-token" not in caplog.text


def test_a_project_token_as_principal() -> None:
    found = describe(BODY)
    assert found["scope_type"] == "project"
    assert (found["user_name"], found["user_domain_id"], found["project_name"]) == ("demo", "default", "demo")
    assert found["trust_id"] == "t1"
    context = {"user": found["sub"], "token_info": found}
    assert principal_of(context) == Principal(id="u1", project_id="p1", domain_id="d1", roles=("member", "reader"))


@pytest.mark.parametrize(
    ("scope", "kind", "domain"),
    [
        ({"domain": {"id": "d2", "name": "D2"}}, "domain", "d2"),
        ({"system": {"all": True}}, "system", None),
        ({}, None, None),
        ({"project": None, "roles": None}, None, None),
    ],
)
def test_tokens_of_other_scopes_have_no_project(scope: dict[str, Any], kind: str | None, domain: str | None) -> None:
    body = {name: value for name, value in BODY.items() if name != "project"} | scope
    found = describe(body)
    assert (found["scope_type"], found["project_id"], found["domain_id"]) == (kind, None, domain)
    principal = principal_of({"user": found["sub"], "token_info": found})
    assert principal is not None
    assert principal.project_id is None


def test_it_brings_no_more_of_connexion_than_http_does() -> None:
    code = "import sys, funcatron_openstack.keystone; sys.exit('starlette.testclient' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
