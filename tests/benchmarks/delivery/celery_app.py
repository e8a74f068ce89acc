"""Plain Celery as its own documentation sets it up, and as safe as it can be: acknowledged after the run, a lost
worker's task is given back, RabbitMQ confirms what is published. Without a result backend results are ignored.

On RabbitMQ a worker prefetches 64 tasks, which suits short ones best; on Redis that makes no difference.
"""

from __future__ import annotations

import os

from celery import Celery

from tests.benchmarks.delivery.noop import BROKER, RESULTS, noop

__all__ = ["app", "task"]

app = Celery("benchmark", broker=os.environ[BROKER], backend=os.environ.get(RESULTS))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=RESULTS not in os.environ,
    broker_connection_retry_on_startup=True,
)
if os.environ[BROKER].startswith("amqp"):
    app.conf.update(broker_transport_options={"confirm_publish": True}, worker_prefetch_multiplier=64)
task = app.task(name="noop")(noop)
