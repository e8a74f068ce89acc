"""What handlers return and raise: often what the operation's responses allow, sometimes anything."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum, IntEnum
from http import HTTPStatus
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from connexion import NoContent, ProblemException
from connexion.exceptions import Forbidden, NonConformingResponseBody
from connexion.lifecycle import ConnexionResponse
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, StreamingResponse

from tests.conformance.planned.api import Api, Operation
from tests.conformance.planned.values import junk, value

__all__ = ["returned"]


def returned(random: Random, api: Api, operation: Operation) -> Any:
    """Return what the next handler returns, calls or raises."""
    if random.random() < 0.1:
        return random.choice(UNUSUAL)
    status, content = random.choice(list(operation.responses.items()))
    media = next(iter(content.values()), {})
    found = value(random, api, media["schema"]) if "schema" in media else junk(random)
    if not status.isdecimal() or random.random() < 0.1:
        return found
    return (found, int(status)) if random.random() < 0.8 else (found, int(status), {"X-Own": "y"})


def _failing() -> Iterator[bytes]:
    yield b"a"
    raise ValueError("in the middle of a response")


class Kind(str, Enum):  # noqa: UP042 - as handlers have them
    """An enumeration of texts."""

    A = "a"


class Number(IntEnum):
    """An enumeration of numbers."""

    ONE = 1


class Text(str):
    """A text of its own class."""


class Pair(NamedTuple):
    """A tuple of its own class."""

    a: int
    b: str


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
    ({"a": 1}, 200, {"X-Own": 5}),
    ([], 304),
    ({"a": 1}, 0),
    ({"a": 1}, 99),
    ({"a": 1}, "200"),
    ({"a": 1}, None),
    {"day": dt.date(2024, 5, 1), "at": dt.datetime(2024, 5, 1, 12)},
    {"a": float("nan"), "b": None},
    {"a": [float("inf"), -0.0, 1e300]},
    {1: "a", None: "b", False: "c"},
    {"big": 2**70},
    {"tuple": (1, 2)},
    {"named": Pair(1, "b")},
    {"id": UUID(int=7), "price": Decimal("1.10"), "at": dt.time(12)},
    {"tz": dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC), "delta": dt.timedelta(1)},
    {"kind": Kind.A, "number": Number.ONE},
    {Kind.A: 1},
    defaultdict(list, a=[Text("b"), 1.5]),
    OrderedDict(b=1, a=float("-inf")),
    {"nested": [[[{"deep": None}]]] * 3},
    {"bytes": b"a"},
    {"long": "ä" * 3000},
    [],
    {},
    "",
    0,
    False,
    float("nan"),
    [True, None, 1.0, "\u2028</script>"],
    ({"a": 1}, HTTPStatus.CREATED),
    ({"a": 1}, 205),
    ({"a": 1}, 101),
    ({"a": 1}, 600),
    ({"a": 1}, {"content-type": "text/plain"}),
    ({"a": 1}, 200, {"CONTENT-LENGTH": "3"}),
    ({"a": 1}, 200, {"X-Ä": "ä"}),
    ({"a": 1}, 200, {"X-Own": "☃"}),
    ("plain", 200, {"Content-Type": "text/plain"}),
    (b"\x00", 200, {"Content-Type": "application/octet-stream"}),
    (None, 200, {}),
    [{"a": 1}, 200],
    {"surrogate": "\ud800"},
    {"a": {1, 2}},
    {"a": object()},
    (1, 2, 3, 4),
    (),
    ProblemException(status=418, title="teapot", detail="short", ext={"a": 1}),
    HTTPException(409, "conflict", {"X-Own": "a"}),
    Forbidden("no"),
    NonConformingResponseBody("odd"),
    ValueError("a handler fails"),
    KeyError("a"),
    ConnexionResponse(status_code=202, content_type="application/json", body=b'{"a":1}'),
    lambda: PlainTextResponse("plain", 203),
    lambda: StreamingResponse(iter([b"a", b"b"])),
    lambda: StreamingResponse(_failing()),
)
