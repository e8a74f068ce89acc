"""The executions commands, on a real SQLite store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from funcatron.cli import main
from funcatron.cli.stored import StoredRecords
from funcatron.errors import SEE_LOG, FuncatronError, Unavailable
from funcatron.execution import Execution, LogLine, StoredResult, new_id
from funcatron.ports import Ending
from funcatron.settings import load_settings
from funcatron.store.sqlite import SQLiteStore

Run = Callable[..., tuple[int, str, str]]
NOW = time.time()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SQLiteStore]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".funcatron").mkdir()
    opened = SQLiteStore(f"sqlite:///{tmp_path}/.funcatron/funcatron.db")
    yield opened
    opened.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["executions", *arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return call


def add(store: SQLiteStore, function: str = "f", *, age: float = 0, **given: Any) -> str:
    record = Execution(id=new_id(), function=function, trigger="async", created_at=NOW - age, **given)
    store.create([record])
    return record.id


def end(store: SQLiteStore, execution_id: str, change: str, **given: Any) -> None:
    assert store.start(execution_id, worker="w", deadline=None) is not None
    assert store.finish(execution_id, 1, Ending(change=change, **given)) is not None


def fail(store: SQLiteStore, execution_id: str) -> None:
    end(store, execution_id, "fail", problem={"title": "No", "status": 409, "detail": "it is taken"}, failure="handler")


def listed(run: Run, *arguments: str) -> list[str]:
    code, out, _ = run("list", "--json", *arguments)
    assert code == 0
    return [execution["id"] for execution in json.loads(out)]


def test_list_is_newest_first_and_limited(store: SQLiteStore, run: Run) -> None:
    ids = [add(store, age=10 - n) for n in range(5)]
    assert listed(run) == ids[::-1]
    assert listed(run, "--limit", "2") == ids[:2:-1]


def test_list_goes_over_pages(store: SQLiteStore, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("funcatron.cli.executions.PAGE", 2)
    ids = [add(store, age=10 - n) for n in range(5)]
    assert listed(run, "--limit", "4") == ids[:0:-1]
    assert listed(run) == ids[::-1]


def test_list_filters(store: SQLiteStore, run: Run) -> None:
    old, new, other = add(store, age=7200), add(store, age=60), add(store, "g")
    fail(store, new)
    assert listed(run, "--function", "g") == [other]
    assert listed(run, "--state", "failed") == [new]
    assert listed(run, "--since", "1h") == [other, new]
    assert listed(run, "--until", "1h") == [old]
    assert listed(run, "--trigger", "schedule") == []
    assert listed(run, "--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02") == []


def test_list_as_a_table_says_why(store: SQLiteStore, run: Run) -> None:
    failed = add(store, age=5400)
    fail(store, failed)
    code, out, _ = run("list")
    header, line = out.splitlines()
    assert code == 0
    assert header.split() == ["ID", "STATE", "FUNCTION", "TRIGGER", "ATTEMPT", "AGE", "WHAT"]
    assert line == f"{failed}  failed  f         async    1        1h   it is taken"


def test_watch_needs_a_terminal(store: SQLiteStore, run: Run) -> None:
    add(store)
    code, _, err = run("list", "--watch")
    assert code == 2
    assert "--watch needs a terminal" in err


def test_show(store: SQLiteStore, run: Run) -> None:
    shown = add(store, input={"item": "tea", "password": "s3cret"})
    code, out, _ = run("show", shown)
    assert code == 0
    assert f"id            {shown}\n" in out
    assert "state         queued\n" in out
    assert '"item": "tea"' in out
    assert "s3cret" not in out
    assert json.loads(run("show", shown, "--json")[1])["id"] == shown


def test_show_has_the_reason_that_only_the_log_knows(store: SQLiteStore, run: Run) -> None:
    shown = add(store)
    for _ in range(2):
        started = store.start(shown, worker="w", deadline=None)
        assert started is not None
        assert started.started_at is not None
        store.log(shown, [LogLine(started.started_at, "error", "f", "Traceback:\n  ...\nValueError: no stock\n")])
        problem = {"title": "Internal Server Error", "status": 500, "detail": f"f failed; {SEE_LOG}"}
        store.finish(shown, started.attempt, Ending(change="retry", problem=problem, failure="handler"))
    store.start(shown, worker="w", deadline=None)
    store.finish(shown, 3, Ending(change="fail", problem=problem, failure="handler"))
    first, second, third = run("show", shown)[1].splitlines()[-3:]
    assert first.endswith(" handler  ValueError: no stock")
    assert second.endswith(" handler  ValueError: no stock")
    assert third.endswith(f" handler  f failed; {SEE_LOG}")  # nothing was logged


def test_show_has_the_history(store: SQLiteStore, run: Run) -> None:
    shown = add(store)
    fail(store, shown)
    store.redrive(shown)
    _, out, _ = run("show", shown)
    header, line = out.splitlines()[-2:]
    assert header.split() == ["ATTEMPT", "ENDED", "TOOK", "WORKER", "FAILURE", "WHY"]
    assert line.split()[3:] == ["s", "w", "handler", "it", "is", "taken"]
    (attempt,) = json.loads(run("show", shown, "--json")[1])["history"]
    assert (attempt["attempt"], attempt["worker"], attempt["failure"]) == (1, "w", "handler")
    assert attempt["problem"] == {"title": "No", "status": 409, "detail": "it is taken"}


@pytest.mark.parametrize("command", ["show", "logs", "result", "cancel", "redrive"])
def test_a_record_that_is_not_there(store: SQLiteStore, run: Run, command: str) -> None:
    unknown = new_id()
    add(store)
    code, out, err = run(command, unknown)
    assert (code, out) == (1, "")
    assert f"there is no execution {unknown}" in err


@pytest.mark.parametrize("command", [["list"], ["show", "x"]])
def test_a_store_that_is_not_there_is_not_made(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*command)
    assert (code, out) == (1, "")
    assert "there is no store at" in err
    assert list(tmp_path.iterdir()) == []


def test_logs(store: SQLiteStore, run: Run) -> None:
    logged = add(store)
    store.log(logged, [LogLine(0.5, "info", "shop", "picking", 1), LogLine(1.5, "error", "shop", "dropped", 2)])
    code, out, _ = run("logs", logged)
    assert code == 0
    assert out == (
        "1970-01-01T00:00:00.500000Z info     shop: picking\n1970-01-01T00:00:01.500000Z error    shop: dropped\n"
    )
    assert [line["attempt"] for line in json.loads(run("logs", logged, "--json")[1])] == [1, 2]


def test_logs_follow_ends_with_the_execution(store: SQLiteStore, run: Run) -> None:
    logged = add(store)
    store.log(logged, [LogLine(0.5, "info", "shop", "picking", 1)])
    end(store, logged, "succeed")
    assert "picking" in run("logs", logged, "--follow")[1]


@pytest.mark.parametrize(
    ("result", "written"),
    [
        (StoredResult(content_type="application/json", body={"a": "ü"}), '{"a":"ü"}\n'),
        (StoredResult(content_type="application/json", body=None), "null\n"),
        (StoredResult(content_type="text/plain", base64="aGVsbG8="), "hello\n"),
        (StoredResult(status=204), "\n"),
    ],
)
def test_result_is_the_body(store: SQLiteStore, run: Run, result: StoredResult, written: str) -> None:
    done = add(store)
    end(store, done, "succeed", result=result)
    assert run("result", done) == (0, written, "")


def test_result_of_what_failed(store: SQLiteStore, run: Run) -> None:
    failed = add(store)
    fail(store, failed)
    code, out, err = run("result", failed)
    assert (code, out) == (1, "")
    assert json.loads(err)["detail"] == "it is taken"


def test_result_of_what_has_not_ended(store: SQLiteStore, run: Run) -> None:
    queued = add(store)
    assert run("result", queued) == (1, "", f"{queued} has not ended yet\n")


def test_cancel(store: SQLiteStore, run: Run) -> None:
    one, other, ended = add(store), add(store), add(store)
    end(store, ended, "succeed")
    code, out, err = run("cancel", one, ended, other)
    assert code == 1
    assert out.splitlines() == [f"{one} cancelled", f"{other} cancelled"]
    assert f"{ended}: an execution that is succeeded cannot be cancelled" in err


def test_redrive_of_those_named(store: SQLiteStore, run: Run) -> None:
    failed, queued = add(store), add(store)
    fail(store, failed)
    code, out, err = run("redrive", failed, queued)
    assert (code, out) == (1, f"{failed} queued\n")
    assert f"{queued}: an execution that is queued cannot be redriven" in err
    record = store.get(failed)
    assert record is not None
    assert (record.state, record.attempt) == ("queued", 0)


def test_redrive_of_all_that_a_filter_names(store: SQLiteStore, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("funcatron.cli.executions.PAGE", 2)
    failed = [add(store, "f", age=10 - n) for n in range(5)]
    other, cancelled = add(store, "g"), add(store, "f")
    for execution_id in [*failed, other]:
        fail(store, execution_id)
    store.cancel(cancelled)
    code, out, _ = run("redrive", "--function", "f", "--json")
    assert code == 0
    assert {execution["id"] for execution in json.loads(out)} == set(failed)
    assert listed(run, "--state", "failed") == [other]
    assert listed(run, "--state", "cancelled") == [cancelled]


def test_redrive_of_nothing(store: SQLiteStore, run: Run) -> None:
    add(store, "g")
    assert run("redrive", "--function", "f") == (0, "", "0 of 0 executions queued again\n")
    assert run("redrive", "--function", "f", "--json") == (0, "[]\n", "")


def test_redrive_needs_to_know_what(store: SQLiteStore, run: Run) -> None:
    failed = add(store)
    fail(store, failed)
    for arguments in ([], [failed, "--state", "failed"], ["--state", "running"]):
        code, out, _ = run("redrive", *arguments)
        assert (code, out) == (2, "")
    assert listed(run, "--state", "failed") == [failed]


def test_redrive_may_be_looked_at_first(store: SQLiteStore, run: Run) -> None:
    failed, other = add(store), add(store)
    fail(store, failed)
    for arguments in ([failed], ["--function", "f"]):
        code, out, err = run("redrive", "--dry-run", *arguments, "--json")
        assert (code, [execution["id"] for execution in json.loads(out)], err) == (0, [failed], "")
    assert run("redrive", "--dry-run", "--state", "failed")[1].splitlines()[1].startswith(failed)
    assert run("redrive", "--dry-run", new_id())[0] == 1
    assert listed(run, "--state", "failed") == [failed]
    assert listed(run, "--state", "queued") == [other]


def test_many_are_redriven_with_their_messages(store: SQLiteStore, run: Run) -> None:
    given = {"function": "f", "trigger": "async", "created_at": NOW, "state": "failed", "attempt": 1}
    store.create([Execution(id=new_id(), **given) for _ in range(250)])
    code, out, err = run("redrive", "--state", "failed", "--yes")
    assert (code, len(out.splitlines()), err) == (0, 250, "250 of 250 executions queued again\n")
    with store._database.read() as connection:
        (messages,) = connection.execute("select count(distinct execution) from message").fetchone()
    assert messages == 250


class Away:
    """A dispatcher whose broker is out of reach."""

    def republish(self, executions: Sequence[Execution]) -> None:
        raise Unavailable

    async def dispatch(self, execution: Execution) -> bool:
        raise Unavailable

    def submit(self, executions: Sequence[Execution]) -> list[bool]:
        raise Unavailable

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def withdraw(self, execution_id: str) -> None: ...


def test_a_broker_that_is_away_does_not_undo_a_redrive(store: SQLiteStore, caplog: pytest.LogCaptureFixture) -> None:
    failed = add(store)
    fail(store, failed)
    records = StoredRecords(load_settings(environ={}), store=store, dispatcher=Away())
    queued, unknown = records.redrive([failed, "unknown"])
    assert isinstance(queued, dict)
    assert queued["state"] == "queued"
    assert isinstance(unknown, FuncatronError)
    assert "1 executions are queued, and published when that can be" in caplog.text
