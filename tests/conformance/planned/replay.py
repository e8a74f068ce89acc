"""A failing case told as a few lines of Python that show it again, made small first."""

from __future__ import annotations

import asyncio
import json
import pprint
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any

from tests.conformance.planned.api import METHODS, Api
from tests.conformance.planned.compare import Case, Mismatch
from tests.conformance.planned.pairs import PAIRS, Pair
from tests.conformance.planned.requests import Request
from tests.conformance.planned.returned import UNUSUAL

__all__ = ["replay", "smaller", "snippet"]

MOST = 300
"""Attempts at making a case smaller."""


def replay(
    pair: str, document: str, options: dict[str, Any], place: int, operation: str, asked: Request, value: Any
) -> None:
    """Serve a case again; raises Mismatch if the two still differ."""
    api = Api("replayed", json.loads(document), options)
    (wanted,) = (one for one in api.operations if one.name == operation)
    case = Case(api, place, wanted, asked, value)
    answers = asyncio.run(case.differs(PAIRS[pair]))
    if answers is not None:
        raise Mismatch(PAIRS[pair], case, answers)


def snippet(mismatch: Mismatch) -> str:
    """Return a program that shows the mismatch."""
    case = mismatch.case
    unusual = next((place for place, one in enumerate(UNUSUAL) if one is case.value), None)
    value = repr(case.value) if unusual is None else f"UNUSUAL[{unusual}]"
    lines = [
        "from tests.conformance.planned.replay import replay",
        "from tests.conformance.planned.requests import Request",
        "from tests.conformance.planned.returned import UNUSUAL",
        "",
        f"document = r'''{json.dumps(case.api.document, indent=1)}'''",
        f"asked = {pprint.pformat(case.asked, width=110)}",
        f"replay({mismatch.pair.name!r}, document, {case.api.options!r}, {case.place}, {case.operation.name!r},",
        f"       asked, {value})",
    ]
    return "\n".join(lines)


async def smaller(mismatch: Mismatch) -> Mismatch:
    """Return the mismatch of a case that is as small as leaving things out makes it."""
    attempts, found = 0, mismatch
    while attempts < MOST:
        for case in _candidates(found.case):
            attempts += 1
            if (answers := await _still(found.pair, case)) is not None:
                found = Mismatch(found.pair, case, answers)
                break
        else:
            break
    return found


async def _still(pair: Pair, case: Case) -> Any:
    try:
        return await case.differs(pair)
    except Exception:  # noqa: BLE001 - a document that lacks what it needs fails in many ways
        return None


def _candidates(case: Case) -> Iterator[Case]:
    """Yield the case with one thing less, the largest first."""
    for document in _documents(case):
        api = Api(case.api.name, document, case.api.options)
        with suppress(LookupError):  # what is left may refer to what is left out
            kept = [one for one in api.operations if one.name == case.operation.name]
            yield from (replace(case, api=api, operation=one) for one in kept)
    for option in case.api.options:
        options = {name: value for name, value in case.api.options.items() if name != option}
        yield replace(case, api=Api(case.api.name, case.api.document, options))
    asked = case.asked
    for place, (name, _) in enumerate(asked.headers):
        if asked.truncated and name in (b"content-length", b"transfer-encoding"):
            continue
        yield replace(case, asked=replace(asked, headers=asked.headers[:place] + asked.headers[place + 1 :]))
    if len(asked.chunks) > 1:
        yield replace(case, asked=replace(asked, chunks=[b"".join(asked.chunks)]))
    parts = asked.query.split(b"&") if asked.query else []
    for place in range(len(parts)):
        yield replace(case, asked=replace(asked, query=b"&".join(parts[:place] + parts[place + 1 :])))


def _documents(case: Case) -> Iterator[dict[str, Any]]:
    document = case.api.document
    for path, item in document["paths"].items():
        yield _without(document, ("paths",), path)
        for method in item:
            if method in METHODS:
                yield _without(document, ("paths", path), method)
    place = ("paths", case.operation.path, case.operation.method)
    operation = document["paths"][case.operation.path].get(case.operation.method)
    if operation is not None:  # else the path refers to another
        yield from _operations(document, place, operation)
    for key in ("security", "components", "definitions"):
        if key in document:
            yield _without(document, (), key)


def _operations(
    document: dict[str, Any], place: tuple[str, ...], operation: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for key in ("security", "requestBody"):
        if key in operation:
            yield _without(document, place, key)
    for at in range(len(operation.get("parameters", []))):
        yield _without(document, (*place, "parameters"), at)
    for status in operation["responses"] if len(operation["responses"]) > 1 else ():
        yield _without(document, (*place, "responses"), status)


def _without(document: dict[str, Any], place: tuple[Any, ...], key: Any) -> dict[str, Any]:
    copied = deepcopy(document)
    below: Any = copied
    for part in place:
        below = below[part]
    del below[key]
    return copied
