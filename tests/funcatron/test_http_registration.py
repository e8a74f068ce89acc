"""funcatron.http.registration: a middleware knows its documents when it needs them, all of them, each once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from connexion.middleware import SpecMiddleware
from connexion.spec import Specification
from starlette.types import ASGIApp, Receive, Scope, Send

from funcatron.http.registration import registered_later

FIRST = Specification.from_dict({"openapi": "3.0.3", "info": {"title": "a", "version": "1"}, "paths": {}})
SECOND = Specification.from_dict({"openapi": "3.0.3", "info": {"title": "b", "version": "1"}, "paths": {}})


class Noting(SpecMiddleware):  # type: ignore[misc]
    """Notes what it is told of, and what it is asked for, in order."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.failing = False
        self.notes: list[Any] = []

    def add_api(self, specification: Specification, **settings: Any) -> None:
        if self.failing:
            raise ValueError("it cannot be registered")
        self.notes.append((specification["info"]["title"], settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.notes.append(scope["type"])


@pytest.fixture
def noting() -> Noting:
    return Noting(_nothing)


@pytest.fixture
def later(noting: Noting) -> Any:
    made = registered_later(lambda _: noting)(_nothing)
    made.add_api(FIRST, base_path="/a")
    made.add_api(SECOND, base_path="/b")
    return made


REGISTERED = [("a", {"base_path": "/a"}), ("b", {"base_path": "/b"})]


async def _nothing(*_: Any) -> None:
    return None


def _ask(app: Any, kind: str = "http") -> None:
    asyncio.run(app({"type": kind}, _nothing, _nothing))


def test_the_first_request_registers_and_no_other(noting: Noting, later: Any) -> None:
    assert noting.notes == []
    _ask(later)
    _ask(later)
    assert noting.notes == [*REGISTERED, "http", "http"]


def test_a_lifespan_needs_no_documents(noting: Noting, later: Any) -> None:
    _ask(later, "lifespan")
    assert noting.notes == ["lifespan"]


def test_requests_that_come_together_register_once(noting: Noting, later: Any) -> None:
    async def together() -> None:
        await asyncio.gather(*(later({"type": "http"}, _nothing, _nothing) for _ in range(4)))

    asyncio.run(together())
    assert noting.notes == [*REGISTERED, *["http"] * 4]


def test_what_cannot_be_registered_is_told_every_time(noting: Noting, later: Any) -> None:
    noting.failing = True
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be registered"):
            _ask(later)
    assert noting.notes == []
