from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from funcatron import CloudEvent, Context, Problem, Retry
from funcatron.errors import FuncatronError
from funcatron.testing import Bench
from funcatron.testing.replay import Difference, Replayed, read_recorded
from tests.funcatron.functions import document, json_body

BODY = json_body({"type": "object", "properties": {"n": {"type": "integer"}}}, required=True)
SPEC = document(
    requestBody=BODY,
    extension={"record": True, "triggers": [{"event": {"type": "counted"}}, {"queue": {"name": "numbers"}}]},
)


def half(body: dict[str, Any]) -> dict[str, Any]:
    if body["n"] % 2:
        raise Problem(409, "Odd", f"{body['n']} is odd")
    return {"half": body["n"] / 2, "of": {"n": body["n"]}}


def wrong(body: dict[str, Any]) -> dict[str, Any]:
    return {"half": body["n"] // 3, "of": {"n": body["n"]}, "more": True}


def recorded(tmp_path: Path) -> Path:
    """Let calls through several doors be recorded, as the control API shows them."""
    with Bench(SPEC, handlers={"f": half}) as bench:
        bench.http.post("/f", json={"n": 4})
        bench.later.post("/f", json={"n": 6})
        bench.queue.send("numbers", {"n": 3})
        bench.celery.send_task("f", kwargs={"body": {"n": 8}})
        bench.celery.send_task("f", kwargs={"body": {"n": "x"}})
        bench.run()
        page = bench.http.get("/_funcatron/executions").json()["executions"]
    file = tmp_path / "recorded.jsonl"
    file.write_text("\n".join(json.dumps(one) for one in page))
    return file


def replayed(file: Path, handler: Any, **options: Any) -> list[Replayed]:
    with Bench(SPEC, handlers={"f": handler}) as bench:
        return bench.replay(file, **options)


def test_what_has_not_changed_comes_to_the_same(tmp_path: Path) -> None:
    runs = replayed(recorded(tmp_path), half)
    assert [(one.ok, one.now["state"]) for one in runs] == [
        (True, one.recorded.shown["state"])  # type: ignore[index]
        for one in runs
    ]
    assert {one.now["trigger"] for one in runs} == {"http", "async", "queue", "celery"}
    assert {one.now["state"] for one in runs} == {"succeeded", "failed"}


def test_what_has_changed_is_told_by_its_place(tmp_path: Path) -> None:
    by_n = {one.now["input"]["body"]["n"]: one for one in replayed(recorded(tmp_path), wrong)}
    assert by_n[4].differences == [Difference("/result/half", 2.0, 1), Difference("/result/more", None, True)]
    assert Difference("/state", "failed", "succeeded") in by_n[3].differences
    assert [by_n[n].ok for n in (4, 6, 3, 8, "x")] == [False, False, False, False, True]


@pytest.mark.parametrize("door", ["http", "async", "celery"])
def test_through_another_door(tmp_path: Path, door: str) -> None:
    file = recorded(tmp_path)
    assert [one.ok for one in replayed(file, half, door=door)] == [True] * 5
    assert [one.ok for one in replayed(file, wrong, door=door)].count(True) == 1


def test_events(tmp_path: Path) -> None:
    events = [
        CloudEvent(id=str(n), source="/s", type="counted", data={"n": n}, datacontenttype="application/json").to_json()
        for n in (2, 5)
    ]
    file = tmp_path / "events.json"
    file.write_text(json.dumps(events, indent=1))
    assert [(one.ok, one.now["state"]) for one in replayed(file, half)] == [(True, "succeeded"), (False, "failed")]
    file.write_text(json.dumps({**events[0], "type": "other"}))
    with pytest.raises(FuncatronError, match="no function takes events of the type 'other'"):
        replayed(file, half)


def test_the_event_of_a_record_has_the_identity_that_it_had(tmp_path: Path) -> None:
    def handler(body: Any, event: CloudEvent, context: Context) -> list[str]:
        if context.attempt == 1:
            raise Retry(after=3600)
        return [event.id, event.source, event.type, str(event.data)]

    with Bench(SPEC, handlers={"f": handler}) as bench:
        sent = bench.queue.send("numbers", {"n": 3}, message_id="m1")
        bench.advance(hours=1)
        file = tmp_path / "one.json"
        file.write_text(json.dumps(bench.app.show(bench.execution(sent)), indent=2))
        (run,) = bench.replay(file)
    assert run.ok
    assert run.now["result"] == ["m1", "/queues/numbers", "org.funcatron.queue.message", "{'n': 3}"]


def test_a_call_has_the_id_that_it_had(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    said = {"id": "the-id", "function": "f", "trigger": "celery", "state": "succeeded", "result": {"id": "the-id"}}
    file.write_text(json.dumps({**said, "input": {"body": {"n": 2}}}))
    (run,) = replayed(file, lambda body, context: {"id": context.id})
    assert run.ok
    with Bench(SPEC, handlers={"f": lambda body, context: {"id": context.id}}) as bench:
        assert [one.ok for one in (*bench.replay(file), *bench.replay(file))] == [True, False]  # there can be one only


def test_redacted_input_is_told(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"function": "f", "input": {"body": {"n": 2, "password": "***"}}, "state": "running"}))
    (run,) = replayed(file, half)
    assert run.recorded.masked
    assert run.ok


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nonsense", ":1: this is not JSON"),
        ('{"function": "f", "input": {}}\n{"function"', ":2: this is not JSON"),
        ('{"some": "thing"}', "neither an execution nor a CloudEvent"),
        ('[{"specversion": "1.0"}]', r"\[0\]: this is no CloudEvent: .*id"),
    ],
)
def test_what_is_no_record_is_refused_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "file"
    file.write_text(content)
    with pytest.raises(FuncatronError, match=said):
        read_recorded(file)
    with pytest.raises(FuncatronError, match="cannot be read"):
        read_recorded(tmp_path / "nowhere")
