"""What follows an end: callbacks, each an execution of its own, once."""

from __future__ import annotations

import base64
import time
from typing import Any

import msgspec
import pytest

from funcatron.codec import encode_input
from funcatron.endings import DELIVER, Endings, record_of_sync_call, stored_result
from funcatron.errors import Problem
from funcatron.event import CloudEvent
from funcatron.execution import Execution, StoredResult, new_id
from funcatron.failures import refusal
from funcatron.invocation import Invocation, Principal, Result
from funcatron.registry import Registry, build_registry
from funcatron.spec.document import load
from funcatron.store.memory import MemoryStore
from funcatron.streams import Stream
from funcatron.testing.inline import InlineDispatcher
from tests.funcatron.functions import document, json_body, make, parameter


def operation(*expressions: str, name: str = "done", method: str = "post") -> dict[str, Any]:
    """Return an operation with a callback for each expression."""
    item = {method: {"responses": {"200": {"description": "ok"}}}}
    return {
        "operationId": "f",
        "parameters": [
            parameter("itemId", "path"),
            parameter("callbackUrl"),
            parameter("X-Callback-Url", "header"),
        ],
        "requestBody": json_body({"type": "object"}),
        "callbacks": {name: dict.fromkeys(expressions, item)},
    }


class World:
    def __init__(self, described: dict[str, Any]) -> None:
        self.registry: Registry = build_registry([load(document(**described))], handlers=lambda name: lambda: None)
        self.store = MemoryStore()
        self.endings = Endings(self.registry, InlineDispatcher(self.store))

    def follow(self, **members: Any) -> list[dict[str, Any]]:
        """Follow the end of an execution; return what is delivered: the inputs of the deliveries."""
        self.endings.after(ended(**members))
        return self.deliveries

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        records = sorted(self.store._records.values(), key=lambda record: record.id)
        assert {record.function for record in records} <= {DELIVER}
        return [record.input["body"] for record in records]


def ended(**members: Any) -> Execution:
    given = {
        "id": "e-1", "function": "f", "trigger": "async", "state": "succeeded", "attempt": 1, "created_at": 1.0,
        "ended_at": 2.0, "result": StoredResult(content_type="application/json", body={"ok": True}),
    }  # fmt: skip
    return Execution(**{**given, **members})


def test_a_result_is_sent_where_the_call_says() -> None:
    here = World(operation("{$request.body#/callbackUrl}"))
    principal = {"id": "me", "project_id": "p"}
    (delivery,) = here.follow(
        input=encode_input({"body": {"callbackUrl": "http://x/1"}}), principal=principal, project_id="p", queue="q"
    )
    assert delivery == {
        "url": "http://x/1",
        "method": "post",
        "content_type": "application/json",
        "body": '{"ok":true}',
        "execution": "e-1",
        "function": "f",
        "state": "succeeded",
    }
    (record,) = here.store._records.values()
    assert (record.principal, record.project_id, record.queue, record.state) == (principal, "p", "q", "queued")


def test_a_failure_sends_its_problem() -> None:
    here = World(operation("http://x/"))
    (delivery,) = here.follow(state="failed", problem={"status": 500, "title": "No"}, result=None)
    assert delivery["content_type"] == "application/problem+json"
    assert delivery["body"] == '{"status":500,"title":"No"}'
    assert delivery["state"] == "failed"


@pytest.mark.parametrize("state", ["cancelled", "expired", "queued", "running", "retrying"])
def test_other_states_send_nothing(state: str) -> None:
    assert World(operation("http://x/")).follow(state=state) == []


def test_a_function_without_callbacks_or_unknown_sends_nothing() -> None:
    assert World({}).follow() == []
    assert World(operation("http://x/")).follow(function="gone") == []


def test_bytes_are_sent_as_they_are() -> None:
    encoded = base64.b64encode(b"\x89PNG").decode()
    (delivery,) = World(operation("http://x/")).follow(result=StoredResult(content_type="image/png", base64=encoded))
    assert "body" not in delivery
    assert delivery["base64"] == encoded


def test_the_end_may_be_followed_twice_and_a_new_end_anew() -> None:
    here = World(operation("http://x/"))
    here.follow()
    assert len(here.follow()) == 1
    assert len(here.follow(ended_at=3.0)) == 2  # redriven: the same attempt number, another end


def test_every_callback_is_sent() -> None:
    here = World(operation("http://x/{$request.path.itemId}", "http://y/", method="put"))
    found = here.follow(input={"item_id": "7"})
    assert sorted((one["url"], one["method"]) for one in found) == [("http://x/7", "put"), ("http://y/", "put")]


@pytest.mark.parametrize(
    ("expression", "url"),
    [
        ("{$request.query.callbackUrl}", "http://q/"),
        ("{$request.header.x-callback-URL}", "http://h/"),
        ("{$request.header.X-Undeclared}", "http://u/"),
        ("http://x/{$request.path.itemId}", "http://x/7"),
        ("http://x/{$method}/{$statusCode}", "http://x/POST/201"),
        ("http://x{$url}", "http://x/f/{itemId}"),
        ("{$response.body#/next}", "http://n/"),
        ("{$response.header.location}", "http://l/"),
        ("{$request.body#/$ref}", "http://d/"),
        ("http://x/{$request.body#/flag}", "http://x/true"),
        ("{$request.query.itemId}", None),
        ("{$request.body#/absent}", None),
        ("{$request.body#/file}", None),
        ("{$response.header.absent}", None),
        ("{$nonsense}", None),
    ],
)
def test_what_an_expression_names_in_a_record(expression: str, url: str | None) -> None:
    found = World(operation(expression)).follow(
        input=encode_input(
            {
                "item_id": "7",
                "callback_url": "http://q/",
                "x_callback_url": "http://h/",
                "body": {"$ref": "http://d/", "flag": True, "file": b"\x00"},
            }
        ),
        headers={"x-undeclared": "http://u/"},
        result=StoredResult(status=201, headers={"Location": "http://l/"}, body={"next": "http://n/"}),
    )
    assert [one["url"] for one in found] == ([] if url is None else [url])


def test_the_url_that_was_called_is_known_where_it_came_by_http() -> None:
    (delivery,) = World(operation("{$url}")).follow(headers={"x-funcatron-url": "http://here/f/7?a=1"})
    assert delivery["url"] == "http://here/f/7?a=1"


def test_the_status_of_a_failure_is_that_of_its_problem() -> None:
    (delivery,) = World(operation("http://x/{$statusCode}")).follow(
        state="failed", problem={"status": 409}, result=None
    )
    assert delivery["url"] == "http://x/409"


# Records of sync calls


def record(result: Result, **members: Any) -> Execution:
    function = make(lambda: None, extension={"queue": "q"})
    invocation = Invocation(id=new_id(), function="f", trigger="http", arguments={}, headers={"x-a": "1"}, **members)
    return record_of_sync_call(function, invocation, {"body": 1}, result, (time.time() - 1, time.time()))


def test_a_sync_call_that_succeeded() -> None:
    principal = Principal(id="me", project_id="p")
    made = record(
        Result(status=201, headers={"X-B": "2", "Set-Cookie": "s"}, body=b'{"a":1}', content_type="application/json"),
        principal=principal,
        event=CloudEvent(id="e", source="/s", type="t"),
    )
    assert (made.state, made.attempt, made.queue, made.trigger, made.input) == (
        "succeeded",
        1,
        "q",
        "http",
        {"body": 1},
    )
    assert made.result == StoredResult(status=201, headers={"X-B": "2"}, content_type="application/json", body={"a": 1})
    assert (made.project_id, made.headers) == ("p", {"x-a": "1"})
    assert made.event is not None
    assert made.duration is not None
    assert 1 <= made.duration < 5
    assert msgspec.json.decode(msgspec.json.encode(made), type=Execution).result == made.result


def test_a_sync_call_that_failed() -> None:
    made = record(refusal(Problem(409, "Taken", x=1), "i", "f"))
    assert (made.state, made.failure) == ("failed", "handler")
    assert made.problem is not None
    assert (made.problem["status"], made.problem["x"]) == (409, 1)
    made = record(Result(status=404, body=b"no", content_type="text/plain"))
    assert made.problem == {"type": "about:blank", "title": "Not Found", "status": 404}


def test_a_streamed_body_is_not_kept() -> None:
    made = record(Result(body=Stream(iter([]), bytes), content_type="text/plain"))
    assert made.result == StoredResult(content_type="text/plain")


@pytest.mark.parametrize("content_type", ["application/json", "Application/Problem+JSON; charset=utf-8"])
def test_json_is_kept_readable(content_type: str) -> None:
    assert stored_result(Result(body=b'{"a":1}', content_type=content_type)).body == {"a": 1}
