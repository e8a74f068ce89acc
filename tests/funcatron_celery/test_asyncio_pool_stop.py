"""A worker with the asyncio pool that is told to stop. All workers of a process hear of that, so this one is alone."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from celery import signals
from celery.worker import state

from funcatron_celery.asyncio_pool import TaskPool
from tests.funcatron_celery.celery_world import PATIENCE, World, until, working


def test_a_worker_that_stops_lets_what_runs_end_and_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def note(sender: Any = None, **rest: Any) -> None:
        asyncio.get_running_loop()
        sent.append(threading.current_thread().name)

    for signal in (signals.worker_process_init, signals.worker_process_shutdown):
        signal.connect(note)
    with working(World(tmp_path), 1) as world:
        running = world.call("held")
        until(lambda: world.seen == ["held"])
        world.call("sleep", 0, "left")
        until(lambda: world.pool.info["waiting"] == 1)
        monkeypatch.setattr(state, "should_stop", 0)  # as on SIGTERM
        until(lambda: world.pool._state == TaskPool.CLOSE)
        world.released = True
        until(lambda: world.pool._state == TaskPool.TERMINATE)
    assert running.get(timeout=PATIENCE) == "released"
    assert ("begun", "left") not in world.seen
    assert sent == ["funcatron-asyncio"] * 2
    with world.app.connection_for_read() as connection:
        assert connection.SimpleQueue("celery").qsize() == 1, "what ended is acknowledged, what waited is not"
