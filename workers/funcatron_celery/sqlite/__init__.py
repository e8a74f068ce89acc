"""The embedded broker: a kombu transport on one SQLite file, which may be the execution store's own.

Consumers hold a lease (``funcatron.store.lease``) and own what they claim; the kernel frees the lease of a process
that dies, so nothing is lost and nothing waits. Works with Celery's solo and threads pools (prefork cannot: its
children wait on one pipe whose lock dies with a killed child), with ``celery inspect`` and events.

A Celery application uses it after ``register()`` by ``broker_url="sqlite:////file"``; one that knows nothing of
funcatron by ``broker_transport="funcatron_celery.sqlite:Transport"`` beside it.

``payload`` makes the ``payload`` of the messages that are given to ``SQLiteStore.create`` and ``published``.
"""

from funcatron_celery.sqlite.payload import payload
from funcatron_celery.sqlite.transport import Transport, register

__all__ = ["Transport", "payload", "register"]
