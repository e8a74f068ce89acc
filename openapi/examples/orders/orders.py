"""The handlers of the orders: a payment per order, however often its message comes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from funcatron import Context, Problem, Retry

DECLINED, FLAKY = "0000", "9999"


def charge(body: dict[str, Any], context: Context) -> dict[str, Any]:
    """Take the payment: refused for good with 402, tried again while the bank does not answer.

    A message may be delivered again after a crash. ``context.id`` is the same for each of its attempts, so the
    payment is made once: the second insert finds the first one.
    """
    if body["card"] == DECLINED:
        raise Problem(402, "Card declined", f"the card of order {body['order']} was declined", order=body["order"])
    if body["card"] == FLAKY and context.attempt < 3:
        context.logger.warning("the bank does not answer, attempt %s", context.attempt)
        raise Retry("the bank does not answer", after=0.5)
    with payments() as db:
        db.execute(
            "INSERT OR IGNORE INTO payments VALUES (?, ?, ?, ?)",
            (context.id, body["order"], body["amount"], context.attempt),
        )
        payment: dict[str, Any] = db.execute("SELECT * FROM payments WHERE id = ?", (context.id,)).fetchone()
    context.logger.info("order %s is paid", body["order"])
    return payment


def list_payments(limit: int) -> list[dict[str, Any]]:
    """Return the payments, the newest first."""
    with payments() as db:
        return db.execute("SELECT * FROM payments ORDER BY rowid DESC LIMIT ?", (limit,)).fetchall()


@contextmanager
def payments() -> Iterator[sqlite3.Connection]:
    """Give the database in a transaction; rows are dicts."""
    path = Path(os.environ.get("ORDERS_DATABASE", ".funcatron/orders.db"))
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=30)
    db.row_factory = lambda cursor, row: {c[0]: v for c, v in zip(cursor.description, row, strict=True)}
    try:
        with db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS payments"
                " (id TEXT PRIMARY KEY, 'order' TEXT NOT NULL, amount INTEGER NOT NULL, attempt INTEGER NOT NULL)"
            )
            yield db
    finally:
        db.close()
