"""A Celery worker started by us: quietly, with our own signals and logging, ready within a second."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from celery import signals
from celery.app import trace
from celery.apps.worker import Worker
from celery.concurrency import solo  # noqa: F401 - Celery imports these by name when a worker starts: with us here,
from celery.utils.nodenames import host_format
from celery.worker import components, state  # noqa: F401 - they are imported once, before the supervisor forks

from funcatron_celery import guard  # noqa: F401 - as above
from funcatron_celery.app import FunctionsApp
from funcatron_celery.handover import interrupt

__all__ = ["QuietWorker", "serve_tasks"]

CELERY_LOGGERS = ("celery", "kombu", "amqp")


class QuietWorker(Worker):  # type: ignore[misc]
    """Celery's worker program without its banner, its process title and its signal handlers."""

    def on_before_init(self, **options: Any) -> None:
        """As Celery's, but without its warning of the superuser: only JSON is taken, nothing is unpickled."""
        self.quiet = True
        trace.setup_worker_optimizations(self.app, self.hostname)
        signals.celeryd_init.send(sender=self.hostname, instance=self, conf=self.app.conf, options=options)

    def setup_logging(self, colorize: bool | None = None) -> bool:
        """Leave logging as it is."""
        return True

    def install_platform_tweaks(self, worker: Any) -> None:
        """Take SIGTERM alone: finish what runs, then end."""

        def stop(number: int, frame: FrameType | None) -> None:
            state.should_stop = 0
            interrupt(self.consumer)

        signal.signal(signal.SIGTERM, stop)

    def set_process_status(self, info: str) -> None:
        """Leave the process's title as it is."""


def serve_tasks(app: FunctionsApp, *, name: str, ready: Callable[[], None]) -> int:
    """Consume the queues of the app's functions until SIGTERM; returns the exit code. Main thread only."""
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        for logger in CELERY_LOGGERS:
            logging.getLogger(logger).setLevel(logging.WARNING)
    worker = QuietWorker(
        app=app,
        hostname=host_format(f"{name}.{os.getppid()}@%h"),  # two supervisors of one machine may share a broker
        pool=app.conf.worker_pool,
        concurrency=app.conf.worker_concurrency,
        loglevel=logging.WARNING,
        without_heartbeat=True,
        ready_callback=lambda consumer: ready(),
    )
    try:
        worker.start()
    finally:
        app.tasks_of_functions.loop.close()
        app.funcatron.close()
        app.identity.release()
    return int(worker.exitcode or 0)
