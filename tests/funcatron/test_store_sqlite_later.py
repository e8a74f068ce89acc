"""Ends that are written with what comes next: one transaction for each execution, and nothing lost but the last end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import Unavailable
from funcatron.execution import Execution, StoredResult, new_id
from funcatron.ports import Ending, Message
from funcatron.store import syncing
from funcatron.store.database import Database
from funcatron.store.sqlite import SQLiteStore

DONE = Ending(change="succeed", result=StoredResult(body={"n": 1}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "f.db"


@pytest.fixture
def store(file: Path) -> Iterator[SQLiteStore]:
    """A store whose file is the queue too."""
    with contextlib.closing(SQLiteStore(f"sqlite:///{file}")) as made:
        made.carry(lambda execution: Message("q", b"{}"))
        yield made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written because time has passed."""
    monkeypatch.setattr(syncing, "DELAY", 3600.0)


def started(store: SQLiteStore, **fields: Any) -> Execution:
    record = Execution(**{"id": new_id(), "function": "f", "trigger": "async", "created_at": time.time(), **fields})
    store.create([record], [Message("q", b"{}")])
    running = store.start(record.id, worker="w", deadline=None)
    assert running is not None
    return running


def on_file(file: Path) -> dict[str, str]:
    """Return what every other process sees."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return dict(connection.execute("select id, state from execution").fetchall())


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.005)


@pytest.mark.usefixtures("patient")
def test_an_end_goes_with_the_next_start(store: SQLiteStore, file: Path) -> None:
    first = started(store)
    after = store.finish_later(first, DONE)
    assert after is not None
    assert (after.state, after.result, after.attempt, after.deadline) == ("succeeded", DONE.result, 1, None)
    assert on_file(file) == {first.id: "running"}
    second = started(store)
    assert on_file(file) == {first.id: "succeeded", second.id: "running"}
    assert store.get(first.id) == after


@pytest.mark.usefixtures("patient")
def test_an_end_goes_with_its_message_at_the_latest(store: SQLiteStore, file: Path) -> None:
    first = started(store)
    store.finish_later(first, DONE)
    database = Database.share(file)
    with database.write(on_disk="sometime") as connection:
        connection.execute("delete from message")
    database.close()
    assert on_file(file) == {first.id: "succeeded"}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("ask", ["get", "list", "counts", "running"])
def test_the_process_itself_sees_it_at_once(store: SQLiteStore, ask: str) -> None:
    first = started(store)
    store.finish_later(first, DONE)
    if ask == "get":
        found = store.get(first.id)
        assert found is not None
        assert found.state == "succeeded"
    elif ask == "counts":
        assert store.counts() == {"succeeded": 1}
    else:
        assert store.running() == []


def test_where_nothing_comes_next_it_is_written_soon(store: SQLiteStore, file: Path) -> None:
    first = started(store)
    store.finish_later(first, DONE)
    until(lambda: on_file(file) == {first.id: "succeeded"})


@pytest.mark.usefixtures("patient")
def test_closing_writes_it(store: SQLiteStore, file: Path) -> None:
    first = started(store)
    store.finish_later(first, DONE)
    store.close()
    assert on_file(file) == {first.id: "succeeded"}


def test_what_others_wait_for_is_not_left_for_later(store: SQLiteStore, file: Path) -> None:
    assert store.finish_later(started(store), Ending(change="fail", problem={"status": 500})) is None
    assert store.finish_later(started(store, order_key="line"), DONE) is None
    limited = started(store)
    running = store.start(limited.id, worker="w", deadline=None)
    assert running is None
    with contextlib.closing(SQLiteStore(f"sqlite:///{file}")) as elsewhere:  # its messages are another broker's
        assert elsewhere.finish_later(limited, DONE) is None


@pytest.mark.usefixtures("patient")
def test_what_was_cancelled_meanwhile_stays_cancelled(
    store: SQLiteStore, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = started(store)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as another_process:
        another_process.execute("update execution set state = 'cancelled'")
    store.finish_later(first, DONE)
    with caplog.at_level(logging.INFO):
        started(store)
    assert on_file(file)[first.id] == "cancelled"
    assert f"{first.id} was ended by others" in caplog.text


@pytest.mark.usefixtures("patient")
def test_it_is_kept_while_the_file_is_out_of_reach(
    store: SQLiteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = started(store), started(store)
    store.finish_later(first, DONE)
    monkeypatch.setattr("funcatron.store.opening.BUSY_TIMEOUT", 0.0)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as another_process:
        another_process.execute("begin immediate")
        with pytest.raises(Unavailable):
            store.finish(second.id, 1, DONE)
        another_process.execute("rollback")
    assert store.finish(second.id, 1, DONE) is not None
    assert on_file(file) == {first.id: "succeeded", second.id: "succeeded"}


def test_what_can_never_be_written_stands_in_nobodys_way(
    store: SQLiteStore, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = started(store)
    database = Database.share(file)
    database.write_later(lambda connection: connection.execute("insert into queue (name) values (null)") and None)
    database.write_later(
        lambda connection: connection.execute("insert into queue (name) values (?)", ("\ud800",)) and None
    )
    database.close()
    assert store.finish(first.id, 1, DONE) is not None
    assert caplog.text.count("cannot be written") == 2


def test_a_transaction_that_is_interrupted_has_not_happened(store: SQLiteStore, file: Path) -> None:
    first = started(store)
    database = Database.share(file)
    with contextlib.suppress(KeyboardInterrupt), database.write() as connection:
        connection.execute("delete from execution")
        raise KeyboardInterrupt
    transaction = database.write()
    transaction.__enter__().execute("delete from execution")
    del transaction  # as if an exception of a signal's handler had come before the first line of ``__exit__``
    other = threading.Thread(target=store.finish, args=(first.id, 1, DONE))
    other.start()
    other.join(30)
    database.close()
    assert on_file(file) == {first.id: "succeeded"}


@pytest.mark.usefixtures("patient")
def test_a_forked_child_leaves_it_to_its_parent(store: SQLiteStore, file: Path) -> None:
    first = started(store)
    store.finish_later(first, DONE)
    pid = os.fork()
    if pid == 0:
        try:
            store._database.write_now()
            os._exit(0 if on_file(file) == {first.id: "running"} else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert store.counts() == {"succeeded": 1}


def test_a_process_that_is_killed_in_between_has_its_last_attempt_repeated(store: SQLiteStore, file: Path) -> None:
    first = started(store)
    program = f"""
        import os, signal
        from funcatron.ports import Ending, Message
        from funcatron.store import syncing
        from funcatron.store.sqlite import SQLiteStore
        syncing.DELAY = 3600.0
        store = SQLiteStore("sqlite:///{file}")
        store.carry(lambda execution: Message("q", b""))
        store.finish_later(store.get("{first.id}"), Ending(change="succeed"))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert on_file(file) == {first.id: "running"}
    lost = store.lose(first.id, 1, Ending(change="retry", problem={"status": 500}, failure="lost"))
    assert lost is not None
    again = store.start(first.id, worker="v", deadline=None)
    assert again is not None
    assert again.attempt == 2


def test_closing_and_opening_again_leaves_no_thread_behind(file: Path) -> None:
    def threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "funcatron-sync"}

    before = threads()
    for _ in range(20):
        with contextlib.closing(SQLiteStore(f"sqlite:///{file}")) as store:
            started(store)
    for thread in threads() - before:
        thread.join(30)
        assert not thread.is_alive()
