"""The tables of the embedded store: records, their logs, and the queues that the SQLite transport serves.

``user_version`` holds the version, ``application_id`` says that the file is ours. To change the schema, append a script
to ``MIGRATIONS``: script n leads from version n to n + 1. A script that has been released is never edited.
"""

from __future__ import annotations

from typing import Final

__all__ = ["APPLICATION_ID", "MIGRATIONS", "VERSION"]

APPLICATION_ID: Final = 0x66756E63  # "func"

_RECORDS = """
create table execution (
    id text primary key, function text not null, trigger text not null, queue text not null, state text not null,
    attempt integer not null, created_at real not null, started_at real, ended_at real, due_at real, deadline real,
    expires_at real, published_at real, lost integer not null default 0, worker text, failure text, project_id text,
    principal_id text, event_source text, event_id text, idempotency_key text, fingerprint text, principal text,
    progress text, headers text, event text, input text not null, problem text, result text
);
create index execution_created on execution (created_at, id);
create index execution_state on execution (state, created_at);
create index execution_due on execution (due_at) where due_at is not null;
create index execution_expires on execution (expires_at) where expires_at is not null;
create unique index execution_event on execution (event_source, event_id, function) where event_id is not null;
create unique index execution_idempotency on execution (function, idempotency_key, coalesce(principal_id, ''))
    where idempotency_key is not null;

create table log (
    id integer primary key autoincrement, execution text not null, attempt integer not null, time real not null,
    level text not null, logger text not null, message text not null
);
create index log_execution on log (execution);
"""

# A message is free (no owner), or claimed: owner is the id of a lease, and whoever's lease is dead loses his claims.
# A queue with holders is temporary: it goes with the last of them (AMQP's auto-delete and exclusive queues).
_QUEUES = """
create table message (
    id integer primary key autoincrement, queue text not null, payload blob not null, owner text,
    attempts integer not null default 0, redelivered integer not null default 0, due real not null default 0,
    execution text
);
create index message_free on message (queue, id) where owner is null;
create index message_owned on message (owner) where owner is not null;
create index message_execution on message (execution) where execution is not null;

create table exchange (name text primary key, type text not null);
create table binding (
    exchange text not null, routing_key text not null, queue text not null, primary key (exchange, routing_key, queue)
) without rowid;
create index binding_queue on binding (queue);
create table queue (name text primary key) without rowid;
create table holder (owner text not null, queue text not null, primary key (owner, queue)) without rowid;
create index holder_queue on holder (queue);
"""

# A key has a row of its own, so that a sync call needs no record, and a record no key.
_KEYS_AND_ATTEMPTS = """
drop index execution_idempotency;
alter table execution drop column idempotency_key;
alter table execution drop column fingerprint;
create table idempotency (
    function text not null, idempotency_key text not null, principal_id text not null, fingerprint text not null,
    execution_id text not null, deadline real not null, expires_at real not null, result text,
    primary key (function, idempotency_key, principal_id)
);
create index idempotency_expires on idempotency (expires_at);

create table attempt (
    id integer primary key autoincrement, execution text not null, attempt integer not null, started_at real,
    ended_at real not null, worker text, failure text, problem text not null
);
create index attempt_execution on attempt (execution);
"""

# A turn is a place in the line of those with the same order_key, from acceptance (or redrive) to the end.
_GATES = """
alter table execution add column order_key text;
alter table execution add column gate text;
alter table execution add column concurrency integer;
create index execution_gate on execution (gate, function, created_at) where gate is not null;

create table turn (position integer primary key autoincrement, line text not null, execution text not null unique);
create index turn_line on turn (line, position);
"""

# A project's own executions, the newest first.
_PROJECTS = """
create index execution_project on execution (project_id, created_at, id) where project_id is not null;
"""

# Most executions have succeeded, and nobody looks for one by that: the end of each writes one page less. Written with
# "or" and not with "in", because only so SQLite sees that state = 'running' is among them.
_STATES_BUT_SUCCEEDED = """
drop index execution_state;
create index execution_state on execution (state, created_at) where state = 'queued' or state = 'running'
    or state = 'retrying' or state = 'failed' or state = 'cancelled' or state = 'expired';
"""

# The lease of the process that makes the call: when it ends without an answer, the key is free.
_OWNERS_OF_KEYS = "alter table idempotency add column owner text"

# The states in the opposite order: those that run stand beside the oldest of those that are queued, so a start and the
# end before it write one page.
_RUNNING_BESIDE_QUEUED = """
drop index execution_state;
create index execution_state on execution (state desc, created_at) where state = 'queued' or state = 'running'
    or state = 'retrying' or state = 'failed' or state = 'cancelled' or state = 'expired';
"""

MIGRATIONS: Final = (
    _RECORDS + _QUEUES,
    _KEYS_AND_ATTEMPTS,
    _GATES,
    _PROJECTS,
    _STATES_BUT_SUCCEEDED,
    _OWNERS_OF_KEYS,
    _RUNNING_BESIDE_QUEUED,
)
VERSION: Final = len(MIGRATIONS)
