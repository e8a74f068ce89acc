"""Serves the same requests with two applications, and compares what the client and what the functions see."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from starlette.types import ASGIApp

from tests.conformance.planned.api import Api, Operation
from tests.conformance.planned.handlers import NEXT, SEEN
from tests.conformance.planned.kinds import kinds
from tests.conformance.planned.pairs import Answer, Pair
from tests.conformance.planned.passing import Passed
from tests.conformance.planned.requests import Request, request
from tests.conformance.planned.returned import returned

__all__ = ["Case", "Compared", "Mismatch", "compare"]


@dataclass(frozen=True)
class Case:
    """One request to one document, and what its handler returns; ``place`` chooses the handler."""

    api: Api
    place: int
    operation: Operation
    asked: Request
    value: Any

    async def differs(self, pair: Pair) -> tuple[Answer, Answer] | None:
        """Serve it with fresh applications; return both answers if they differ and are not to."""
        if not pair.alike(self.asked):
            return None
        stock, planned = pair.stock(self.api, self.place), pair.planned(self.api, self.place)
        expected, found = await self.answers(pair, stock, planned)
        return None if expected == found else (expected, found)

    async def answers(self, pair: Pair, stock: ASGIApp, planned: ASGIApp) -> tuple[Answer, Answer]:
        """Serve it with these applications."""
        NEXT[0] = self.value
        return pair.plain(await _answer(stock, self.asked)), pair.plain(await _answer(planned, self.asked))


class Mismatch(AssertionError):
    """The two differ in their answers to a case."""

    def __init__(self, pair: Pair, case: Case, answers: tuple[Answer, Answer]) -> None:
        stock, planned = answers
        super().__init__(f"{case.api.name}: {case.asked}\nreturned {case.value!r}\nstock   {stock}\nplanned {planned}")
        self.pair, self.case, self.answers = pair, case, answers


@dataclass(slots=True)
class Compared:
    """What was compared. ``planned`` counts the requests that connexion's stack did not see, ``documents`` each one as
    often as it was served.
    """

    requests: int = 0
    accepted: int = 0
    planned: int = 0
    documents: int = 0
    operations: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)

    def count(self, pair: Pair, case: Case, status: int) -> None:
        """Count a request."""
        self.requests += 1
        self.planned += 1
        self.accepted += status < 400
        self.statuses[status] += 1
        self.kinds.update(kinds(case.api, case.operation, case.asked, status))
        self.pairs[pair.name] += 1
        self.names.add(case.api.name)

    def finish(self, passed: Passed) -> None:
        """Count a document, of whose requests so many passed the plans."""
        self.documents += 1
        self.planned -= passed.count
        self.operations += passed.operations()
        self.refused.update(passed.reasons())


async def compare(pair: Pair, api: Api, seed: int, requests: int, into: Compared) -> None:
    """Compare a pair over a number of random requests to a document.

    Raises Mismatch, and FuncatronError where funcatron refuses the document.
    """
    random = Random(seed)
    stock, planned = pair.stock(api, seed), pair.planned(api, seed)
    passed = pair.past(planned)
    for _ in range(requests):
        operation = random.choice(api.operations)
        case = Case(api, seed, operation, request(random, api, operation), returned(random, api, operation))
        if not pair.alike(case.asked):
            continue
        answers = await case.answers(pair, stock, planned)
        into.count(pair, case, answers[0][0])
        if answers[0] != answers[1]:
            raise Mismatch(pair, case, answers)
    into.finish(passed)


async def _answer(app: ASGIApp, asked: Request) -> Answer:
    SEEN.clear()
    sent: list[Any] = []
    messages = _messages(asked)

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
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
