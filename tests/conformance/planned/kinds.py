"""What kinds of requests were compared: of each there have to be some, or the comparison says nothing of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.conformance.planned.api import Api, Operation
from tests.conformance.planned.requests import Request

__all__ = ["KINDS", "kinds"]

KINDS = ("body chunked", "body in pieces", "body not UTF-8", "body truncated", "credentials accepted",
         "credentials refused", "encoded", "header twice", "query twice", "responses not validated",
         "responses validated")  # fmt: skip


def kinds(api: Api, operation: Operation, asked: Request, status: int) -> Iterator[str]:
    """Yield the kinds of a request that was answered with this status."""
    options: dict[str, Any] = api.options
    yield "responses validated" if options.get("validate_responses") else "responses not validated"
    names = [name for name, _ in asked.headers]
    queried = [part.partition(b"=")[0] for part in asked.query.split(b"&")]
    if operation.schemes:
        yield "credentials refused" if status in (401, 403) else "credentials accepted"
    if b"%" in asked.query or "%" in asked.raw_path:
        yield "encoded"
    if len({*names}) < len(names):
        yield "header twice"
    if len({*queried}) < len(queried):
        yield "query twice"
    if b"transfer-encoding" in names:
        yield "body chunked"
    if asked.truncated:
        yield "body truncated"
    if len(asked.chunks) > 1:
        yield "body in pieces"
    if not asked.is_text():
        yield "body not UTF-8"
