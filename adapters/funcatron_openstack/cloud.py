"""Connections of openstacksdk: one for each process and each set of credentials, made when it is first asked for.

A Connection is shared by all threads of a process: its token is renewed under a lock, requests take turns in urllib3's
pool of connections, and the SDK itself uploads an object's segments from several threads that way. What is changed on a
Connection (``conn.config``, headers of ``conn.session``) is changed for all.
"""

from __future__ import annotations

import os
import threading
from functools import cache

from openstack.connection import Connection

from funcatron.settings import Settings
from funcatron_openstack.credentials import Cloud, public_region

__all__ = ["connect", "connection_for"]

TIMEOUT = 60.0
"""Seconds for each answer (and each piece of a body) where clouds.yaml has no ``api_timeout``."""

_connecting = threading.RLock()


def connection_for(settings: Settings, *, cloud: str | None = None, trust: str | None = None) -> Connection:
    """Return what ``context.openstack`` is: for a function with these ``openstack`` settings in ``x-funcatron``."""
    return connect(Cloud.of(settings, name=cloud, trust=trust))


def connect(cloud: Cloud) -> Connection:
    """Return this process' Connection of a cloud; nothing is asked of it yet. Raises SettingsError."""
    with _connecting:
        return _connection(cloud, os.getpid())


@cache
def _connection(cloud: Cloud, process: int) -> Connection:
    return Connection(config=public_region(cloud, TIMEOUT))
