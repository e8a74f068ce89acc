"""Connections of openstacksdk: one for each process and each set of credentials, made when it is first asked for.

A Connection is shared by all threads of a process: its token is renewed under a lock, requests take turns in urllib3's
pool of connections, and the SDK itself uploads an object's segments from several threads that way. What is changed on a
Connection (``conn.config``, headers of ``conn.session``) is changed for all.
"""

from __future__ import annotations

import os
import threading
from functools import cache

from funcatron.extras import needs
from funcatron.invocation import Invocation
from funcatron.settings import Settings
from funcatron_openstack.credentials import Cloud, public_region
from funcatron_openstack.marking import ContextThreads, mark, marking_session

with needs("openstack"):
    from openstack.connection import Connection

__all__ = ["connect", "connection_for"]

TIMEOUT = 60.0
"""Seconds for each answer (and each piece of a body) where clouds.yaml has no ``api_timeout``."""
THREADS = 5
"""In which the SDK uploads the segments of one large object; as many as it has by itself."""

_connecting = threading.RLock()


def connection_for(
    settings: Settings, invocation: Invocation, *, cloud: str | None = None, trust: str | None = None
) -> Connection:
    """Return what ``context.openstack`` is: for a function with these ``openstack`` settings in ``x-funcatron``.

    What the invocation writes to Swift by it is marked (``funcatron_openstack.marks``). Raises SettingsError.
    """
    connection = connect(Cloud.of(settings, name=cloud, trust=trust))
    mark(invocation)
    return connection


def connect(cloud: Cloud) -> Connection:
    """Return this process' Connection of a cloud; nothing is asked of it yet. Raises SettingsError."""
    with _connecting:
        return _connection(cloud, os.getpid())


@cache
def _connection(cloud: Cloud, process: int) -> Connection:
    region = public_region(cloud, TIMEOUT, transport=marking_session())
    return Connection(config=region, pool_executor=ContextThreads(THREADS, thread_name_prefix="openstack"))
