"""The handlers of the contract, for funcatron and for connexion: the very same functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TAKEN = 42


async def hello(name: str, n: int) -> dict[str, Any]:
    return {"message": f"hello {name}", "n": n}


async def create_order(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    return {"id": TAKEN, **body}, 201


def create_order_sync(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    return {"id": TAKEN, **body}, 201


async def broken() -> dict[str, Any]:
    return {"message": 1, "n": "not a number"}


def hello_sync(name: str, n: int) -> dict[str, Any]:
    return {"message": f"hello {name}", "n": n}


def broken_sync() -> dict[str, Any]:
    return {"message": 1, "n": "not a number"}


BLOCKING: dict[str, Callable[..., Any]] = {
    "hello": hello_sync,
    "create_order": create_order_sync,
    "create_order_sync": create_order_sync,
    "broken": broken_sync,
}


def blocking(operation_id: str) -> Callable[..., Any]:
    """Return the handler of an operation that is not async: for who has no event loop to run another on."""
    return BLOCKING[operation_id.rpartition(".")[2]]
