"""Exchanges, queues and bindings in the file, so that producers and consumers in different processes agree on them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from kombu.transport.virtual.exchange import TopicExchange as KombuTopicExchange

from funcatron.store.database import Database
from funcatron_celery.sqlite.messages import delete_queue

__all__ = ["TopicExchange", "Topology", "matches"]


class Topology:
    """What is declared in one file. Asking is cheap; nothing is written that is there already."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def exchange(self, name: str) -> str | None:
        """Return the type of an exchange, None if it is not declared."""
        row = self._row("select type from exchange where name = ?", name)
        return None if row is None else str(row[0])

    def declare_exchange(self, name: str, kind: str) -> str:
        """Declare an exchange if there is none of this name; return its type."""
        if (found := self.exchange(name)) is not None:
            return found
        self._write("insert into exchange (name, type) values (?, ?) on conflict do nothing", name, kind)
        return self.exchange(name) or kind

    def delete_exchange(self, name: str) -> None:
        """Delete an exchange and its bindings; its queues stay."""
        self._write("delete from binding where exchange = ?", name)
        self._write("delete from exchange where name = ?", name)

    def exchanges(self) -> list[str]:
        """Return the names of all exchanges."""
        with self._database.read() as connection:
            return [name for (name,) in connection.execute("select name from exchange order by name")]

    def has_queue(self, name: str) -> bool:
        """Tell whether the queue is declared, or holds messages."""
        text = "select 1 from queue where name = :name union all select 1 from message where queue = :name limit 1"
        with self._database.read() as connection:
            return connection.execute(text, {"name": name}).fetchone() is not None

    def declare_queue(self, name: str, holder: str | None) -> None:
        """Declare a queue; with a ``holder`` (the id of a lease) it is temporary and goes with its last holder."""
        if self._row("select 1 from queue where name = ?", name) is None:
            self._write("insert into queue (name) values (?) on conflict do nothing", name)
        if holder is not None:
            self._hold(name, holder)

    def hold(self, name: str, holder: str) -> None:
        """Keep a temporary queue alive; nothing happens to another one."""
        if self._row("select 1 from holder where queue = ? limit 1", name) is not None:
            self._hold(name, holder)

    def delete_queue(self, name: str) -> None:
        """Delete a queue with its messages and bindings."""
        with self._database.write() as connection:
            delete_queue(connection, name)

    def bind(self, exchange: str, routing_key: str, queue: str) -> None:
        """Lead an exchange's messages with this routing key (or pattern) to a queue."""
        known = "select 1 from binding where exchange = ? and routing_key = ? and queue = ?"
        if self._row(known, exchange, routing_key, queue) is None:
            text = "insert into binding (exchange, routing_key, queue) values (?, ?, ?) on conflict do nothing"
            self._write(text, exchange, routing_key, queue)

    def unbind(self, exchange: str, routing_key: str, queue: str) -> None:
        """Undo ``bind``."""
        self._write(
            "delete from binding where exchange = ? and routing_key = ? and queue = ?", exchange, routing_key, queue
        )

    def bindings(self, exchange: str) -> Sequence[tuple[str, str]]:
        """Return (routing key, queue) of everything bound to the exchange."""
        with self._database.read() as connection:
            return connection.execute(
                "select routing_key, queue from binding where exchange = ?", (exchange,)
            ).fetchall()

    def _hold(self, name: str, holder: str) -> None:
        if self._row("select 1 from holder where owner = ? and queue = ?", holder, name) is None:
            self._write("insert into holder (owner, queue) values (?, ?) on conflict do nothing", holder, name)

    def _row(self, text: str, *parameters: str) -> tuple[object, ...] | None:
        with self._database.read() as connection:
            row: tuple[object, ...] | None = connection.execute(text, parameters).fetchone()
            return row

    def _write(self, text: str, *parameters: str) -> None:
        with self._database.write() as connection:
            connection.execute(text, parameters)


class TopicExchange(KombuTopicExchange):
    """A topic exchange as AMQP 0-9-1 (3.1.3.3) has it; kombu's own takes ``#`` for one word at least."""

    def key_to_pattern(self, rkey: str) -> str:
        """Keep the binding's key as it is."""
        return rkey

    def _match(self, pattern: str, string: str) -> bool:
        return matches(pattern, string)


@functools.lru_cache(maxsize=4096)
def matches(pattern: str, routing_key: str) -> bool:
    """Tell whether a topic binding takes a routing key: ``*`` is one word, ``#`` any number of them, none included."""
    return _matches(_words(pattern), _words(routing_key))


def _words(key: str) -> list[str]:
    return key.split(".") if key else []


def _matches(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    first, *rest = pattern
    if first == "#":
        return any(_matches(rest, words[skip:]) for skip in range(len(words) + 1))
    return bool(words) and first in ("*", words[0]) and _matches(rest, words[1:])
