from __future__ import annotations

import time

import pytest

from funcatron.errors import InvalidInput, Violation
from funcatron.redact import is_credential, public_headers, redact, redact_record, redact_text
from funcatron.settings import Settings

NAMES = Settings().redact


@pytest.mark.parametrize(
    "header",
    [
        "Authorization",
        "proxy-authorization",
        "X-Auth-Token",
        "x-service-token",
        "X-Subject-Token",
        "X-Amz-Security-Token",
        "Cookie",
        "Set-Cookie",
        "X-API-Key",
        "apikey",
        "X-Client-Secret",
    ],
)
def test_credentials_are_left_out_of_headers(header: str) -> None:
    assert is_credential(header)
    assert public_headers({header: "s3cret", "X-Count": "1", "Idempotency-Key": "k"}) == {
        "x-count": "1",
        "idempotency-key": "k",
    }


def test_members_are_masked_by_name_at_any_depth() -> None:
    value = {
        "Password": "a",
        "user": {"api_key": ["b"], "api-key": 1, "apiKey": 1, "name": "c", "tokens": None},
        "list": [{"client_secret": {"d": 1}}, ["e"], ({"passwd": 1},)],
        "n": 1,
    }
    assert redact(value, NAMES) == {
        "Password": "***",
        "user": {"api_key": "***", "api-key": "***", "apiKey": "***", "name": "c", "tokens": "***"},
        "list": [{"client_secret": "***"}, ["e"], [{"passwd": "***"}]],
        "n": 1,
    }
    assert value["Password"] == "a"


def test_what_a_problem_quotes_is_masked() -> None:
    violations = [
        Violation("/body/password", 'must have at least 12 characters, not 7: "hunter2"'),
        Violation("/query/apiKey", 'must match ^x, not "hunter2"'),
        Violation("/body/n", 'must be an integer, not "text"'),
    ]
    problem = InvalidInput(violations).to_json()
    record = {"id": "1", "input": {"password": "hunter2"}, "result": problem, "problem": problem, "state": "failed"}
    shown = redact_record(record, NAMES)
    assert "hunter2" not in str(shown)
    assert shown["problem"] == shown["result"]
    assert shown["problem"]["errors"] == [
        {"pointer": "/body/password", "message": "***"},
        {"pointer": "/query/apiKey", "message": "***"},
        {"pointer": "/body/n", "message": 'must be an integer, not "text"'},
    ]
    assert shown["problem"]["detail"] == (
        '/body/password: ***; /query/apiKey: ***; /body/n: must be an integer, not "text"'
    )
    assert (shown["id"], shown["state"]) == ("1", "failed")


@pytest.mark.parametrize(
    "value",
    [
        {"pointer": "/password", "message": 5},
        {"pointer": 5, "message": "a"},
        {"errors": [1, None, {}], "detail": "a"},
        {"errors": "a", "detail": "b"},
    ],
)
def test_what_only_looks_like_a_problem_is_left_alone(value: dict[str, object]) -> None:
    assert redact(value, NAMES) == value


def test_names_are_no_patterns() -> None:
    assert redact({"a.b": 1, "axb": 2}, ["a.b"]) == {"a.b": "***", "axb": 2}


def test_without_names_nothing_is_masked() -> None:
    value = {"password": "a"}
    assert redact(value, []) is value
    assert redact_text("password=a", []) == "password=a"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2", "password=***"),
        ("PASSWORD = hunter2, next", "PASSWORD = ***, next"),
        ("db_password_old: hunter2", "db_password_old: ***"),
        ('{"password": "my secret phrase", "a": 1}', '{"password": ***, "a": 1}'),
        ("{'password': 'it\\'s me', 'a': 1}", "{'password': ***, 'a': 1}"),
        ('{"password": "a\\"b c"}', '{"password": ***}'),
        ("{'token': b'gAAAA', 'a': 1}", "{'token': ***, 'a': 1}"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("Authorization: Basic dTpw==; x", "Authorization: ***; x"),
        ("Authorization: Token abc", "Authorization: ***"),
        ("X-Auth-Token: gAAAA-_x", "X-Auth-Token: ***"),
        ("X-Api-Key: abc", "X-Api-Key: ***"),
        ("GET /?api_key=abc&x=1 200", "GET /?api_key=***&x=1 200"),
        ("password='unclosed and more", "password=*** and more"),
        ("the password is not shown here", "the password is not shown here"),
        ("amqp://guest:guest@localhost:5672//", "amqp://guest:***@localhost:5672//"),
        ("redis://:p4ss@host/0 and http://host:80/a@b", "redis://:***@host/0 and http://host:80/a@b"),
        ("nothing", "nothing"),
        ("", ""),
    ],
)
def test_assignments_in_messages_are_masked(text: str, shown: str) -> None:
    assert redact_text(text, NAMES) == shown


@pytest.mark.parametrize(
    "text", ["a" * 8192, "token" * 1600, "token=" * 1300, "password=" + '"' * 8000, "://a:" * 1600, "secret " * 1100]
)
def test_no_message_takes_long(text: str) -> None:
    started = time.thread_time()
    redact_text(text, NAMES)
    assert time.thread_time() - started < 1.0
