"""What is the SQLite store's own: messages, processes, forks, and a file system that fails."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import SettingsError, Unavailable
from funcatron.execution import Execution, new_id
from funcatron.ports import Ending, ExecutionQuery, Message
from funcatron.store.lease import Lease
from funcatron.store.opening import check_writable, path_of
from funcatron.store.schema import APPLICATION_ID, MIGRATIONS, VERSION
from funcatron.store.sqlite import SQLiteStore
from funcatron.store.wakeup import Listener

NOBODY = 65534


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "f.db"


@pytest.fixture
def store(file: Path) -> Iterator[SQLiteStore]:
    with contextlib.closing(SQLiteStore(f"sqlite:///{file}")) as made:
        yield made


def execution(**fields: Any) -> Execution:
    return Execution(**{"id": new_id(), "function": "f", "trigger": "async", "created_at": time.time(), **fields})


def rows(file: Path, text: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return connection.execute(text).fetchall()


def change(file: Path, text: str) -> None:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executescript(text)


# URLs


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/f.db", "/var/lib/f.db"),
        ("sqlite:///f.db", f"{Path.cwd()}/f.db"),
        ("sqlite:////tmp/with space %20?and=more#ä", "/tmp/with space %20?and=more#ä"),
    ],
)
def test_a_url_names_a_file(url: str, path: str) -> None:
    assert str(path_of(url)) == path


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:////", "sqlite:f.db", "postgresql:///f", "f.db", ""]
)
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="names no SQLite file: write sqlite:////"):
        SQLiteStore(url)


# Messages


def test_whether_a_file_can_be_written_is_told_beforehand(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "funcatron.db")
    (tmp_path / "file").write_text("no database at all, and no folder")
    with pytest.raises(Unavailable, match=r"the folder .*file cannot be made"):
        check_writable(tmp_path / "file" / "funcatron.db")
    with pytest.raises(Unavailable, match="it is not an SQLite file"):
        check_writable(tmp_path / "file")


def test_messages_go_in_with_their_records(store: SQLiteStore, file: Path) -> None:
    made = [execution(), execution()]
    assert store.create(made, [Message("a", b"1"), Message("b", b"2", due_at=5.0)]) == [True, True]
    found = rows(file, "select queue, payload, due, execution, owner from message order by id")
    assert found == [("a", b"1", 0.0, made[0].id, None), ("b", b"2", 5.0, made[1].id, None)]


def test_the_message_of_a_duplicate_is_left_out(store: SQLiteStore, file: Path) -> None:
    first = execution(event_source="/s", event_id="1")
    store.create([first], [Message("q", b"first")])
    again, other = execution(event_source="/s", event_id="1"), execution()
    assert store.create([again, other, other], [Message("q", b"again"), Message("q", b"o"), Message("q", b"o2")]) == [
        False, True, False,
    ]  # fmt: skip
    assert rows(file, "select payload, execution from message order by id") == [(b"first", first.id), (b"o", other.id)]


@pytest.mark.parametrize("count", [1, 3])
def test_there_is_one_message_for_each_record_or_none(store: SQLiteStore, count: int) -> None:
    with pytest.raises(ValueError, match="one message for each"):
        store.create([execution(), execution()], [Message("q", b"")] * count)
    with pytest.raises(ValueError, match="one message for each"):
        store.published([execution(), execution()], 1.0, [Message("q", b"")] * count)
    assert store.counts() == {}


def test_what_has_a_message_is_not_due(store: SQLiteStore, file: Path) -> None:
    made = execution()
    store.create([made], [Message("q", b"m")])
    later = time.time() + 1000
    assert store.due(now=later, stale=later, limit=9) == []
    change(file, "update message set owner = 'someone'")
    assert store.due(now=later, stale=later, limit=9) == [], "someone is about to start it"
    change(file, "delete from message")
    assert store.due(now=later, stale=later, limit=9) == [made]
    store.published([made], time.time(), [Message("q", b"m")])
    assert store.due(now=later, stale=later, limit=9) == []
    assert rows(file, "select payload, execution from message") == [(b"m", made.id)]


def test_a_retry_is_due_while_its_old_message_is_not_acknowledged(store: SQLiteStore) -> None:
    made = execution()
    store.create([made], [Message("q", b"m")])
    store.start(made.id, worker="w", deadline=None)
    store.finish(made.id, 1, Ending(change="retry", due_at=1.0))
    assert [one.id for one in store.due(now=2.0, stale=0.0, limit=9)] == [made.id]


def test_who_is_let_through_gets_a_message_in_the_same_transaction(store: SQLiteStore, file: Path) -> None:
    made = [execution(order_key="k", expires_at=at) for at in (None, 1.0, None)]
    store.create(made)
    store.carry(lambda one: Message(one.queue, one.id.encode()))
    for one in made:
        store.start(one.id, worker="w", deadline=None)
    lease = Lease.acquire(store.leases)
    listener = Listener(lease)
    store.finish(made[0].id, 1, Ending(change="succeed"))
    assert rows(file, "select execution, payload from message") == [], "the next one in line waits for no gate"
    store.expire(2.0)
    assert listener.wait(10)
    assert rows(file, "select execution, payload from message") == [(made[2].id, made[2].id.encode())]
    assert store.admitted("f") == []
    listener.close()
    lease.release()


def test_whoever_waits_for_messages_is_woken(store: SQLiteStore) -> None:
    lease = Lease.acquire(store.leases)
    listener = Listener(lease)
    made = execution()
    store.create([made])
    assert not listener.wait(0), "a record alone wakes nobody"
    store.create([execution()], [Message("q", b"m")])
    assert listener.wait(30)
    store.published([made], 1.0, [Message("q", b"m")])
    assert listener.wait(30)
    listener.close()
    lease.release()


def test_purge_deletes_left_over_messages(store: SQLiteStore, file: Path) -> None:
    made = execution()
    store.create([made], [Message("q", b"m")])
    store.cancel(made.id)
    assert store.purge(time.time() + 1) == 1
    assert rows(file, "select * from message") == []


# Threads, processes, forks


def test_a_reader_does_not_wait_for_the_writer(store: SQLiteStore) -> None:
    made = execution()
    store.create([made])
    with store._database.write() as connection:
        connection.execute("delete from execution")
        read: list[Execution | None] = []
        reader = threading.Thread(target=lambda: read.append(store.get(made.id)))
        reader.start()
        reader.join(30)
        assert read == [made]


def test_one_of_many_processes_starts_an_execution(store: SQLiteStore, file: Path) -> None:
    made = [execution() for _ in range(50)]
    store.create(made)
    program = textwrap.dedent("""
        import sys
        from funcatron.ports import ExecutionQuery
        from funcatron.store.sqlite import SQLiteStore
        store = SQLiteStore(sys.argv[1])
        store.counts()
        print("ready", flush=True)
        sys.stdin.readline()
        ids = [one.id for one in store.list(ExecutionQuery(limit=100))[0]]
        print(sum(store.start(one, worker="w", deadline=None) is not None for one in ids))
    """)
    command = [sys.executable, "-c", program, f"sqlite:///{file}"]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    answers = [worker.communicate("go\n", timeout=60)[0] for worker in workers]
    assert sum(map(int, answers)) == 50
    assert {one.attempt for one in store.running()} == {1}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_parent_and_forked_child_both_go_on(store: SQLiteStore) -> None:
    made = [execution() for _ in range(4)]
    store.create(made[:1])
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [store.get(made[0].id) for _ in iter(stop.is_set, True)])
    busy.start()
    for one in made[1:]:
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                code = 0 if store.create([one]) == [True] and store.get(made[0].id) == made[0] else 1
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store.start(one.id, worker="w", deadline=None) is not None
    stop.set()
    busy.join()
    assert store.counts() == {"queued": 1, "running": 3}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_nothing_of_the_file_is_open_in_a_forked_child(store: SQLiteStore, file: Path) -> None:
    store.create([execution()])
    assert store.counts() == {"queued": 1}
    child = os.fork()
    if child == 0:
        open_files = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        os._exit(sum(str(file) in name for name in open_files))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_two_stores_of_one_file_share_it(store: SQLiteStore, file: Path) -> None:
    other = SQLiteStore(f"sqlite:///{file}")
    made = execution()
    store.create([made])
    assert other.get(made.id) == made
    other.close()
    other.close()
    assert store.get(made.id) == made
    store.close()
    assert not file.with_name("f.db-wal").exists(), "the last one moves the log into the database"


def test_a_change_is_seen_after_the_process_was_killed(store: SQLiteStore, file: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from funcatron.execution import Execution
        from funcatron.store.sqlite import SQLiteStore
        store = SQLiteStore(sys.argv[1])
        store.create([Execution(id="e", function="f", trigger="async", created_at=1.0)])
        store.start("e", worker="w", deadline=None)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert subprocess.run([sys.executable, "-c", program, f"sqlite:///{file}"], check=False).returncode == -9
    found = store.get("e")
    assert found is not None
    assert found.state == "running"


def test_a_file_that_was_deleted_is_made_anew(store: SQLiteStore, file: Path) -> None:
    store.create([execution()])
    for path in file.parent.glob("f.db*"):
        path.unlink()
    made = execution()
    store.create([made])
    assert rows(file, "select id from execution") == [(made.id,)]
    assert store.counts() == {"queued": 1}


def test_an_exception_rolls_back(store: SQLiteStore) -> None:
    def interrupted() -> None:
        with store._database.write() as connection:
            connection.execute(
                "insert into log (execution, attempt, time, level, logger, message) values (1,1,1,1,1,1)"
            )
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(store.logs("1")) == []
    assert store.create([execution()]) == [True]


# Failing files


def test_a_full_disk_is_unavailable_and_nothing_is_half_done(store: SQLiteStore, file: Path) -> None:
    kept = execution()
    store.create([kept])
    with store._database.write() as connection:
        (pages,) = connection.execute("pragma page_count").fetchone()
    store._database._writer.execute(f"pragma max_page_count={pages + 20}")  # type: ignore[union-attr]
    large = [execution(input={"body": "x" * 100_000}) for _ in range(3)]
    with pytest.raises(Unavailable, match=r"f\.db: database or disk is full \(the disk is full: free some space\)"):
        store.create(large, [Message("q", b"m")] * 3)
    assert store.counts() == {"queued": 1}
    assert rows(file, "select * from message") == []
    assert store.create(large) == [True] * 3, "there is space again"


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with contextlib.closing(SQLiteStore(f"sqlite:///{tmp_path}/file/f.db")) as store:
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"the folder .*/file cannot be made: "):
                store.create([execution()])


def test_a_folder_instead_of_a_file_is_unavailable(tmp_path: Path) -> None:
    with (
        contextlib.closing(SQLiteStore(f"sqlite:///{tmp_path}")) as store,
        pytest.raises(Unavailable, match=r"unable to open database file .*mind the rights"),
    ):
        store.counts()


def test_a_read_only_file_is_unavailable(store: SQLiteStore, file: Path) -> None:
    made = execution()
    store.create([made])
    store.close()
    program = textwrap.dedent(f"""
        import os, sys
        from funcatron.errors import Unavailable
        from funcatron.execution import Execution
        from funcatron.store.sqlite import SQLiteStore
        if os.getuid() == 0:
            os.setgid({NOBODY}); os.setuid({NOBODY})
        try:
            SQLiteStore(sys.argv[1]).create([Execution(id="e", function="f", trigger="async", created_at=1.0)])
        except Unavailable as error:
            print(error)
    """)
    for folder in (file.parent, *file.parents):
        with contextlib.suppress(PermissionError):
            folder.chmod(folder.stat().st_mode | 0o055)
    file.chmod(0o444)
    file.parent.chmod(0o555)
    try:
        command = [sys.executable, "-c", program, f"sqlite:///{file}"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finally:
        file.parent.chmod(0o755)
    assert "f.db: attempt to write a readonly database (it may not be written" in said


@pytest.mark.parametrize("length", [5, 5000])
def test_a_file_that_is_no_database_is_unavailable(file: Path, length: int) -> None:
    file.parent.mkdir()
    file.write_bytes(b"hello" * length)
    with (
        contextlib.closing(SQLiteStore(f"sqlite:///{file}")) as store,
        pytest.raises(Unavailable, match=r"file is not a database .*name another file"),
    ):
        store.create([execution()])
    assert file.read_bytes() == b"hello" * length


def test_a_damaged_file_is_unavailable(store: SQLiteStore, file: Path) -> None:
    store.create([execution(input={"body": "x" * 1000}) for _ in range(200)])
    store.close()
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(os.urandom(file.stat().st_size - 4096))
    with pytest.raises(Unavailable, match=r"malformed .*damaged: stop everything"):
        store.list(ExecutionQuery(limit=1000))


def test_a_file_locked_for_too_long_is_unavailable(
    store: SQLiteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create([])
    monkeypatch.setattr("funcatron.store.opening.BUSY_TIMEOUT", 0.05)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(Unavailable, match=r"database is locked .*another process keeps it locked"):
            store.create([execution()])
        other.execute("rollback")
    assert store.create([execution()]) == [True]


# The schema


def test_a_newer_file_is_refused(store: SQLiteStore, file: Path) -> None:
    store.create([execution()])
    store.close()
    change(file, f"pragma user_version={VERSION + 1}")
    with (
        contextlib.closing(SQLiteStore(f"sqlite:///{file}")) as late,
        pytest.raises(
            SettingsError,
            match=rf"f\.db was written by a newer funcatron \(schema {VERSION + 1}, this one knows {VERSION}\)",
        ),
    ):
        late.counts()


def test_the_file_of_another_program_is_refused(file: Path) -> None:
    file.parent.mkdir()
    change(file, "create table execution (id)")
    with (
        contextlib.closing(SQLiteStore(f"sqlite:///{file}")) as store,
        pytest.raises(SettingsError, match="of another program"),
    ):
        store.counts()


def test_a_file_of_the_first_schema_is_brought_to_the_present_one(file: Path) -> None:
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(MIGRATIONS[0])
        connection.execute(f"pragma application_id={APPLICATION_ID}")
        connection.execute("pragma user_version=1")
        connection.execute(
            "insert into execution (id, function, trigger, queue, state, attempt, created_at, input, headers,"
            " idempotency_key) values ('e', 'f', 'async', 'q', 'failed', 1, 1.0, '{\"a\":1}', '{}', 'k')"
        )
        connection.commit()
    with contextlib.closing(SQLiteStore(f"sqlite:///{file}")) as store:
        found = store.get("e")
        assert found is not None
        assert (found.input, found.state, list(store.attempts("e"))) == ({"a": 1}, "failed", [])
        again = store.redrive("e")
        assert again is not None
        assert again.state == "queued"
    assert rows(file, "pragma user_version") == [(VERSION,)]


def test_many_processes_may_make_the_file_at_once(file: Path) -> None:
    program = (
        "import sys; from funcatron.store.sqlite import SQLiteStore; print(dict(SQLiteStore(sys.argv[1]).counts()))"
    )
    command = [sys.executable, "-c", program, f"sqlite:///{file}"]
    makers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [maker.communicate(timeout=60)[0] for maker in makers] == ["{}\n"] * 4
    assert rows(file, "pragma user_version") == [(VERSION,)]


def test_the_common_questions_are_answered_from_an_index(store: SQLiteStore) -> None:
    from funcatron.store import gates, sql

    questions = {
        sql.GET: {"id": ""},
        sql.RUNNING: {},
        sql.DUE: {"now": 1, "stale": 1, "limit": 1},
        sql.STALE: {"stale": 1, "unpublished": 1, "limit": 1},
        sql.ENDED_BEFORE: {"before": 1, "limit": 1},
        sql.LOGS: {"id": ""},
        sql.FIND_EVENT: {"event_source": "", "event_id": "", "function": ""},
        sql.STANDING: {"function": "", "key": "", "principal_id": ""},
        sql.FORGOTTEN: {"now": 1},
        sql.ATTEMPTS: {"id": ""},
        sql.ADMITTED: {"function": ""},
        gates.BEHIND: {"id": ""},
        gates.FIRST: {"line": ""},
        gates.TAKEN: {"function": "", "since": 1},
        gates.WAITING: {"function": "", "limit": 1},
        gates.FUNCTIONS: {},
        gates.FIRST_OF_ALL: {"limit": 1},
        sql.page(ExecutionQuery(marker="m"))[0]: {"marker": "m", "limit": 1},
        sql.page(ExecutionQuery(state="failed"))[0]: {"state": "failed", "limit": 1},
        sql.page(ExecutionQuery(project_id="p"))[0]: {"project_id": "p", "limit": 1},
    }
    with store._database.read() as connection:
        for text, parameters in questions.items():
            plan = [row[3] for row in connection.execute(f"explain query plan {text}", parameters)]
            assert not [
                step for step in plan if step.startswith("SCAN") and "INDEX" not in step and "CONSTANT" not in step
            ], (text, plan)
        (listed,) = connection.execute(
            f"explain query plan {sql.page(ExecutionQuery(project_id='p'))[0]}", {"project_id": "p", "limit": 1}
        )
    assert "execution_project" in listed[3]
