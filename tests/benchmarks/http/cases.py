"""The requests that are measured, and what their answers must be before anything is measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["BIG", "CASES", "COUNTED", "LOADED", "PROBES", "Case"]

ORDER: dict[str, Any] = {
    "number": "CH-004711",
    "customer": {
        "name": "Ann Miller",
        "email": "ann@example.org",
        "phone": "+41 44 123 45 67",
        "address": {"street": "Main Street 1", "city": "Springfield", "postcode": "12345"},
    },
    "currency": "CHF",
    "channel": "web",
    "express": True,
    "placed": "2024-05-01",
    "lines": [
        {"sku": "TEA-001", "title": "Green tea", "quantity": 2, "price": 7.5},
        {"sku": "CUP-114", "title": "Cup, blue", "quantity": 1, "price": 12.25},
    ],
    "tags": ["gift", "fragile", "new"],
    "discount": 0.25,
    "priority": 3,
    "coupon": "SPRING24",
    "note": "leave it with the neighbour",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One request. ``expected`` is the JSON of a good answer; a refusal has to mention what is ``wrong``."""

    name: str
    title: str
    method: str
    path: str
    status: int
    body: dict[str, Any] | None = None
    expected: dict[str, Any] | None = None
    wrong: str = ""

    @property
    def refused(self) -> bool:
        """Whether a peer that validates must refuse it."""
        return self.status >= 400

    def expects(self, refusal: int | None) -> int | None:
        """Return the status that is right for a peer that refuses invalid input with ``refusal``."""
        return refusal if self.status == 400 else self.status

    @property
    def payload(self) -> bytes:
        """The body's bytes, empty if there is none."""
        return b"" if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send with the body."""
        return {} if self.body is None else {"Content-Type": "application/json"}

    @property
    def raw(self) -> bytes:
        """The request as it goes over the wire (HTTP/1.1, keep-alive)."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.payload)}"] if self.body is not None else []
        return "\r\n".join([*lines, "", ""]).encode() + self.payload


GREETING = {"message": "hello Bob", "n": 7}
TAKEN = {"id": 42, **ORDER}
BAD_PRIORITY = {**ORDER, "priority": -3}

CASES = {
    case.name: case
    for case in (
        Case("get", "GET, path and query", "GET", "/hello/Bob?n=7", 200, expected=GREETING),
        Case("post", "POST, 12 fields", "POST", "/orders", 201, body=ORDER, expected=TAKEN),
        Case("refused", "POST, invalid", "POST", "/orders", 400, body=BAD_PRIORITY, wrong="priority"),
        Case("missing", "GET, no such path", "GET", "/nowhere", 404),
        Case("sync", "POST, def handler", "POST", "/orders-sync", 201, body=ORDER, expected=TAKEN),
    )
}
"""What is measured."""

BIG = {
    case.name: case
    for case in (
        Case("first", "GET, first of 500", "GET", "/resource0/x", 200, expected={"id": "x"}),
        Case("last", "GET, last of 500", "GET", "/resource99/x", 200, expected={"id": "x"}),
    )
}
"""What is asked of a document of five hundred operations (``contract.big``)."""

COUNTED = ("get", "post", "refused", "missing")
"""By instructions: no threads, so no ``def`` handler."""

LOADED = ("get", "post", "refused", "sync")
"""By processor time."""


def _bad(name: str, order: dict[str, Any], wrong: str) -> Case:
    return Case(name, name, "POST", "/orders", 400, body={**ORDER, **order}, wrong=wrong)


PROBES = (
    Case("default", "the query's default", "GET", "/hello/Bob", 200, expected={"message": "hello Bob", "n": 1}),
    Case("n", "n beyond its maximum", "GET", "/hello/Bob?n=1001", 400),
    Case("name", "name too long", "GET", f"/hello/{'x' * 65}", 400),
    _bad("enum", {"currency": "XXX"}, "currency"),
    _bad("format", {"customer": {"name": "Ann", "email": "nobody"}}, "email"),
    _bad("pattern", {"coupon": "no"}, "coupon"),
    _bad("nested", {"customer": {"name": "Ann"}}, "email"),
    _bad("item", {"lines": [{"sku": "TEA-001", "quantity": 0, "price": 1.5}]}, "quantity"),
    _bad("unknown", {"colour": "red"}, "colour"),
    _bad("length", {"tags": [""]}, "tags"),
)
"""What every validating peer must answer alike, so that none is fast because it looks at less."""
