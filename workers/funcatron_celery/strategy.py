"""What a worker does with the messages of a task: Celery's own strategy, and a shorter way for our own messages.

Celery's way from message to task makes promises, a request with the representation of its arguments, a context and a
traced call, for whoever watches: events, signals, a result backend, rate limits, its log. A message of our own
publisher names an execution and carries nothing else, so where nobody watches none of that is needed, and it is run
at once. The worker's state (``celery inspect stats``, ``query_task``, ``revoke``) is kept either way.

Celery finds this by ``Task.Strategy``, which is asked anew with every connection.
"""

from __future__ import annotations

import logging
import operator
import os
import time
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.concurrency.solo import TaskPool as SoloPool
from celery.exceptions import Reject
from celery.worker import state, strategy

from funcatron_celery.envelope import BODY, MARK
from funcatron_celery.examine import LONGEST_ID

__all__ = ["Strategy"]

logger = logging.getLogger("funcatron.worker")
celery_logger = logging.getLogger(strategy.__name__)

WATCHED = (
    signals.task_received,
    signals.task_prerun,
    signals.task_postrun,
    signals.task_success,
    signals.task_failure,
    signals.task_retry,
)
"""What others may have connected to (tracing, error reporting): then they get what Celery gives them."""

_receivers = operator.attrgetter("receivers")


class Request:
    """An execution as Celery's worker state knows it, for as long as it runs."""

    __slots__ = ("__weakref__", "_message", "hostname", "id", "name", "time_start")

    def __init__(self, name: str, execution_id: str, hostname: str, message: Any) -> None:
        self.name = name
        self.id = execution_id
        self.hostname = hostname
        self.time_start = time.time()
        self._message = message

    @property
    def acknowledged(self) -> bool:
        """Whether its message is settled."""
        return bool(self._message.acknowledged)

    def info(self, safe: bool = False) -> dict[str, Any]:
        """Return what ``celery inspect active`` shows."""
        return {
            "id": self.id,
            "name": self.name,
            "args": "()" if safe else [],
            "kwargs": "{}" if safe else {},
            "type": self.name,
            "hostname": self.hostname,
            "time_start": self.time_start,
            "acknowledged": self.acknowledged,
            "delivery_info": self._message.delivery_info,
            "worker_pid": os.getpid(),
        }


class Strategy:
    """The strategy of one task in one consumer: called as Celery calls it, after ``take`` has declined."""

    def __init__(self, task: Any, app: Any, consumer: Any) -> None:
        self._task = task
        self._name: str = task.name
        self._usual: Callable[..., Any] = strategy.default(task, app, consumer)
        self._hostname: str = consumer.hostname
        self._buckets = consumer.task_buckets
        self._eventer = consumer.event_dispatcher
        self._connection_errors = consumer.connection_errors
        self._run: Callable[[str, str], object] = app.tasks_of_functions.run
        self._possible = (
            task.name in app.funcatron.registry.functions and isinstance(consumer.pool, SoloPool) and task.ignore_result
        )

    def __call__(self, message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        """Do as Celery does."""
        return self._usual(message, body, ack, reject, callbacks)

    def take(self, message: Any) -> bool:
        """Run the execution that the message names and settle the message; False where it is not for this way."""
        execution_id = message.headers.get("id")
        if not self._possible or not _is_plain(message, execution_id) or self._is_watched(execution_id):
            return False
        request = Request(self._name, execution_id, self._hostname, message)
        _begun(request)
        try:
            self._run(self._name, execution_id)
        except Reject as back:
            message.reject_log_error(logger, self._connection_errors, requeue=back.requeue)
        else:
            message.ack_log_error(logger, self._connection_errors)
        finally:
            _ended(request)
        return True

    def _is_watched(self, execution_id: str) -> bool:
        """Whether anybody is to hear of it, or it was revoked or is limited: that is Celery's to see to."""
        eventer = self._eventer
        return bool(
            (eventer and eventer.enabled and (not eventer.groups or "task" in eventer.groups))
            or execution_id in state.revoked
            or state.revoked_stamps
            or self._buckets.get(self._name)
            or celery_logger.isEnabledFor(logging.INFO)
            or _somebody_listens()
        )


def _somebody_listens() -> bool:
    return any(map(_receivers, WATCHED))


def _is_plain(message: Any, execution_id: Any) -> bool:
    """Whether this is what our publisher sends; whatever else its headers say is of no meaning to us."""
    return (
        message.body == BODY
        and message.content_type == "application/json"
        and message.headers.get(MARK) == "execution"
        and isinstance(execution_id, str)
        and 0 < len(execution_id) <= LONGEST_ID
        and execution_id.isprintable()
    )


def _begun(request: Request) -> None:
    """As ``state.task_accepted``, at a third of its price."""
    state.requests[request.id] = request
    state.active_requests.add(request)
    state.total_count[request.name] += 1
    state.all_total_count[0] += 1


def _ended(request: Request) -> None:
    state.requests.pop(request.id, None)
    state.active_requests.discard(request)
