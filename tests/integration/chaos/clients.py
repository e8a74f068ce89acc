"""Honest clients: each call is made again, under the same identity, until it is accepted.

A third of the calls enters over HTTP, a third through Celery's ``send_task``, a third as messages of a queue.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Protocol

from celery import Celery
from celery.exceptions import OperationalError as CeleryUnavailable
from kombu import Connection
from kombu.exceptions import OperationalError

from tests.integration.chaos.brokers import DOOR, INBOX, Broker

__all__ = ["Clients", "Refused"]

THREADS = 3
"""Threads of each kind."""
PAUSE = 0.2
FUNCTION = "counted.count"


class Refused(Exception):
    """An answer that no honest client may get for these calls."""


class _Client(Protocol):
    def call(self, number: int) -> bool: ...

    def close(self) -> None: ...


class _Web:
    """Calls over HTTP with an Idempotency-Key."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, number: int) -> bool:
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"call-{number}"}
        try:
            self._connection.request("POST", "/counts", json.dumps({"number": number}), headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            self._connection.close()
            return False
        if answer.status == 202:
            return True
        if answer.status == 503 and answer.getheader("Retry-After") is not None:
            return False
        if answer.status == 409:  # the call whose answer did not come is still in flight
            return False
        raise Refused(f"{answer.status} {content!r}")

    def close(self) -> None:
        self._connection.close()


class _Tasks:
    """Sends Celery tasks whose id tells them from any other."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def call(self, number: int) -> bool:
        kwargs = {"body": {"number": number}}
        try:
            self._app.send_task(FUNCTION, kwargs=kwargs, task_id=f"task-{number}", queue=DOOR, retry=False)
        except (CeleryUnavailable, OSError, *self._app.connection().connection_errors):
            return False
        return True

    def close(self) -> None:
        """Do nothing: the application is shared."""


class _Messages:
    """Publishes messages with a ``message_id``."""

    def __init__(self, broker: Broker) -> None:
        self._connection = Connection(broker.url, transport_options={"confirm_publish": True})

    def call(self, number: int) -> bool:
        errors = (OperationalError, OSError, *self._connection.connection_errors, *self._connection.channel_errors)
        try:
            producer = self._connection.Producer()
            producer.publish({"number": number}, exchange="", routing_key=INBOX, message_id=f"message-{number}",
                             mandatory=True)  # fmt: skip
            producer.close()
        except errors:
            self._connection.collect()
            return False
        return True

    def close(self) -> None:
        self._connection.collect()


class Clients:
    """Calls ``counted.count`` with each number below ``calls``, ``rate`` a second over all; ``accepted`` grows."""

    def __init__(self, broker: Broker, port: int, *, calls: int, rate: float) -> None:
        self.accepted: dict[int, str] = {}
        self.attempts = 0
        self.errors: list[BaseException] = []
        self._calls = calls
        self._rate = rate
        self._began = time.monotonic()
        self._told = threading.Event()
        self._app = Celery("chaos", broker=broker.url, set_as_current=False)
        self._app.conf.update(broker.options())
        kinds: dict[str, Callable[[], _Client]] = {
            "http": lambda: _Web(port),
            "celery": lambda: _Tasks(self._app),
            "queue": lambda: _Messages(broker),
        }
        makers: list[tuple[str, Callable[[], _Client]]] = [each for each in kinds.items() for _ in range(THREADS)]
        self._threads = [
            threading.Thread(target=self._work, args=(kind, make, range(first, calls, len(makers))), daemon=True)
            for first, (kind, make) in enumerate(makers)
        ]

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def done(self) -> bool:
        """Whether every call was accepted, or a client gave up."""
        return len(self.accepted) == self._calls or bool(self.errors)

    def stop(self) -> None:
        """End, whatever is left."""
        self._told.set()
        for thread in self._threads:
            thread.join(70)
        self._app.close()

    def _work(self, kind: str, make: Callable[[], _Client], numbers: range) -> None:
        client = make()
        try:
            for number in numbers:
                self._told.wait(max(0.0, self._began + number / self._rate - time.monotonic()))
                while not self._told.is_set():
                    self.attempts += 1
                    if client.call(number):
                        self.accepted[number] = kind
                        break
                    self._told.wait(PAUSE)
        except Exception as error:  # noqa: BLE001 - a thread's boundary: told where the trial ends
            self.errors.append(error)
        finally:
            client.close()
