"""From any thread to the consumer's."""

from __future__ import annotations

import select
import threading
from typing import Any

import pytest

from funcatron_celery.handover import Handover, interrupt


@pytest.fixture
def handover() -> Any:
    made = Handover()
    yield made
    made.close()


def is_readable(handover: Handover) -> bool:
    return bool(select.select([handover.fileno()], [], [], 0)[0])


def test_calls_run_in_their_order_in_the_thread_that_runs_them(handover: Handover) -> None:
    ran: list[tuple[int, int]] = []

    def put(n: int) -> None:
        handover.put(lambda: ran.append((n, threading.get_ident())))

    thread = threading.Thread(target=lambda: [put(n) for n in range(100)])
    thread.start()
    thread.join()
    assert ran == []
    handover.run()
    assert ran == [(n, threading.get_ident()) for n in range(100)]


def test_it_can_be_read_while_there_is_something_to_run_and_wakes_once(handover: Handover) -> None:
    woken: list[int] = []
    handover.wake = lambda: woken.append(1)
    assert not is_readable(handover)
    for _ in range(3):
        handover.put(lambda: None)
    assert is_readable(handover)
    handover.wait(60)
    handover.run()
    assert not is_readable(handover)
    handover.put(lambda: None)
    assert is_readable(handover)
    assert len(woken) == 2


def test_one_that_fails_does_not_keep_the_others_waiting(handover: Handover, caplog: pytest.LogCaptureFixture) -> None:
    ran: list[int] = []
    handover.put(lambda: 1 // 0)
    handover.put(lambda: ran.append(1))
    handover.run()
    assert ran == [1]
    assert "could not be told to its broker" in caplog.text


def test_what_comes_after_the_end_is_dropped() -> None:
    handover = Handover()
    handover.put(lambda: pytest.fail("too late"))
    handover.close()
    handover.close()
    handover.put(lambda: pytest.fail("too late"))
    handover.run()


def test_a_consumer_without_a_transport_to_interrupt_is_left_alone() -> None:
    interrupt(None)
    interrupt(object())
