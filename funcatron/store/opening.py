"""How an SQLite file is found, opened and brought to the present schema; and what its errors mean to people."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

from funcatron.errors import SettingsError, StoreUnavailable
from funcatron.store.schema import APPLICATION_ID, MIGRATIONS, VERSION

__all__ = ["begin", "check_writable", "connect", "is_ours", "migrate", "path_of", "unavailable"]

BUSY_TIMEOUT = 10.0  # seconds a transaction waits for those of other processes
SHORTEST_PAUSE, LONGEST_PAUSE = 0.0001, 0.002  # seconds between two attempts to begin one

CHECKPOINT_PAGES = 4000
"""Pages of the write-ahead log (16 MB) after which they are moved into the database: what is written again and again,
as the upper pages of indexes are, is then moved once."""

OURS = (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError)
"""Errors that are mistakes of this package."""

_LOCKED = "another process keeps it locked: look for one that hangs, or is stopped, with the file open"
_REMEDIES = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_FULL": "the disk is full: free some space",
    "SQLITE_READONLY": "it may not be written: mind the rights of the file, of its folder and of the file system",
    "SQLITE_PERM": "it may not be opened: mind the rights of the file and its folder",
    "SQLITE_CANTOPEN": "it cannot be opened: mind the rights of the file and its folder, and the limit of open files",
    "SQLITE_CORRUPT": "it is damaged: stop everything, then restore a copy, or rescue it with .recover of sqlite3",
    "SQLITE_NOTADB": "it is not an SQLite file: name another file, or move this one away",
    "SQLITE_IOERR": "reading or writing failed: look at the disk and the system's log",
}


def path_of(url: str) -> Path:
    """Return the file that ``sqlite:////absolute/file`` or ``sqlite:///relative/file`` names, made absolute.

    The path is taken as it stands: nothing is decoded, no query is split off. Raises SettingsError for anything else.
    """
    scheme, found, path = url.partition(":///")
    if scheme != "sqlite" or not found or not path.strip("/"):
        raise SettingsError(f"{url!r} names no SQLite file: write sqlite:////absolute/file or sqlite:///relative/file")
    return Path(path).absolute()


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, make it and its folder if they are missing; each commit is to be on the disk (FULL).

    Raises sqlite3.Error, Unavailable where there can be no folder, SettingsError where there can be no WAL.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"the folder {path.parent} cannot be made: {error.strerror}") from error
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        (mode,) = connection.execute("pragma journal_mode=wal").fetchone()
        if mode != "wal":
            raise SettingsError(f"{path}: SQLite's write-ahead log does not work on this file system")
        connection.execute("pragma synchronous=full")
        connection.execute(f"pragma wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute("pragma secure_delete=fast")  # where it is on: pages that are free are not written for that
    except BaseException:
        connection.close()
        raise
    return connection


def check_writable(path: Path) -> None:
    """Open the file for writing once, before others rely on it; raises Unavailable or SettingsError saying why not."""
    try:
        connection = connect(path)
        try:
            begin(connection)
            connection.execute("rollback")
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise unavailable(error, path) from error


def begin(connection: sqlite3.Connection) -> None:
    """Begin a transaction that may write, as soon as no other process is in one.

    SQLite's own way to wait (pauses that grow to 0.1 s) is made for longer transactions than ours: under load it
    leaves the file idle most of the time.
    """
    until, pause = 0.0, SHORTEST_PAUSE
    while True:
        try:
            connection.execute("begin immediate")
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            until = until or now + BUSY_TIMEOUT
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or now > until:
                raise
            time.sleep(random.uniform(0, pause))  # noqa: S311 - so that those who wait do not march in step
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            return


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the present schema. Raises SettingsError for a file that is not ours, or newer than we are."""
    if _version(connection, path) == VERSION:
        return
    begin(connection)
    for script in MIGRATIONS[_version(connection, path) :]:  # asked again: another process may have been first
        for statement in script.split(";"):
            connection.execute(statement)
    connection.execute(f"pragma application_id={APPLICATION_ID}")
    connection.execute(f"pragma user_version={VERSION}")
    connection.execute("commit")


def is_ours(error: sqlite3.DatabaseError) -> bool:
    """Tell whether the error is a mistake of this package, and nothing that the file or its system could help."""
    return isinstance(error, OURS)


def unavailable(error: sqlite3.DatabaseError, path: Path) -> StoreUnavailable:
    """Return an error of SQLite as one that says what to do about it."""
    name = getattr(error, "sqlite_errorname", "")
    remedy = _REMEDIES.get("_".join(name.split("_")[:2]))
    return StoreUnavailable(f"{path}: {error} ({remedy})" if remedy else f"{path}: {error}")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("pragma user_version").fetchone()
    (application,) = connection.execute("pragma application_id").fetchone()
    (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise SettingsError(f"{path} is an SQLite file of another program: name another file")
    if version > VERSION:
        raise SettingsError(
            f"{path} was written by a newer funcatron (schema {version}, this one knows {VERSION}): "
            "upgrade funcatron, or name another file"
        )
    return int(version)
