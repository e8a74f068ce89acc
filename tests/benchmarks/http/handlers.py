"""The handlers of the contract, for funcatron and for connexion: the very same functions."""

from __future__ import annotations

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
