"""The process of triggers and clock: it listens to what is outside and looks after what is on record."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

from funcatron.app import Funcatron
from funcatron.event import CloudEvent
from funcatron.ports import Publish
from funcatron.triggers import BoundTrigger
from funcatron_celery.sweep import Sweep

__all__ = ["serve_triggers"]

logger = logging.getLogger("funcatron.triggers")

MOST_STOPPING = 64


def serve_triggers(funcatron: Funcatron, *, ready: Callable[[], None]) -> None:
    """Start every trigger and the sweep; end them on SIGTERM. Main thread only."""
    told = threading.Event()

    def stop(number: int, frame: Any) -> None:
        told.set()

    signal.signal(signal.SIGTERM, stop)
    with ExitStack() as stack:
        stack.callback(funcatron.close)
        sweep = Sweep(funcatron)
        sweep.start()
        stack.callback(sweep.stop)
        started: list[BoundTrigger] = []
        stack.callback(stop_all, started)
        for bound in funcatron.triggers:
            for said in bound.warnings():
                logger.warning("%s: %s", bound.function.name, said)
            bound.trigger.start(publishing(funcatron, bound))
            started.append(bound)
        ready()
        while not told.wait(0.5):  # a signal handler cannot wake a wait without a timeout on every system
            pass


def stop_all(started: Sequence[BoundTrigger]) -> None:
    """Stop triggers side by side: each may take a moment to end what it has in hand, and there may be hundreds."""
    with ThreadPoolExecutor(MOST_STOPPING, thread_name_prefix="stop") as pool:
        for stopping in [pool.submit(bound.trigger.stop) for bound in started]:
            stopping.result()


def publishing(funcatron: Funcatron, bound: BoundTrigger) -> Publish:
    """Return what this trigger calls with each of its events."""

    def publish(event: CloudEvent) -> None:
        funcatron.publish(event, function=bound.function.name, trigger=bound.kind, mapping=bound.mapping)

    return partial(publish)
