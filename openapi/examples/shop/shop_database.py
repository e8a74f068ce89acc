"""The shop's own data: one SQLite file that every process of the server and every worker opens for itself."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    sku TEXT PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL, price INTEGER NOT NULL, stock INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, customer TEXT NOT NULL, lines TEXT NOT NULL, total INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'placed', tracking TEXT
) WITHOUT ROWID;
"""

ITEMS = [
    ("COF-001", "Yirgacheffe, whole bean", "coffee", 1490, 1000),
    ("COF-002", "Sumatra, ground", "coffee", 1190, 1000),
    ("CUP-001", "Cup, porcelain", "cup", 990, 250),
    ("CUP-002", "Cup, enamel", "cup", 690, 500),
    ("TEA-001", "Darjeeling First Flush", "tea", 1290, 1000),
    ("TEA-002", "Sencha", "tea", 890, 1000),
    ("TEA-003", "Assam, broken leaf", "tea", 590, 1000),
]


@contextmanager
def open() -> Iterator[sqlite3.Connection]:  # noqa: A001 - reads as database.open()
    """Give a connection for reading; rows are dicts."""
    connection = _connect(Path(os.environ.get("SHOP_DATABASE", ".funcatron/shop.db")).resolve())
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def change() -> Iterator[sqlite3.Connection]:
    """Give a connection in a transaction: all of the changes, or on an exception none of them."""
    with open() as connection:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield connection


def _connect(path: Path) -> sqlite3.Connection:
    _create(path)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.row_factory = _as_dict
    return connection


@cache
def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript("BEGIN IMMEDIATE;" + SCHEMA)
        connection.executemany("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?, ?)", ITEMS)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
