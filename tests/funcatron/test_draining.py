"""Reading a broker's connection, by one that has messages already."""

from __future__ import annotations

import pytest

from funcatron.draining import Heartbeat, drain


class Waiting:
    """A connection at which messages wait."""

    def __init__(self, messages: int, *, supports_heartbeats: bool = True) -> None:
        self.supports_heartbeats = supports_heartbeats
        self.batch: list[int] = []
        self.timeouts: list[float] = []
        self.beats = 0
        self._messages = messages

    def heartbeat_check(self) -> None:
        self.beats += 1

    def drain_events(self, *, timeout: float) -> None:
        self.timeouts.append(timeout)
        if len(self.batch) == self._messages:
            raise TimeoutError
        self.batch.append(len(self.batch))


@pytest.mark.parametrize(("messages", "taken", "asked"), [(0, 0, 1), (1, 1, 2), (3, 3, 3), (5, 3, 3)])
def test_what_is_there_is_taken_together(messages: int, taken: int, asked: int) -> None:
    connection = Waiting(messages)
    drain(connection, connection.batch, 3)
    assert (len(connection.batch), len(connection.timeouts)) == (taken, asked)
    first, *others = connection.timeouts
    assert all(timeout < first for timeout in others), "the first is waited for, the others are there or not"


@pytest.mark.parametrize(("supported", "beats"), [(True, 1), (False, 0)])
def test_the_broker_is_told_seldom_and_if_it_wants_to_know(supported: bool, beats: int) -> None:
    connection, heartbeat = Waiting(0, supports_heartbeats=supported), Heartbeat()
    for _ in range(3):
        heartbeat.check(connection)
    assert connection.beats == beats
