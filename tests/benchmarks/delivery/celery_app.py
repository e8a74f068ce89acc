"""Plain Celery with Redis as broker and result backend, as its own documentation sets it up, and made as safe as it
can be: acknowledged after the run, a lost worker's task is given back.
"""

from __future__ import annotations

import os

from celery import Celery

from tests.benchmarks.delivery.noop import noop
from tests.benchmarks.delivery.redis_server import REDIS

__all__ = ["app", "task"]

app = Celery("benchmark", broker=os.environ[REDIS], backend=os.environ[REDIS])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_connection_retry_on_startup=True,
)
task = app.task(name="noop")(noop)
