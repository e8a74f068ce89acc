"""A Celery application of anybody's, whose tasks are ``async def``, and a worker of it in a thread of the tests."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery, current_task, signals
from celery.contrib.testing.worker import start_worker

from funcatron_celery.asyncio_pool import TaskPool

__all__ = ["PATIENCE", "World", "result", "until", "working"]

PATIENCE = 60.0


class World:
    """One worker, and what its tasks leave behind."""

    def __init__(self, folder: Path) -> None:
        self.app = Celery("world", set_as_current=False)
        self.app.conf.update(
            broker_url=f"sqlite:///{folder}/broker.db",
            broker_transport="funcatron_celery.sqlite:Transport",
            result_backend="cache+memory://",
            worker_pool="funcatron_celery.asyncio_pool:TaskPool",
            task_acks_late=True,
            task_reject_on_worker_lost=True,
        )
        self.seen: list[Any] = []
        self.inside = 0
        self.opened: asyncio.Event | None = None
        self.released = False
        self.worker: Any = None

    @property
    def pool(self) -> TaskPool:
        pool: TaskPool = self.worker.pool
        return pool

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        return self.app.tasks[name].apply_async(args, **options)

    def outcome(self, name: str, *args: Any, **options: Any) -> Any:
        """Return what a task returns or raises."""
        return result(self.call(name, *args, **options), propagate=False)


def result(call: Any, *, propagate: bool = True) -> Any:
    """Return what a call comes to; by itself Celery would look only twice a second."""
    return call.get(timeout=PATIENCE, interval=0.01, propagate=propagate)


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def define(world: World) -> None:  # noqa: C901 - a list
    task = functools.partial(world.app.task, shared=False)

    @task(name="together")
    async def together(many: int) -> int:
        world.opened = world.opened or asyncio.Event()
        world.inside += 1
        if world.inside >= many:
            world.opened.set()
        await world.opened.wait()
        return threading.get_ident()

    @task(name="ids", bind=True)
    async def ids(self: Any) -> list[Any]:
        async def child() -> Any:
            await asyncio.sleep(0)
            return self.request.id, current_task.request.id

        await asyncio.sleep(0)
        in_task = await asyncio.create_task(child())
        in_thread = await asyncio.to_thread(lambda: (self.request.id, current_task.request.id))
        return [self.request.id, current_task.request.id, *in_task, *in_thread]

    @task(name="sleep")
    async def sleep(seconds: float, key: str = "") -> str:
        try:
            world.seen.append(("begun", key))
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            world.seen.append(("cancelled", key))
            raise
        return "slept"

    @task(name="held")
    async def held() -> str:
        world.seen.append("held")
        while not world.released:
            await asyncio.sleep(0.01)
        return "released"

    @task(name="stubborn")
    async def stubborn() -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(PATIENCE)
            except asyncio.CancelledError:
                world.seen.append("stubborn")

    @task(name="retrying", bind=True, max_retries=2)
    async def retrying(self: Any) -> int:
        await asyncio.sleep(0)
        if self.request.retries < 1:
            raise self.retry(countdown=0)
        return int(self.request.retries)

    @task(name="autoretrying", bind=True, autoretry_for=(ValueError,), retry_kwargs={"countdown": 0, "max_retries": 2})
    async def autoretrying(self: Any) -> int:
        await asyncio.sleep(0)
        if self.request.retries < 1:
            raise ValueError
        return int(self.request.retries)

    @task(name="fail")
    async def fail(kind: str) -> None:
        await asyncio.sleep(0)
        if kind == "cancel":
            raise asyncio.CancelledError
        if kind == "exit":
            raise SystemExit(3)
        raise KeyError(kind)

    @task(name="outlet")
    async def outlet() -> str:
        async def leave() -> None:
            raise SystemExit(4)

        leaving = asyncio.create_task(leave())
        await asyncio.wait({leaving})
        leaving.exception()
        return "the loop goes on"

    @task(name="add")
    async def add(one: int, other: int) -> int:
        await asyncio.sleep(0)
        return one + other

    @task(name="adding")
    async def adding(one: int) -> int:
        return int(await add(one, 1))

    @task(name="sync", bind=True)
    def sync(self: Any) -> list[Any]:
        return [self.request.id, threading.get_ident()]


@contextmanager
def working(world: World, concurrency: int) -> Iterator[World]:
    """Have a worker run the tasks; it does not take the log's handlers away from others."""

    def leave(**rest: Any) -> None: ...

    define(world)
    signals.setup_logging.connect(leave)
    try:
        with start_worker(
            world.app,
            pool=world.app.conf.worker_pool,
            concurrency=concurrency,
            perform_ping_check=False,
            shutdown_timeout=PATIENCE,
        ) as world.worker:
            yield world
    finally:
        signals.setup_logging.disconnect(leave)
