"""The parts of the SQLite transport that can be looked at alone."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from kombu.transport import virtual

from funcatron.errors import Unavailable
from funcatron.store.database import Database
from funcatron_celery.sqlite import claims, register
from funcatron_celery.sqlite.channel import Message
from funcatron_celery.sqlite.claims import LARGEST_CLAIM, Pace
from funcatron_celery.sqlite.flusher import Flusher
from funcatron_celery.sqlite.messages import Messages
from funcatron_celery.sqlite.topology import matches


@pytest.mark.parametrize(
    ("pattern", "key", "taken"),
    [
        ("order.new", "order.new", True),
        ("order.new", "order", False),
        ("order.*", "order.new", True),
        ("order.*", "order", False),
        ("order.*", "order.new.eu", False),
        ("order.#", "order", True),
        ("order.#", "order.new.eu", True),
        ("order.#", "orders.new", False),
        ("#", "", True),
        ("#", "a.b", True),
        ("*", "", False),
        ("#.eu", "eu", True),
        ("#.eu", "a.b.eu", True),
        ("a.#.z", "a.z", True),
        ("a.#.z", "a.b.c.z", True),
        ("a.#.z", "a.b.c", False),
        ("*.#", "a", True),
        ("a+b", "a+b", True),
        ("a+b", "aab", False),
        ("", "", True),
    ],
)
def test_topic_patterns(pattern: str, key: str, taken: bool) -> None:
    assert matches(pattern, key) is taken


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(claims.time, "monotonic", lambda: self.now)


def test_claims_of_short_messages_grow_to_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace, sizes = Clock(monkeypatch), Pace(), []
    for _ in range(9):
        sizes.append(pace.next(1000))
        clock.now += sizes[-1] * 0.0001
    assert sizes == [1, 2, 4, 8, 16, 32, LARGEST_CLAIM, LARGEST_CLAIM, LARGEST_CLAIM]


def test_claims_of_long_messages_are_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace, sizes = Clock(monkeypatch), Pace(), []
    for seconds in (0.001, 0.001, 0.001, 0.0098, 0.0098, 0.2, 0.2):
        sizes.append(pace.next(1000))
        clock.now += sizes[-1] * seconds
    assert sizes == [1, 2, 4, 8, 5, 5, 1]


def test_claims_leave_no_one_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), Pace()
    assert [pace.next(3) for _ in range(4)] == [1, 2, 3, 3]
    clock.now += 0.0001
    assert pace.next(1) == 1


def test_messages_that_failed_before_are_claimed_alone(tmp_path: Path) -> None:
    database = Database.share(tmp_path / "f.db")
    messages = Messages(database, delivery_limit=9)
    for body in b"abcd":
        messages.post(["q"], bytes([body]), None)
    messages.forget("nobody", attempted=True)
    (first, second, *_) = messages.claim("q", 3, "me")
    messages.requeue([second.id])
    messages.give_back([first.id])
    bodies = [[m.payload for m in messages.claim("q", 9, "me")] for _ in range(4)]
    assert bodies == [[b"a"], [b"b"], [b"d"], []]
    database.close()


def test_an_owner_is_forgotten_with_all_his_messages(tmp_path: Path) -> None:
    database = Database.share(tmp_path / "f.db")
    messages = Messages(database)
    messages.post(["q", "r"], b"x", None)
    for queue in "qr":
        messages.claim(queue, 1, "dead-1")
    assert messages.reap("me")
    assert not messages.reap("me")
    assert [messages.claim(queue, 1, "me")[0][2:] for queue in "qr"] == [(1, 1), (1, 1)]
    assert not messages.reap("me")
    database.close()


def test_the_flusher_calls_until_there_is_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("funcatron_celery.sqlite.flusher.SECONDS", 0.001)
    done, answers = threading.Event(), [True, Unavailable("for now"), True, False]

    def tidy() -> bool:
        answer = answers.pop(0)
        if not answers:
            done.set()
        if isinstance(answer, Unavailable):
            raise answer
        return bool(answer)

    flusher = Flusher(tidy)
    time.sleep(0.01)
    assert len(answers) == 4, "nothing is needed"
    flusher.needed()
    assert done.wait(30)
    flusher.stop()
    assert answers == []


def test_a_flusher_stops_whatever_it_is_about_to_do() -> None:
    flusher = Flusher(lambda: False)

    class Late(threading.Event):
        def clear(self) -> None:  # what ``stop`` does comes between the last look at it and this
            flusher._stopped.set()
            self.set()
            super().clear()

    late = Late()
    before, flusher._needed = flusher._needed, late
    before.set()  # the thread goes on to the other one
    late.set()
    flusher._thread.join(30)
    assert not flusher._thread.is_alive()


@pytest.mark.parametrize("body", ["[]", "", "\u00e9", "\ud800", b"\xff"])
@pytest.mark.parametrize("headers", [{}, {"id": "1"}, {"compression": "application/x-gzip"}])
def test_a_message_is_what_kombu_would_make_of_it(tmp_path: Path, body: Any, headers: dict[str, Any]) -> None:
    register()
    with contextlib.closing(Connection(f"sqlite:///{tmp_path / 'f.db'}")) as connection:
        channel = connection.default_channel
        properties = {"delivery_tag": 1, "delivery_info": {"routing_key": "q"}, "body_encoding": None}
        given = {"body": body, "headers": headers, "properties": properties, "content-type": "application/json"}
        made, usual = Message(given, channel=channel), virtual.Message(given, channel=channel)
        names = {name for kind in virtual.Message.__mro__ for name in getattr(kind, "__slots__", ())}
        for name in (names | vars(usual).keys()) - {"__dict__", "errors"}:
            assert getattr(made, name) == getattr(usual, name), name
        assert len(made.errors) == len(usual.errors)
        assert vars(made).keys() == vars(usual).keys()
