"""Webhooks over HTTP: who may post, what becomes of it, and what is refused."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO
from urllib.parse import urlencode

import httpx
import pytest
from standardwebhooks.webhooks import Webhook
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from funcatron import Funcatron
from funcatron.errors import SettingsError, Unavailable
from funcatron.execution import Execution
from funcatron.http import build_door, stack
from funcatron.ports import ExecutionQuery
from funcatron.settings import load_settings
from funcatron.store.memory import MemoryStore
from funcatron.testing import application
from funcatron.testing.inline import InlineDispatcher
from tests.funcatron.holding import Held

pytestmark = pytest.mark.anyio

SECRET, KEY = "It's a Secret to Everybody", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = {"github_secret": SECRET, "partner": KEY}
ANY = {"default": {"description": ""}}
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def described(
    name: str, *triggers: dict[str, Any], body: Any = None, parameters: Any = (), **more: Any
) -> dict[str, Any]:
    """Return a Path Item of one operation with these webhook triggers."""
    content = {"requestBody": {"required": True, "content": body}} if body else {}
    bound = {"triggers": [{"webhook": one} for one in triggers], "retry": {"attempts": 1}}
    operation = {"operationId": name, "responses": ANY, "parameters": list(parameters), "x-funcatron": bound}
    return {"post": {**operation, **content}}


def github(**match: Any) -> dict[str, Any]:
    settings = {"path": "/hooks/github", "signature": "github", "secret": "GITHUB_SECRET"}
    return {**settings, "match": match} if match else settings


def header(name: str, schema: dict[str, Any] | None = None, location: str = "header") -> dict[str, Any]:
    return {"name": name, "in": location, "required": True, "schema": schema or {"type": "string"}}


PUSH = {"type": "object", "required": ["ref"], "properties": {"ref": {"type": "string"}}}
EVENT = "header.X-GitHub-Event"
FIELDS = {
    "type": "object",
    "properties": {"count": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}},
}
OPEN = {"path": "/hooks/open", "signature": "none"}
PARAMETERS = [
    header("X-GitHub-Event"),
    header("X-Count", {"type": "integer"}),
    header("page", {"type": "integer"}, "query"),
]
ORDER_ID = header("id", {"type": "integer"}, "path")
OPENED = github(**{EVENT: "issues", "body.action": "opened"})
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/hooks/github": {"get": {"operationId": "status", "responses": ANY}},
        "/orders/{id}": described("order", {**OPEN, "match": {"body.kind": "order"}}, parameters=[ORDER_ID]),
    },
    "webhooks": {
        "push": described("push", github(**{EVENT: "push"}), body={JSON: {"schema": PUSH}}, parameters=PARAMETERS),
        "opened": described("opened", OPENED, body={JSON: {"schema": {}}}),
        "issues": described("issues", OPENED, github(**{EVENT: "issues"})),
        "paid": described("paid", {"path": "/hooks/partner", "secret": "PARTNER"}, body={JSON: {"schema": {}}}),
        "form": described("form", {**OPEN, "match": {"body.kind": "f"}}, body={FORM: {"schema": FIELDS}}),
    },
}


class Seen(list[tuple[str, dict[str, Any]]]):
    """Handlers that note what they are called with."""

    def __call__(self, name: str) -> Any:
        def push(body: Any, x_git_hub_event: Any, x_count: Any, page: Any, event: Any, context: Any) -> None:
            self.append((name, {"body": body, "event": event, "headers": dict(context.headers), "kind": context.trigger,
                                "given": [x_git_hub_event, x_count, page]}))  # fmt: skip

        def other(event: Any, context: Any, **arguments: Any) -> None:
            self.append((name, {**arguments, "event": event, "headers": dict(context.headers)}))

        return push if name == "push" else other


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def app(seen: Seen) -> Funcatron:
    return application(DOCUMENT, handlers=seen, secrets=SECRETS)


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def run_all(app: Funcatron) -> None:
    await app.dispatcher.run_all(app)  # type: ignore[attr-defined]


def records(app: Funcatron) -> list[Execution]:
    return app.store.list(ExecutionQuery(limit=1000))[0]


def signed(content: bytes, event: str = "push", delivery: str = "d-1", **more: str) -> dict[str, str]:
    """Return the headers with which GitHub posts."""
    digest = hmac.digest(SECRET.encode(), content, hashlib.sha256).hex()
    return {
        "Content-Type": JSON,
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature": "sha1=0",
        "X-Hub-Signature-256": f"sha256={digest}",
        **more,
    }


async def post(
    app: Any, value: Any, event: str = "push", delivery: str = "d-1", *, path: str = "/hooks/github?page=2", **more: str
) -> httpx.Response:
    """Post a value as GitHub does."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    async with client(app) as http:
        return await http.post(path, content=content, headers=signed(content, event, delivery, **more))


async def test_a_delivery_calls_the_function_that_wants_it(app: Funcatron, seen: Seen) -> None:
    answer = await post(app, {"ref": "main", "page": "not this"}, **{"X-Count": "7", "Authorization": "Basic c2VjcmV0"})
    assert (answer.status_code, answer.json()) == (202, {"delivery": "d-1", "functions": 1})
    await run_all(app)
    [(name, call)] = seen
    assert (name, call["kind"], call["given"]) == ("push", "webhook", ["push", 7, 2])
    assert call["body"] == call["event"].data == {"ref": "main", "page": "not this"}
    event = call["event"]
    assert (event.id, event.source) == ("d-1", "/webhooks/hooks/github")
    assert (event.type, event.datacontenttype) == ("org.funcatron.webhook.delivery", JSON)
    assert call["headers"]["x-github-event"] == "push"
    assert not {"x-hub-signature", "x-hub-signature-256", "authorization"} & set(call["headers"])
    [record] = records(app)
    assert (record.trigger, record.state, record.event_id) == ("webhook", "succeeded", "d-1")
    assert SECRET not in str(record)


async def test_all_functions_that_want_it_are_called_once(app: Funcatron, seen: Seen) -> None:
    assert (await post(app, {"action": "opened"}, "issues")).json()["functions"] == 2
    assert (await post(app, {"action": "closed"}, "issues", "d-2")).json()["functions"] == 1
    await run_all(app)
    assert [(name, call["body"]["action"]) for name, call in seen] == [
        ("opened", "opened"), ("issues", "opened"), ("issues", "closed"),
    ]  # fmt: skip


async def test_what_comes_again_is_answered_and_calls_nothing(app: Funcatron, seen: Seen) -> None:
    for _ in range(3):
        answer = await post(app, {"action": "closed"}, "issues")
        assert (answer.status_code, answer.json()["functions"]) == (202, 1)
        await run_all(app)
    assert (await post(app, {"action": "closed"}, "issues", "d-2")).status_code == 202
    await run_all(app)
    assert [call["event"].id for _, call in seen] == ["d-1", "d-2"]


async def test_what_nobody_wants_is_taken_and_forgotten(app: Funcatron, seen: Seen) -> None:
    answer = await post(app, {"zen": "Keep it logically awesome."}, "ping")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not records(app)


async def test_data_that_do_not_fit_are_on_record(app: Funcatron, seen: Seen) -> None:
    assert (await post(app, {"ref": 5})).status_code == 202
    await run_all(app)
    [record] = records(app)
    assert (record.state, record.failure) == ("failed", "invalid")
    assert record.problem is not None
    assert {error["pointer"] for error in record.problem["errors"]} == {"/body/ref", "/header/X-Count"}
    assert not seen


@pytest.mark.parametrize(
    "changed",
    [
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": "nonsense"},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + hmac.digest(b"other", b"{}", hashlib.sha256).hex()},
    ],
)
async def test_a_wrong_signature_is_refused(app: Funcatron, changed: dict[str, str]) -> None:
    answer = await post(app, b"{}", "issues", **changed)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.json()["status"] == 401
    assert "X-Hub-Signature-256" in answer.json()["detail"]
    assert answer.headers["www-authenticate"] == 'HubSignature headers="X-Hub-Signature-256"'
    assert not records(app)


async def test_the_raw_body_is_what_is_signed(app: Funcatron) -> None:
    body = b'{ "action" : "closed",\r\n "n": 1.50, "u": "\\u00fc" }'
    assert (await post(app, body, "issues")).status_code == 202
    async with client(app) as http:
        answer = await http.post("/hooks/github", content=b'{"action":"closed"}', headers=signed(body, "issues", "d-2"))
        assert answer.status_code == 401


def standard(content: bytes, delivery: str = "msg_1", *, at: float | None = None, key: str = KEY) -> dict[str, str]:
    when = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    return {
        "Content-Type": JSON,
        "webhook-id": delivery,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(key).sign(delivery, when, content.decode()),
    }


async def test_standard_webhooks(app: Funcatron, seen: Seen) -> None:
    body = '{"name": "Zoë"}'.encode()
    headers = standard(body)
    async with client(app) as http:
        for _ in range(2):
            assert (await http.post("/hooks/partner", content=body, headers=headers)).status_code == 202
            await run_all(app)
        old, early, foreign = (
            standard(body, "msg_2", at=time.time() - 400),
            standard(body, "msg_2", at=time.time() + 400),
            standard(body, "msg_2", key="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        )
        moved = headers | {"webhook-timestamp": str(int(time.time()) + 5)}
        renamed = headers | {"webhook-id": "msg_2"}
        for refused in (old, early, foreign, moved, renamed, {"Content-Type": JSON}):
            answer = await http.post("/hooks/partner", content=body, headers=refused)
            assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")
            assert answer.headers["www-authenticate"] == (
                'StandardWebhooks headers="webhook-id webhook-timestamp webhook-signature"'
            )
    [(name, call)] = seen
    assert (name, call["body"], call["event"].id) == ("paid", {"name": "Zoë"}, "msg_1")
    assert "webhook-signature" not in call["headers"]
    assert len(records(app)) == 1


async def test_a_form_with_json_in_it(app: Funcatron, seen: Seen) -> None:
    content = urlencode({"payload": json.dumps({"ref": "main", "u": "ü&="})}).encode()
    assert (await post(app, content, **{"Content-Type": FORM, "X-Count": "1"})).status_code == 202
    await run_all(app)
    [(name, call)] = seen
    assert (name, call["body"], call["event"].datacontenttype) == ("push", {"ref": "main", "u": "ü&="}, JSON)


async def test_a_form_is_read_as_its_operation_says(app: Funcatron, seen: Seen) -> None:
    async with client(app) as http:
        answer = await http.post("/hooks/open", data={"kind": "f", "count": "3", "tags": ["a", "b"]})
        assert answer.status_code == 202
    await run_all(app)
    [(name, call)] = seen
    assert (name, call["body"]) == ("form", {"kind": "f", "count": 3, "tags": ["a", "b"]})


async def test_a_function_with_a_route_takes_its_parameters_from_the_body(app: Funcatron, seen: Seen) -> None:
    async with client(app) as http:
        first, second = [await http.post("/hooks/open", json={"kind": "order", "id": 7}) for _ in range(2)]
    assert first.status_code == second.status_code == 202
    assert first.json()["delivery"] != second.json()["delivery"], "nothing tells them apart"
    await run_all(app)
    assert [(name, call["id"], call["body"]) for name, call in seen] == [("order", 7, {"kind": "order", "id": 7})] * 2


@pytest.mark.parametrize(
    ("content", "headers", "status", "pointer"),
    [
        (b"{", {}, 400, "/body"),
        (b'{"action": "\xff"}', {}, 400, "/body"),
        (b"{}", {"Content-Type": "application/json; charset=klingon"}, 415, None),
        (b"{}", {"Content-Encoding": "gzip"}, 415, None),
        (b"&".join([b"a=1"] * 1001), {"Content-Type": FORM}, 400, "/body"),
        (b"\xff=1", {"Content-Type": FORM}, 400, "/body"),
        (b"{}", {"X-GitHub-Delivery": ""}, 400, "/header/x-github-delivery"),
        (b"{}", {"X-GitHub-Delivery": "x" * 513}, 400, "/header/x-github-delivery"),
        (b"{}", {"X-GitHub-Delivery": "a\tb"}, 400, "/header/x-github-delivery"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    app: Funcatron, content: bytes, headers: dict[str, str], status: int, pointer: str | None
) -> None:
    answer = await post(app, content, "issues", **headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert [error["pointer"] for error in answer.json().get("errors", [])] == ([pointer] if pointer else [])
    assert not records(app)


async def test_a_media_type_that_the_operation_has_not_is_refused(app: Funcatron) -> None:
    answer = await post(app, b"<ref/>", **{"Content-Type": "application/xml"})
    assert (answer.status_code, answer.headers["accept"]) == (415, JSON)
    wrong = await post(app, {"ref": "x"}, path="/hooks/github?page=%ff")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/query")


@pytest.mark.parametrize(
    ("sent", "known"), [(7, "7"), ("ü-1", "ü-1"), (True, None), (None, None), ("", None), ("a\0b", None), ([1], None)]
)
async def test_an_id_in_the_body(seen: Seen, sent: Any, known: str | None) -> None:
    bound = described("f", {**OPEN, "id": "body.entry.id"}, body={"*/*": {"schema": {}}})
    app = application({**DOCUMENT, "paths": {}, "webhooks": {"f": bound}}, handlers=seen)
    async with client(app) as http:
        for _ in range(2):
            answer = await http.post("/hooks/open", json={"entry": {"id": sent}})
            assert answer.status_code == (202 if known else 400)
    await run_all(app)
    assert [call["event"].id for _, call in seen] == ([known] if known else [])
    if known is None:
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/entry/id"]


async def test_a_body_that_is_read_as_a_file() -> None:
    read: list[bytes] = []

    def stored(body: BinaryIO) -> None:
        read.append(body.read())

    bound = described("stored", OPEN, body={"application/octet-stream": {}})
    app = application({**DOCUMENT, "paths": {}, "webhooks": {"f": bound}}, handlers={"stored": stored})
    async with client(app) as http:
        headers = {"Content-Type": "application/octet-stream"}
        assert (await http.post("/hooks/open", content=b"\x00\xff" * 100, headers=headers)).status_code == 202
    await run_all(app)
    assert read == [b"\x00\xff" * 100]


async def test_a_body_without_a_type(app: Funcatron, seen: Seen) -> None:
    for number, content in enumerate([b'{"action": "x"}', b"\x00\xff", b""]):
        async with client(app) as http:
            headers = {**signed(content, "issues", f"d-{number}")}
            del headers["Content-Type"]
            assert (await http.post("/hooks/github", content=content, headers=headers)).status_code == 202
    await run_all(app)
    assert [call.get("body") for _, call in seen] == [{"action": "x"}, b"\x00\xff", None]


async def test_too_much_is_refused(seen: Seen) -> None:
    app = application(DOCUMENT, handlers=seen, secrets=SECRETS, max_body=2000, max_message=1000)
    kept = await post(app, {"action": "x" * 1500}, "issues")
    assert (kept.status_code, kept.json()["limit"]) == (413, 1000)
    read = await post(app, {"action": "x" * 2500}, "issues")
    assert (read.status_code, read.json()["limit"]) == (413, 2000)
    assert not records(app)


async def test_only_posts_are_taken(app: Funcatron) -> None:
    async with client(app) as http:
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            answer = await http.request(method, "/hooks/partner")
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert (await http.get("/hooks/github")).status_code == 204, "an operation beside it"
        answer = await http.put("/hooks/github")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
        assert (await http.post("/hooks/partner/")).status_code == 404
        assert (await http.post("/hooks")).status_code == 404


async def test_out_of_reach_is_503(app: Funcatron, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unavailable(execution: Execution) -> bool:
        raise Unavailable("the store is away", retry_after=3)

    monkeypatch.setattr(app.dispatcher, "dispatch", unavailable)
    answer = await post(app, {}, "issues")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


async def test_overload_is_503_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery that two functions want is two calls; the next one finds no place until they are stored."""
    twice = {**DOCUMENT, "webhooks": {name: DOCUMENT["webhooks"][name] for name in ("opened", "issues")}}
    app = application(
        {**twice, "paths": {}}, handlers={"opened": print, "issues": print}, secrets=SECRETS, max_queued=2
    )
    held = Held(app, monkeypatch)
    first = asyncio.create_task(post(app, {"action": "opened"}, "issues"))
    await held.came.wait()
    answer = await post(app, {"action": "opened"}, "issues", "d-2")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    held.release.set()
    assert (await first).json()["functions"] == 2
    assert (await post(app, {"action": "opened"}, "issues", "d-2")).status_code == 202
    assert len(records(app)) == 4


@pytest.mark.parametrize("planned", [True, False])
async def test_below_another_application(app: Funcatron, planned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "missing", lambda: [] if planned else ["something"])
    mounted = Starlette(routes=[Mount("/outer", app=app)])
    assert (await post(mounted, {}, "issues", path="/outer/hooks/github")).status_code == 202
    assert (await post(app, {}, "issues")).status_code == 202
    assert (await post(app, {}, "issues", **{"X-Hub-Signature-256": "no"})).status_code == 401


@pytest.mark.parametrize("planned", [True, False])
async def test_beside_another_application(seen: Seen, planned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "missing", lambda: [] if planned else ["something"])
    other = Starlette(routes=[Route("/hooks/partner", lambda request: PlainTextResponse("theirs"), methods=["GET"])])
    settings = load_settings({"secrets": SECRETS}, environ={})
    store = MemoryStore()
    parts = {"store": store, "dispatcher": InlineDispatcher(store), "mounts": {"": other}}
    app = Funcatron(DOCUMENT, handlers=seen, settings=settings, **parts)
    for _ in range(2):
        assert (await post(app, {}, "issues")).status_code == 202
        async with client(app) as http:
            assert (await http.get("/hooks/partner")).text == "theirs"
            assert (await http.post("/hooks/partner")).status_code == 401


async def test_it_is_counted_and_shown(app: Funcatron) -> None:
    await post(app, {"action": "closed"}, "issues")
    async with client(app) as http:
        text = (await http.get("/_funcatron/metrics")).text
        assert 'function="issues",trigger="webhook"' in text
        functions = (await http.get("/_funcatron/functions")).json()["functions"]
        [shown] = next(one for one in functions if one["name"] == "paid")["triggers"]
        assert shown == {"kind": "webhook", "description": "webhook POST /hooks/partner, signed as standard"}


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({"github_secret": SECRET}, "a webhook's secret is not set: FUNCATRON_PARTNER"),
        ({**SECRETS, "partner": "not base64!"}, "PARTNER must be whsec_ followed by base64"),
    ],
)
def test_a_secret_that_is_missing_stops_the_start(seen: Seen, secrets: Mapping[str, str], said: str) -> None:
    settings = load_settings({"secrets": secrets}, environ={})
    with pytest.raises(SettingsError, match=said):
        build_door(Funcatron(DOCUMENT, handlers=seen, settings=settings))
