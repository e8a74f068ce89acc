"""Serves the same requests with both, and compares what the client and what the functions see."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Awaitable, Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from connexion import AsyncApp, NoContent, ProblemException
from connexion.lifecycle import ConnexionResponse
from connexion.resolver import Resolver
from starlette.responses import PlainTextResponse, StreamingResponse

from funcatron.http import PlannedApp
from funcatron.http.plan.detour import KEY as DETOUR
from funcatron.http.plan.front import PlanMiddleware
from funcatron.http.plan.plan import Plan
from tests.conformance.planned.documents import Api, api
from tests.conformance.planned.handlers import HANDLERS, NEXT, SEEN
from tests.conformance.planned.requests import Request, request
from tests.conformance.planned.schemas import junk, value

__all__ = ["Compared", "Mismatch", "compare"]


class Mismatch(AssertionError):
    """The two differ."""


@dataclass(slots=True)
class Compared:
    """What was compared. ``planned`` counts the requests that connexion's stack did not see."""

    requests: int = 0
    accepted: int = 0
    planned: int = 0
    operations: int = 0
    refused: int = 0


async def compare(seed: int, requests: int, into: Compared) -> None:
    """Compare one random document over a number of random requests; raises Mismatch."""
    random = Random(seed)
    made = api(random)
    stock, planned = serving(AsyncApp, made, seed), serving(PlannedApp, made, seed)
    passed = Passed()
    for number in range(requests):
        asked = request(random, made)
        NEXT[0] = returned(random, made, asked.operation)
        expected = await answer(stock, asked)
        with passed:
            found = await answer(planned, asked)
        into.requests += 1
        into.accepted += expected[0] < 400
        into.planned += passed.entered and not passed.left
        if expected != found:
            difference = f"connexion {expected}\nplanned   {found}"
            raise Mismatch(f"seed {seed}, request {number}: {asked}\nreturned {NEXT[0]!r}\n{difference}")
    (front,) = (one for one in planned.middleware.middleware_stack if isinstance(one, PlanMiddleware))
    into.operations += front.operations()
    into.refused += len(front.refusals())


class Passed:
    """Whether a plan was asked, and whether connexion's stack was, too."""

    entered = left = False

    def __enter__(self) -> None:
        self.entered = self.left = False
        serve = Plan.serve

        def noted(plan: Plan, scope: Any, receive: Any, send: Any, texts: Any, stack: Any) -> Awaitable[None]:
            self.entered = True

            async def leave(*call: Any) -> None:
                self.left = DETOUR not in call[0]
                await stack(*call)

            return serve(plan, scope, receive, send, texts, leave)

        self._restore = lambda: setattr(Plan, "serve", serve)
        Plan.serve = noted  # type: ignore[method-assign]

    def __exit__(self, *exc_info: object) -> None:
        self._restore()


def serving(kind: Callable[..., AsyncApp], made: Api, seed: int) -> AsyncApp:
    """Return an application for a document; operations have different handlers."""
    app = kind("fuzz", **made.options)
    names = [operation["operationId"] for _, _, operation in made.operations()]
    handlers = {name: HANDLERS[(seed + place) % len(HANDLERS)] for place, name in enumerate(names)}
    app.add_api(deepcopy(made.document), resolver=Resolver(handlers.__getitem__))
    return app


async def answer(app: AsyncApp, asked: Request) -> tuple[Any, ...]:
    """Return status, headers that matter, body, and what the functions saw."""
    SEEN.clear()
    sent: list[dict[str, Any]] = []
    messages = _messages(asked)

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raised = None
    try:
        await app(asked.scope(), receive, send)
    except Exception as error:  # noqa: BLE001 - what a server would see is compared as well
        raised = type(error).__name__
    if not sent:
        return (0, [], b"", list(SEEN), raised)
    headers = sorted((name, text) for name, text in sent[0]["headers"] if name != b"content-length")
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return (sent[0]["status"], headers, _parsed(headers, body), list(SEEN), raised)


def _messages(asked: Request) -> Iterator[dict[str, Any]]:
    for place, chunk in enumerate(asked.chunks, 1):
        more = place < len(asked.chunks) or asked.truncated
        yield {"type": "http.request", "body": chunk, "more_body": more}


def _parsed(headers: list[tuple[bytes, bytes]], body: bytes) -> Any:
    """JSON is compared as JSON, with its types: how it is spaced is no part of it."""
    if dict(headers).get(b"content-type", b"").endswith(b"json") and body:
        try:
            return json.dumps(json.loads(body))
        except ValueError:
            pass
    return body


def returned(random: Random, made: Api, operation: dict[str, Any]) -> Any:
    """Return what a handler returns or raises: often what the operation's responses allow."""
    if random.random() < 0.15:
        return random.choice(UNUSUAL)
    status, response = random.choice(list(operation["responses"].items()))
    media = next(iter(response.get("content", {}).values()), {})
    found = value(random, media["schema"], made.schemas) if "schema" in media else junk(random)
    if status == "default" or random.random() < 0.1:
        return found
    return (found, int(status)) if random.random() < 0.8 else (found, int(status), {"X-Own": "y"})


UNUSUAL: tuple[Any, ...] = (
    None,
    NoContent,
    (NoContent, 204),
    (None, 404),
    "text",
    b"bytes",
    5,
    True,
    ({"a": 1}, {"X-Own": "yes"}),
    ({"a": 1}, 201, {"Content-Type": "application/json"}),
    ([], 304),
    ({"a": 1}, 0),
    {"day": dt.date(2024, 5, 1), "at": dt.datetime(2024, 5, 1, 12)},
    {"a": float("nan"), "b": None},
    {1: "a", None: "b", False: "c"},
    {"big": 2**70},
    {"tuple": (1, 2)},
    {"surrogate": "\ud800"},
    {"a": {1, 2}},
    {"a": object()},
    (1, 2, 3, 4),
    ProblemException(status=418, title="teapot", detail="short", ext={"a": 1}),
    ValueError("a handler fails"),
    ConnexionResponse(status_code=202, content_type="application/json", body=b'{"a":1}'),
    lambda: PlainTextResponse("plain", 203),
    lambda: StreamingResponse(iter([b"a", b"b"])),
    lambda: StreamingResponse(_failing()),
)


async def _failing() -> Any:
    yield b"a"
    raise ValueError("in the middle of a response")
