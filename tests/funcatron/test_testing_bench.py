from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from funcatron import CloudEvent, Context, Funcatron, Problem, Retry
from funcatron.errors import InvalidInput, UnknownFunction
from funcatron.testing import Bench, VirtualClock
from tests.funcatron.functions import document, json_body

BODY = json_body({"type": "object", "properties": {"n": {"type": "integer"}}}, required=True)


def bench(handler: Any, *, more: dict[str, Any] | None = None, **described: Any) -> Bench:
    settings = described.pop("settings", {})
    return Bench(document(**described), handlers={"f": handler}, **{**settings, **(more or {})})


def test_a_call_that_is_answered_at_once() -> None:
    with bench(lambda body: {"twice": 2 * body["n"]}, requestBody=BODY) as here:
        assert here.http.post("/f", json={"n": 2}).json() == {"twice": 4}
        assert here.http.post("/f", json={"n": "two"}).status_code == 400
        assert here.call("f", body={"n": 3}).value == {"twice": 6}
        assert here.executions() == []


def test_a_call_that_is_answered_later_waits_until_it_is_run() -> None:
    with bench(lambda body: {"twice": 2 * body["n"]}, requestBody=BODY) as here:
        accepted = here.later.post("/f", json={"n": 2})
        assert accepted.status_code == 202
        assert here.execution(accepted).state == "queued"
        assert here.result(accepted).status_code == 202
        (ran,) = here.run()
        assert (ran.state, here.result(accepted).json()) == ("succeeded", {"twice": 4})
        assert here.run() == []


def test_a_retry_comes_when_its_time_has_come() -> None:
    attempts: list[int] = []

    def handler(context: Context) -> str:
        attempts.append(context.attempt)
        context.logger.warning("attempt %d", context.attempt)
        if context.attempt < 3:
            raise Retry(after=60 * context.attempt)
        return "done"

    with bench(handler, extension={"mode": "async"}) as here:
        accepted = here.http.post("/f")
        assert here.run()[0].state == "retrying"
        assert here.advance(59) == []
        assert [one.state for one in here.advance(1)] == ["retrying"]
        assert here.advance(119) == []
        (last,) = here.advance(1)
        assert (last.state, last.attempt, attempts) == ("succeeded", 3, [1, 2, 3])
        assert last.ended_at == last.created_at + 180
        assert [line.message for line in here.logs(accepted)] == ["attempt 1", "attempt 2", "attempt 3"]


def test_a_day_of_a_schedule() -> None:
    ticks: list[str] = []
    extension = {"triggers": [{"schedule": {"cron": "30 */6 * * *"}}]}

    def handler(event: CloudEvent) -> None:
        ticks.append(str(event.time))

    with bench(handler, extension=extension, method="get") as here:
        assert here.advance(minutes=29) == []
        ran = here.advance(days=1)
    assert ticks == [f"2030-01-01T{hour:02}:30:00Z" for hour in (0, 6, 12, 18)]
    assert {one.trigger for one in ran} == {"schedule"}
    assert [one.started_at == one.created_at for one in ran] == [True] * 4


def test_retries_and_ticks_come_in_the_order_of_their_times() -> None:
    seen: list[tuple[str, int]] = []

    def handler(event: CloudEvent, context: Context) -> None:
        seen.append((str(event.time)[14:16], context.attempt))
        if context.attempt == 1:
            raise Retry(after=90)

    extension = {"triggers": [{"schedule": {"cron": "* * * * *"}}]}
    with bench(handler, extension=extension, method="get") as here:
        here.advance(minutes=3)
    assert seen == [("01", 1), ("02", 1), ("01", 2), ("03", 1)]


def test_a_deadline_is_reached_when_the_clock_is_moved_past_it() -> None:
    async def handler(context: Context) -> None:
        await asyncio.Event().wait()

    with bench(handler, extension={"timeout": 3600}) as here:
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(here.http.post("/f").status_code))
        thread.start()
        here.clock.wait_for_alarm()
        here.clock.advance(3599)
        assert answers == []
        here.clock.advance(2)
        thread.join(30)
    assert answers == [504]


def test_a_handler_sees_the_time_of_the_clock() -> None:
    seen: list[Any] = []

    def handler(context: Context, clock: VirtualClock) -> None:
        seen.append((context.remaining(), context.deadline))
        clock.advance(20)
        seen.append(context.remaining())
        clock.advance(11)

    made: list[Bench] = []

    @contextmanager
    def clock() -> Iterator[VirtualClock]:
        yield made[0].clock

    extension = {"mode": "async", "timeout": 30, "retry": {"attempts": 1}}
    with bench(handler, extension=extension, more={"services": {"clock": clock}}) as here:
        made.append(here)
        here.http.post("/f")
        (ran,) = here.run()
    assert seen == [(30.0, datetime(2030, 1, 1, 0, 0, 30, tzinfo=UTC)), 10.0]
    assert (ran.state, ran.failure) == ("failed", "timeout")


def test_an_idempotency_key_lasts_as_long_as_it_says() -> None:
    calls: list[int] = []
    extension = {"idempotency": {"key": "header", "ttl": 60}}
    with bench(lambda: calls.append(1) or {"n": len(calls)}, extension=extension) as here:
        key = {"Idempotency-Key": "one"}
        assert [here.http.post("/f", headers=key).json() for _ in range(2)] == [{"n": 1}] * 2
        here.advance(61)
        assert here.http.post("/f", headers=key).json() == {"n": 2}


def test_celery_tasks() -> None:
    with bench(lambda body: body["n"], requestBody=BODY) as here:
        now = here.celery.send_task("f", kwargs={"body": {"n": 1}})
        soon = here.celery.send_task("f", kwargs={"body": {"n": 2}}, countdown=10, task_id="soon")
        gone = here.celery.send_task("f", kwargs={"body": {"n": 3}}, countdown=20, expires=15)
        at = here.celery.send_task("f", kwargs={"body": {"n": 4}}, eta=datetime(2030, 1, 1, 0, 1, tzinfo=UTC))
        bad = here.celery.send_task("f", kwargs={"body": {"n": "x"}}, countdown=5)
        positional = here.celery.send_task("f", (1,), countdown=5)
        assert {one.id for one in here.run()} == {now, bad, positional}
        assert here.execution(now).result.body == 1  # type: ignore[union-attr]
        assert {here.execution(one).failure for one in (bad, positional)} == {"invalid"}
        assert [one.id for one in here.advance(59)] == [soon] == ["soon"]
        assert here.execution(gone).state == "expired"
        assert [one.id for one in here.advance(1)] == [at]
        with pytest.raises(UnknownFunction):
            here.celery.send_task("nobody")


def test_messages_of_a_queue() -> None:
    extension = {"triggers": [{"queue": {"name": "tea"}}]}
    with bench(lambda body, event: [body, event.type, event.id], requestBody=BODY, extension=extension) as here:
        plain = here.queue.send("tea", {"n": 1}, message_id="m1")
        again = here.queue.send("tea", {"n": 1}, message_id="m1")
        event = here.queue.send("tea", CloudEvent(id="e", source="/s", type="t", data={"n": 2}))
        binary = {"ce-specversion": "1.0", "ce-id": "b", "ce-source": "/s", "ce-type": "t2"}
        headers = here.queue.send("tea", b'{"n": 3}', headers=binary, content_type="application/json")
        wrong = here.queue.send("tea", {"n": "x"})
        assert plain.id == again.id
        here.run()
        bodies = [here.execution(one).result.body for one in (plain, event, headers)]  # type: ignore[union-attr]
        assert bodies == [[{"n": 1}, "org.funcatron.queue.message", "m1"], [{"n": 2}, "t", "e"], [{"n": 3}, "t2", "b"]]
        assert here.execution(wrong).failure == "invalid"
        with pytest.raises(InvalidInput, match="JSON"):
            here.queue.send("tea", b"{", content_type="application/json")
        with pytest.raises(LookupError, match="'coffee'"):
            here.queue.send("coffee", {})


def test_events_that_are_posted() -> None:
    extension = {"triggers": [{"event": {"type": "paid"}}]}
    settings = {"control_token": "secret"}
    with bench(lambda event: event.id, extension=extension, settings=settings) as here:
        event = CloudEvent(id="1", source="/shop", type="paid")
        (first,) = here.events.post(event)
        assert here.events.post(event) == [first]
        assert here.events.post(CloudEvent(id="2", source="/shop", type="other")) == []
        assert len(here.events.post({**event.to_json(), "id": "3"}, {**event.to_json(), "id": "4"})) == 2
        here.run()
        assert here.result(first).text == "1"
        with pytest.raises(Problem) as refused:
            here.events.post({"type": "paid"})
        assert refused.value.status == 400


def test_objects_of_a_container() -> None:
    swift = {"container": "photos", "prefix": "raw/", "suffix": [".jpg"], "actions": ["created", "deleted"]}
    seen: list[tuple[str, str, int]] = []

    class Cloud:
        name = "a fake"

    def handler(event: CloudEvent, context: Context) -> str:
        seen.append((event.type.rpartition(".")[2], str(event.subject), event.data.get("size", -1)))
        return f"{context.openstack.name}, {event.data.get('metadata')}"

    with bench(handler, extension={"triggers": [{"swift": swift}]}, more={"openstack": Cloud()}) as here:
        (made,) = here.swift.put("photos", "raw/a.jpg", size=3, metadata={"By": "Ada"})
        assert here.swift.put("photos", "raw/a.png") == here.swift.put("other", "raw/a.jpg") == []
        assert here.swift.post("photos", "raw/a.jpg") == []
        here.swift.put("photos", "raw/a.jpg", size=4)
        here.swift.delete("photos", "raw/a.jpg")
        here.run()
        assert seen == [("created", "raw/a.jpg", 3), ("created", "raw/a.jpg", 4), ("deleted", "raw/a.jpg", -1)]
        assert here.result(made).text == "a fake, {'by': 'Ada'}"


@pytest.mark.parametrize("signature", ["standard", "github", "none"])
def test_what_others_post(signature: str) -> None:
    secret = {} if signature == "none" else {"secret": "TILL"}
    hook = {"path": "/hooks", "signature": signature, **secret, "match": {"header.X-Kind": "paid"}}
    with bench(lambda body, event: {"id": event.id, **body}, extension={"triggers": [{"webhook": hook}]}) as here:
        (made,) = here.webhooks.post("/hooks", {"n": 1}, headers={"X-Kind": "paid"}, delivery="d-1")
        assert here.webhooks.post("/hooks", '{"n": 1}', headers={"X-Kind": "other"}) == []
        again = here.webhooks.post("/hooks", b'{"n": 1}', headers={"X-Kind": "paid"}, delivery="d-1")
        assert (again == [made]) is (signature != "none"), "nothing tells unsigned ones apart"
        here.run()
        assert here.result(made).json() == {"id": made.event_id, "n": 1}
        with pytest.raises(Problem) as refused:
            here.webhooks.post("/hooks", "{", headers={"Content-Type": "application/json"})
        assert refused.value.status == 400
        with pytest.raises(LookupError, match="no webhook has the path /other"):
            here.webhooks.post("/other", {})


def test_webhooks_are_signed_by_the_benchs_clock() -> None:
    hook = {"path": "/hooks", "secret": "TILL"}
    key = {"secrets": {"till": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
    with bench(lambda body: body, extension={"triggers": [{"webhook": hook}]}, settings=key) as here:
        sent = {"webhook-timestamp": str(int(here.clock.time()) - 301)}
        with pytest.raises(Problem, match="more than 300 seconds"):
            here.webhooks.post("/hooks", {}, headers=sent)
        here.advance(days=1)
        (made,) = here.webhooks.post("/hooks", {})
        assert made.trigger == "webhook"


def test_an_application_that_is_there_is_tested_without_touching_it(tmp_path: Any) -> None:
    from funcatron.settings import load_settings

    settings = load_settings({"data_dir": str(tmp_path), "log_level": "error"}, environ={})
    app = Funcatron(document(extension={"mode": "async"}), handlers={"f": lambda db: db}, settings=settings)

    @app.service("db")
    @contextmanager
    def database() -> Iterator[str]:
        yield "the real one"

    @contextmanager
    def fake() -> Iterator[str]:
        yield "a fake"

    for services, wanted in (({"db": fake}, "a fake"), ({}, "the real one")):
        with Bench(app, services=services) as here:
            accepted = here.http.post("/f")
            here.run()
            assert here.result(accepted).text == wanted
            assert here.app.settings.log_level == "error"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match="stands alone"):
        Bench(app, handlers={})


def test_time_does_not_go_back() -> None:
    clock = VirtualClock(datetime(2024, 2, 29, tzinfo=UTC))
    with pytest.raises(TimeoutError, match="nothing waits"):
        clock.wait_for_alarm(0)
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)
    assert clock.now() == datetime(2024, 2, 29, tzinfo=UTC)


def test_an_alarm_that_is_cancelled_does_not_ring() -> None:
    async def ring() -> list[str]:
        rung: list[str] = []
        clock, loop = VirtualClock(), asyncio.get_running_loop()
        clock.call_at(loop, 5, lambda: rung.append("cancelled")).cancel()
        clock.call_at(loop, 5, lambda: rung.append("first"))
        clock.call_at(loop, 4, lambda: rung.append("earlier"))
        clock.call_at(loop, 0, lambda: rung.append("at once"))
        clock.advance(5)
        await asyncio.sleep(0)
        return rung

    assert asyncio.run(ring()) == ["at once", "earlier", "first"]


@pytest.mark.anyio
async def test_in_an_async_test_too() -> None:
    with bench(lambda: "here") as here:
        assert here.http.post("/f").text == "here"
