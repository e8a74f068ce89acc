"""Random credentials, for the security schemes that a document declares: right, wrong, missing, twice, malformed."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import quote

from tests.conformance.planned.api import Api, Operation

__all__ = ["Line", "credentials"]

Line = tuple[str, bytes, bytes]
"""Where a credential stands (``query``, ``cookie`` or ``header``), under which name, and its text."""

RIGHT = "reader"
"""What the security functions let pass, whatever scope is asked for."""

WRONG = ("good", "bad", "bad", "boom", "never", "", "re ader", "reader,bad", "ä", "reader:x")
"""A secret without scopes, and those that are refused, that the functions fail on, or that are hard to read."""

MALFORMED = (b"", b"x", b"Basic", b"Basic x", b"Basic Og==", b"Basic YW5u", b"Basic //79", b"Bearer", b"Bearer  reader",
             b"bearer reader", b"BASIC YW5uOnJlYWRlcg==", b"Digest a", b" Bearer reader", b"\xff x")  # fmt: skip

_Scheme = dict[str, Any]
_Manner = Callable[[Random, list[_Scheme], list[_Scheme]], list[Line]]


def credentials(random: Random, api: Api, operation: Operation) -> list[Line]:
    """Return what a request presents: for one of the alternatives of its operation, mostly what it asks for."""
    wanted = [*random.choice(operation.schemes or ((),))]
    (manner,) = random.choices(MANNERS, WEIGHTS)
    return manner(random, wanted, api.schemes)


def _right(random: Random, wanted: list[_Scheme], known: list[_Scheme]) -> list[Line]:
    return [_line(scheme, RIGHT) for scheme in wanted]


def _wrong(random: Random, wanted: list[_Scheme], known: list[_Scheme]) -> list[Line]:
    """One of them, or each."""
    bad = random.choice(wanted) if wanted and random.random() < 0.7 else None
    return [_line(one, RIGHT if bad is not None and one is not bad else random.choice(WRONG)) for one in wanted]


def _missing(random: Random, wanted: list[_Scheme], known: list[_Scheme]) -> list[Line]:
    return _right(random, random.sample(wanted, random.randint(0, max(0, len(wanted) - 1))), known)


def _twice(random: Random, wanted: list[_Scheme], known: list[_Scheme]) -> list[Line]:
    lines = _right(random, wanted, known)
    if wanted:
        again = _line(random.choice(wanted), random.choice([RIGHT, *WRONG]))
        lines.insert(random.randint(0, len(lines)), again)
    return lines


def _other(random: Random, wanted: list[_Scheme], known: list[_Scheme]) -> list[Line]:
    """Those of another scheme of the document's, with what is asked for or instead."""
    other = [_line(random.choice(known), random.choice([RIGHT, RIGHT, *WRONG]))] if known else []
    return [*(_right(random, wanted, known) if random.random() < 0.5 else []), *other]


def _malformed(random: Random, wanted: list[_Scheme], known: list[_Scheme]) -> list[Line]:
    lines = _right(random, wanted, known)
    return [
        (place, name, random.choice(MALFORMED) if name == b"authorization" else b"%%%s" % text)
        for place, name, text in lines
    ]


MANNERS: tuple[_Manner, ...] = (_right, _wrong, _missing, _twice, _other, _malformed)
WEIGHTS = (70, 9, 5, 6, 5, 5)


def _line(scheme: _Scheme, secret: str) -> Line:
    place = scheme["in"] if scheme.get("type") == "apiKey" else "header"
    if place == "query":
        return (place, quote(scheme["name"]).encode(), quote(secret).encode())
    if scheme.get("type") == "apiKey":
        name = scheme["name"].lower() if place == "header" else scheme["name"]
        return (place, name.encode(), secret.encode())
    basic = "basic" in (scheme.get("type"), scheme.get("scheme", "").lower())
    encoded = b"Basic " + b64encode(f"ann:{secret}".encode()) if basic else f"Bearer {secret}".encode()
    return (place, b"authorization", encoded)
