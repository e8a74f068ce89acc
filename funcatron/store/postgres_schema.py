"""The tables of the PostgreSQL store, and how a database gets them.

They stand in one schema of the database, ``funcatron`` or the first of the URL's ``search_path``, so that the database
may be shared. ``funcatron_version`` holds the version. To change the tables, append a script to ``MIGRATIONS``: script
n leads from version n to n + 1. A script that has been released is never edited. Columns are those of
``funcatron.store.schema``, with which ``funcatron.store.sql`` works.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Identifier

from funcatron.errors import SettingsError

__all__ = ["MIGRATIONS", "VERSION", "migrate"]

_LOCK: Final = 0x66756E63  # "func": the advisory lock under which tables are made

_RECORDS = """
create table execution (
    id text collate "C" primary key, function text not null, trigger text not null, queue text not null,
    state text not null, attempt bigint not null, created_at double precision not null, started_at double precision,
    ended_at double precision, due_at double precision, deadline double precision, expires_at double precision,
    published_at double precision, lost bigint not null default 0, worker text, failure text, project_id text,
    principal_id text, event_source text, event_id text, principal text, progress text, headers text, event text,
    input text not null, problem text, result text, order_key text, gate text, concurrency bigint
);
create index execution_created on execution (created_at, id);
create index execution_state on execution (state, created_at);
create index execution_due on execution (due_at) where due_at is not null;
create index execution_gate on execution (gate, function, created_at) where gate is not null;
create index execution_expires on execution (expires_at) where expires_at is not null;
create unique index execution_event on execution (event_source, event_id, function) where event_id is not null;

create table log (
    id bigint generated always as identity primary key, execution text collate "C" not null, attempt bigint not null,
    time double precision not null, level text not null, logger text not null, message text not null
);
create index log_execution on log (execution);

create table turn (
    position bigint generated always as identity primary key, line text not null, execution text collate "C" not null
    unique
);
create index turn_line on turn (line, position);

create table attempt (
    id bigint generated always as identity primary key, execution text collate "C" not null, attempt bigint not null,
    started_at double precision, ended_at double precision not null, worker text, failure text, problem text not null
);
create index attempt_execution on attempt (execution);

create table idempotency (
    function text not null, idempotency_key text not null, principal_id text not null, fingerprint text not null,
    execution_id text not null, deadline double precision not null, expires_at double precision not null, result text,
    primary key (function, idempotency_key, principal_id)
);
create index idempotency_expires on idempotency (expires_at);
"""

# Who runs executions: ``seen`` is when he said so last, ``server`` is when the server that he said it to was started.
_WORKERS = """
create table worker (
    id text collate "C" primary key, process text, server timestamptz not null, seen timestamptz not null
) with (fillfactor = 50);
"""

# A project's own executions, the newest first.
_PROJECTS = """
create index execution_project on execution (project_id, created_at, id) where project_id is not null;
"""

# The lease of the process that makes the call: when it ends without an answer, the key is free.
_OWNERS_OF_KEYS = "alter table idempotency add column owner text"

MIGRATIONS: Final = (_RECORDS + _WORKERS, _PROJECTS, _OWNERS_OF_KEYS)
VERSION: Final = len(MIGRATIONS)


def migrate(connection: psycopg.Connection, schema: str, place: str) -> None:
    """Bring the schema of this name to the present version; any number of processes may try at once.

    ``place`` is for messages. Raises SettingsError for tables that are not ours or newer than we are, where the right
    to make them is missing, and for a database that cannot hold every text; psycopg.Error.
    """
    if _version(connection, schema, place) == VERSION:
        return
    try:
        with connection.transaction():
            connection.execute("set local statement_timeout = 0")
            connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
            _make(connection, schema, place)
    except errors.InsufficientPrivilege as error:
        raise SettingsError(
            f"{place}: the tables cannot be made: {error}; let an administrator run "
            f"'create schema {schema} authorization {connection.info.user}'"
        ) from error
    except errors.DuplicateTable as error:
        raise SettingsError(
            f"{place}: {error}, and it is another program's: name another schema "
            "(?options=-csearch_path%3DNAME at the end of the URL)"
        ) from error


def _make(connection: psycopg.Connection, schema: str, place: str) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SettingsError(f"{place}: the database's encoding is {encoding}, and must be UTF8")
    if connection.execute("select 1 from pg_namespace where nspname = %s", [schema]).fetchone() is None:
        connection.execute(SQL("create schema {}").format(Identifier(schema)))
    version = _version(connection, schema, place)  # asked again: another process may have been first
    if version == 0:
        connection.execute("create table funcatron_version (version bigint not null)")
        connection.execute("insert into funcatron_version values (0)")
    for script in MIGRATIONS[version:]:
        connection.execute(script.encode())
    connection.execute("update funcatron_version set version = %s", [VERSION])


def _version(connection: psycopg.Connection, schema: str, place: str) -> int:
    table = Identifier(schema, "funcatron_version").as_string()
    if connection.execute("select to_regclass(%s)", [table]).fetchone() == (None,):
        return 0
    row = connection.execute("select version from funcatron_version").fetchone()
    version = 0 if row is None else int(row[0])
    if version > VERSION:
        raise SettingsError(
            f"{place} was written by a newer funcatron (schema {version}, this one knows {VERSION}): "
            "upgrade funcatron, or name another database"
        )
    return version
