"""What is the PostgreSQL store's own: its URL and tables, text, servers that go away, forks, and who lives."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from funcatron.errors import SettingsError, Unavailable
from funcatron.execution import Execution, LogLine, Progress, StoredResult, new_id
from funcatron.ports import Ending, ExecutionQuery, Reservation
from funcatron.store import postgres_presence, postgres_sessions, sql
from funcatron.store.postgres import PostgresStore
from funcatron.store.postgres_schema import VERSION
from tests.services import PostgreSQL

pytestmark = pytest.mark.service

SUCCEEDED = Ending(change="succeed", result=StoredResult(body={"id": 7}))
PATIENCE = 60.0


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    with contextlib.closing(PostgresStore(database)) as made:
        yield made


def execution(**fields: Any) -> Execution:
    return Execution(**{"id": new_id(), "function": "f", "trigger": "async", "created_at": time.time(), **fields})


def reservation(key: str = "k") -> Reservation:
    now = time.time()
    return Reservation(
        function="f", key=key, principal_id="", fingerprint="1", execution_id=new_id(), deadline=now, expires_at=now
    )


def accepted(store: PostgresStore, **fields: Any) -> Execution:
    made = execution(**fields)
    assert store.create([made]) == [True]
    return made


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def rows(url: str, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(text.encode()).fetchall()


def change(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())


@contextlib.contextmanager
def another_process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


# URLs and tables


@pytest.mark.parametrize("url", ["postgresql://u:hush%ss@h/d", "postgresql://u:hush@h/d?colour=blue"])
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="write postgresql://user:password@host:port/database") as refusal:
        PostgresStore(url)
    assert "hush" not in str(refusal.value)


def test_the_tables_are_in_a_schema_of_their_own(postgresql: PostgreSQL) -> None:
    with contextlib.closing(PostgresStore(postgresql.url)) as store:
        accepted(store)
    found = rows(postgresql.url, "select table_name from information_schema.tables where table_schema = 'funcatron'")
    assert {"execution", "log", "worker", "funcatron_version"} <= {name for (name,) in found}
    assert rows(postgresql.url, "select 1 from information_schema.tables where table_schema = 'public'") == []


def test_every_column_that_a_record_has_is_there(store: PostgresStore, database: str) -> None:
    assert store.counts() == {}
    text = "select column_name from information_schema.columns where table_schema = current_schema() and table_name = "
    assert {*sql.COLUMNS, "lost"} == {name for (name,) in rows(database, f"{text}'execution'")}
    assert {*sql.LOG_COLUMNS, "id"} == {name for (name,) in rows(database, f"{text}'log'")}


def test_options_of_the_url_are_honoured(database: str) -> None:
    store = PostgresStore(f"{database}%20-cstatement_timeout%3D1234&application_name=mine")
    with contextlib.closing(store):
        found = store._sessions.run(
            lambda session: session.execute(
                "select current_schema(), current_setting('statement_timeout'), current_setting('application_name')"
            ).fetchone()
        )
    assert found is not None
    assert found[0].startswith("test")
    assert found[1:] == ("1234ms", "mine")


def test_many_processes_may_make_the_tables_at_once(database: str) -> None:
    code = """
        import sys
        from funcatron.store.postgres import PostgresStore
        sys.stdin.readline()
        print(PostgresStore(sys.argv[1]).counts())
    """
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(another_process(code, database)) for _ in range(4)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        assert [process.stdout.readline() for process in processes if process.stdout] == ["{}\n"] * 4
    assert rows(database, "select version from funcatron_version") == [(VERSION,)]


def test_newer_tables_are_refused(store: PostgresStore, database: str) -> None:
    store.counts()
    change(database, f"update funcatron_version set version = {VERSION + 1}")
    with (
        contextlib.closing(PostgresStore(database)) as late,
        pytest.raises(SettingsError, match=rf"newer funcatron \(schema {VERSION + 1}, this one knows {VERSION}\)"),
    ):
        late.counts()


def test_tables_of_another_program_are_refused_and_left_alone(postgresql: PostgreSQL) -> None:
    change(postgresql.url, "create schema taken; create table taken.log (line text)")
    with (
        contextlib.closing(PostgresStore(f"{postgresql.url}?options=-csearch_path%3Dtaken")) as store,
        pytest.raises(SettingsError, match=r"another program's: name another schema"),
    ):
        store.counts()
    found = rows(postgresql.url, "select table_name from information_schema.tables where table_schema = 'taken'")
    assert found == [("log",)]


def test_who_may_not_make_the_tables_is_told_what_to_do(postgresql: PostgreSQL) -> None:
    change(postgresql.url, "create role poor login")
    url = postgresql.url.replace("postgres:secret", "poor:secret") + "?options=-csearch_path%3Dpalace"
    with (
        contextlib.closing(PostgresStore(url)) as store,
        pytest.raises(SettingsError, match="'create schema palace authorization poor'") as refusal,
    ):
        store.counts()
    assert "secret" not in str(refusal.value)
    change(postgresql.url, "create schema palace authorization poor")
    with contextlib.closing(PostgresStore(url)) as store:
        assert store.counts() == {}


def test_rights_that_were_taken_away_are_waited_for(postgresql: PostgreSQL) -> None:
    change(postgresql.url, "create role robbed login; create schema robbed authorization robbed")
    url = postgresql.url.replace("postgres:secret", "robbed:secret") + "?options=-csearch_path%3Drobbed"
    with contextlib.closing(PostgresStore(url)) as store:
        assert store.counts() == {}
        change(postgresql.url, "alter table robbed.execution owner to postgres")
        with pytest.raises(Unavailable, match="permission denied for table execution"):
            store.counts()
        change(postgresql.url, "alter table robbed.execution owner to robbed")
        assert store.counts() == {}


def test_a_database_of_another_encoding_is_refused(postgresql: PostgreSQL) -> None:
    change(postgresql.url, "create database latin encoding 'LATIN1' template template0")
    with (
        contextlib.closing(PostgresStore(postgresql.url.removesuffix("postgres") + "latin")) as store,
        pytest.raises(SettingsError, match="encoding is LATIN1, and must be UTF8"),
    ):
        store.counts()


def test_tables_that_were_dropped_are_made_anew(store: PostgresStore, database: str) -> None:
    store.counts()
    change(database, "do $$ begin execute format('drop schema %I cascade', current_schema()); end $$")
    assert store.counts() == {}


# Text


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", "\x1a", "\x1a0000", "a\x1ab\0\udfff☃"])
def test_no_text_loses_an_execution(store: PostgresStore, odd: str) -> None:
    given = execution(
        id=f"id {odd}",
        function=odd,
        input={odd: odd},
        event_source=odd,
        event_id=odd,
        principal={"id": odd},
        headers={"x": odd},
    )
    assert store.create([given, execution(id="id \\x1a0000"), execution(id="id ab")]) == [True, True, True]
    assert store.get(given.id) == given
    assert store.find(function=odd, event_source=odd, event_id=odd) == given
    assert store.create([given, execution(id="new")]) == [False, True]
    assert [one.id for one in store.list(ExecutionQuery(function=odd))[0]] == [given.id]
    assert store.start(given.id, worker=odd, deadline=None) is not None
    store.progress(given.id, 1, Progress(1, note=odd))
    line = LogLine(time=1.0, level="info", logger=odd, message=odd)
    store.log(given.id, [line])
    assert store.logs(given.id) == [line]
    store.published([given], 1.0)
    ended = store.finish(given.id, 1, Ending(change="fail", problem={"detail": odd}, failure="handler"))
    assert ended is not None
    assert ended.problem == {"detail": odd}
    assert ended.progress == Progress(1, note=odd)


def test_texts_that_are_written_alike_are_not_taken_for_one(store: PostgresStore) -> None:
    assert store.create([execution(id="\0"), execution(id="\x1a0000"), execution(id="0000")]) == [True] * 3


# Servers that go away


CALLS: list[tuple[str, Callable[[PostgresStore], object]]] = [
    ("create", lambda store: store.create([execution()])),
    ("get", lambda store: store.get("x")),
    ("find", lambda store: store.find(function="f", event_source="s", event_id="x")),
    ("list", lambda store: store.list(ExecutionQuery())),
    ("start", lambda store: store.start("x", worker="w", deadline=None)),
    ("finish", lambda store: store.finish("x", 1, SUCCEEDED)),
    ("lose", lambda store: store.lose("x", 1, SUCCEEDED)),
    ("cancel", lambda store: store.cancel("x")),
    ("redrive", lambda store: store.redrive("x")),
    ("fail", lambda store: store.fail("x", {}, "lost")),
    ("progress", lambda store: store.progress("x", 1, Progress(1))),
    ("log", lambda store: store.log("x", [LogLine(1.0, "info", "l", "m")])),
    ("logs", lambda store: store.logs("x")),
    ("attempts", lambda store: store.attempts("x")),
    ("reserve", lambda store: store.reserve(reservation())),
    ("settle", lambda store: store.settle(reservation(), None)),
    ("due", lambda store: store.due(now=1.0, stale=1.0, limit=1)),
    ("published", lambda store: store.published([execution()], 1.0)),
    ("expire", lambda store: store.expire(1.0)),
    ("running", lambda store: store.running()),
    ("purge", lambda store: store.purge(1.0)),
    ("counts", lambda store: store.counts()),
    ("lease", lambda store: store.lease()),
    ("alive", lambda store: store.alive("w")),
]


def test_whatever_is_asked_while_the_server_is_away_is_unavailable(
    postgresql: PostgreSQL, store: PostgresStore
) -> None:
    made = accepted(store)
    postgresql.stop()
    try:
        for name, call in CALLS:
            with pytest.raises(Unavailable, match=rf"postgresql://127.0.0.1:{postgresql.port}/postgres: ") as refusal:
                call(store)
            assert "secret" not in str(refusal.value), name
    finally:
        postgresql.start()
    assert store.get(made.id) == made
    assert store.counts() == {"queued": 1}


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_between_two_calls_is_not_noticed(postgresql: PostgreSQL, store: PostgresStore, end: str) -> None:
    with ThreadPoolExecutor(3) as threads:  # several connections that will be broken
        barrier = threading.Barrier(3)
        list(threads.map(lambda _: store._sessions.run(lambda session: barrier.wait(PATIENCE)), range(3)))
    made = accepted(store)
    getattr(postgresql, end)()
    postgresql.start()
    assert store.create([made, execution()]) == [True, True], "nobody knows whether this is the first time"
    assert store.start(made.id, worker="w", deadline=None) is not None
    postgresql.kill()
    postgresql.start()
    assert store.finish(made.id, 1, SUCCEEDED) is not None
    assert store.create([made]) == [False]


def test_a_server_that_hangs_is_unavailable(
    postgresql: PostgreSQL, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = accepted(store)
    monkeypatch.setattr(postgres_sessions.Session, "patience", 0.5)
    with postgresql.held(), pytest.raises(Unavailable, match="has not answered for"):
        store.start(made.id, worker="w", deadline=None)
    monkeypatch.undo()
    started = store.start(made.id, worker="w", deadline=None)
    assert started is not None
    assert started.attempt == 1, "whether the first call came through or not"


def test_a_statement_that_takes_too_long_is_unavailable(store: PostgresStore, database: str) -> None:
    made = accepted(store)
    with contextlib.closing(PostgresStore(f"{database}%20-cstatement_timeout%3D1000")) as hasty:
        hasty.counts()
        with psycopg.connect(database) as holder:
            holder.execute("select 1 from execution for update")
            with pytest.raises(Unavailable, match="canceling statement due to statement timeout"):
                hasty.cancel(made.id)
        assert hasty.get(made.id) == made


class Lossy:
    """Stands between a client and the server; can hold back what the server says, and hang up instead."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.losing = False
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for end in (self._listener, *self._ends):
            end.close()

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._ends += [client, server]
                self._start(self._pass, client, server, False)
                self._start(self._pass, server, client, True)

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if answers and self.losing:
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def lossy(postgresql: PostgreSQL) -> Iterator[Lossy]:
    made = Lossy(postgresql.port)
    yield made
    made.close()


def test_a_change_whose_answer_was_lost_is_made_once(
    postgresql: PostgreSQL, database: str, lossy: Lossy, store: PostgresStore
) -> None:
    url = database.replace(str(postgresql.port), str(lossy.port))

    def attempt(call: Callable[[PostgresStore], Execution | None]) -> Execution | None:
        """Make a call whose answer is lost, and the same one again."""
        with contextlib.closing(PostgresStore(url)) as client:
            client.counts()
            lossy.losing = True
            with pytest.raises(Unavailable):
                call(client)
            lossy.losing = False
            return call(client)

    made = accepted(store)
    started = attempt(lambda client: client.start(made.id, worker="w", deadline=None))
    assert started is not None
    assert (started.state, started.attempt) == ("running", 1)
    due = time.time()
    waiting = attempt(lambda client: client.finish(made.id, 1, Ending(change="retry", due_at=due)))
    assert waiting is not None
    assert waiting.due_at == due
    assert store.start(made.id, worker="other", deadline=None) is not None
    assert attempt(lambda client: client.start(made.id, worker="w", deadline=None)) is None, "it is another's"
    cancelled = attempt(lambda client: client.cancel(made.id))
    assert cancelled is not None
    assert cancelled.state == "cancelled"
    assert attempt(lambda client: client.redrive(made.id)) == store.get(made.id)


def test_two_that_stand_in_each_others_way_both_get_through(database: str) -> None:
    with contextlib.closing(PostgresStore(f"{database}%20-cdeadlock_timeout%3D10")) as store:
        _stand_in_each_others_way(store)


def _stand_in_each_others_way(store: PostgresStore) -> None:
    made = [execution() for _ in range(200)]
    store.create(made)
    barrier = threading.Barrier(4)

    def publish(number: int) -> None:
        barrier.wait()
        for _ in range(5):
            store.published(made if number % 2 else made[::-1], time.time())

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(publish, range(4)))


def test_more_threads_than_connections_take_turns(store: PostgresStore, database: str) -> None:
    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(lambda _: store.create([execution()]), range(100))) == [[True]] * 100
    assert len(store._sessions._open) <= postgres_sessions.MOST
    store.close()
    assert len(store._sessions._open) == 0


# Forks


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_parent_and_forked_child_both_go_on(store: PostgresStore) -> None:
    made = accepted(store)
    lease = store.lease()
    child = os.fork()
    if child == 0:
        fine = store.start(made.id, worker="child", deadline=None) is not None
        fine = fine and not lease.held
        lease.release()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lease.held
    assert store.alive(lease.id)
    found = store.get(made.id)
    assert found is not None
    assert found.worker == "child"
    lease.release()


# Who lives


WORKER = """
    import os, sys
    from funcatron.store.postgres import PostgresStore
    store = PostgresStore(sys.argv[1])
    lease = store.lease()
    {then}
    print(lease.id, flush=True)
    sys.stdin.readline()
    lease.release()
    print("released", flush=True)
"""


@contextlib.contextmanager
def worker(url: str, then: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    with another_process(textwrap.dedent(WORKER).format(then=then), url) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


def test_nothing_is_known_of_strangers(store: PostgresStore) -> None:
    assert store.alive("nobody")


def test_a_worker_lives_until_it_leaves(store: PostgresStore, database: str) -> None:
    with worker(database) as (process, name):
        assert store.alive(name)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "released\n"
        assert not store.alive(name)


@pytest.mark.parametrize("fork", ["", "if os.fork() == 0: sys.stdin.read(); os._exit(0)"])
def test_the_server_ends_the_lock_of_a_killed_worker(store: PostgresStore, database: str, fork: str) -> None:
    with worker(database, fork) as (process, name):
        assert store.alive(name)
        process.kill()
        process.wait()
        until(lambda: not store.alive(name), "its death to be noticed")


def test_the_killed_worker_of_another_machine_is_waited_for_as_it_may_be_cut_off(
    store: PostgresStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_presence, "has_ended", lambda process: False)
    with worker(database) as (process, name):
        process.kill()
        process.wait()
        monkeypatch.setattr(postgres_presence, "LOST", PATIENCE)
        assert store.alive(name)
        monkeypatch.setattr(postgres_presence, "LOST", 0.0)
        until(lambda: not store.alive(name), "it to be given up")


def test_a_worker_that_was_cut_off_comes_back_and_lives_all_the_while(
    store: PostgresStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_presence, "EVERY", 0.1)
    monkeypatch.setattr(postgres_presence, "BACK", 0.05)
    lease = store.lease()
    mine = rows(database, "select pid from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock'")
    for (pid,) in mine:
        change(database, f"select pg_terminate_backend({pid})")
    held = "select 1 from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and not pid = any(array{})"
    while not rows(database, held.format([pid for (pid,) in mine])):
        assert store.alive(lease.id)
    assert store.alive(lease.id)
    lease.release()
    assert not store.alive(lease.id)


def test_a_restart_of_the_server_kills_nobody(
    postgresql: PostgreSQL, store: PostgresStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_presence, "has_ended", lambda process: False)  # as on another machine
    monkeypatch.setattr(postgres_presence, "BACK", 0.05)
    monkeypatch.setattr(postgres_presence, "EVERY", 0.05)
    lease = store.lease()
    with worker(database) as (process, name):
        assert store.alive(name)
        postgresql.kill()
        process.kill()
        process.wait()
        postgresql.start()
        assert store.alive(name), "nobody can be back yet"
        assert store.alive(lease.id)
        back = "select id from worker where server = pg_postmaster_start_time()"
        until(lambda: rows(database, back) == [(lease.id,)], "the other one to come back")
        monkeypatch.setattr(postgres_presence, "RETURNING", 0.0)
        assert not store.alive(name)
        assert store.alive(lease.id)
    lease.release()
    assert not store.alive(lease.id)


def test_workers_of_old_are_forgotten_unless_something_runs(store: PostgresStore, database: str) -> None:
    leases = [store.lease() for _ in range(3)]
    made = accepted(store)
    store.start(made.id, worker=leases[0].id, deadline=None)
    for lease in leases:
        lease.release()
    store.purge(0.0)
    assert rows(database, "select id from worker") == [(leases[0].id,)]
