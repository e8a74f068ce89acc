"""RabbitMQ: a private node, with a port mapper of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess

from mini_openstack.layout import Layout, Ports
from mini_openstack.packages import RABBITMQ
from mini_openstack.processes import Processes

__all__ = ["amqp_url", "start", "stop_mapper", "wait"]

USER, PASSWORD = "funcatron", "secret"
NAME = "rabbitmq"
HELLO = b"AMQP\x00\x00\x09\x01"

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users = none
disk_free_limit.absolute = 50MB
load_definitions = {definitions}
"""


def amqp_url(ports: Ports, scheme: str = "amqp") -> str:
    """Return the URL of the node; ``scheme`` is rabbit for oslo.messaging."""
    return f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{ports.rabbitmq}/" + ("/" if scheme == "amqp" else "")


def start(layout: Layout, ports: Ports, processes: Processes) -> None:
    """Start the node; it takes several seconds, more than anything else here."""
    folder = layout.rabbitmq
    definitions = folder / "definitions.json"
    definitions.write_text(json.dumps(_definitions()))
    (folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=ports.rabbitmq, definitions=definitions))
    (folder / "enabled_plugins").write_text("[].\n")
    (folder / "env.conf").touch()
    processes.start(NAME, [str(RABBITMQ)], env=_environment(layout, ports), cwd=folder)


def wait(ports: Ports, processes: Processes) -> None:
    """Wait until the node takes connections."""
    processes.wait_for(NAME, ports.rabbitmq, HELLO)


def stop_mapper(layout: Layout, ports: Ports) -> None:
    """End the node's own port mapper, which outlives it."""
    if (epmd := shutil.which("epmd")) is not None:
        environ = {**os.environ, **_environment(layout, ports)}
        subprocess.run([epmd, "-kill"], env=environ, capture_output=True, check=False)


def _definitions() -> dict[str, object]:
    """One user, one virtual host, and a bound for the queue that the notifier declares and nobody reads: it would grow
    without end.
    """
    bound = {"max-length": 1000, "message-ttl": 60_000}
    unread = {"vhost": "/", "name": "unread", "pattern": r"^notifications\.info$", "apply-to": "queues"}
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "vhosts": [{"name": "/"}],
        "users": [{"name": USER, "password_hash": _hash(PASSWORD), "tags": "administrator"}],
        "permissions": [{"user": USER, "vhost": "/", **everything}],
        "policies": [{**unread, "definition": bound, "priority": 0}],
    }


def _hash(password: str) -> str:
    """Return a password as RabbitMQ keeps it: base64 of the salt and of SHA-256 over salt and password."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _environment(layout: Layout, ports: Ports) -> dict[str, str]:
    folder = layout.rabbitmq
    quiet = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
    return {
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": f"funcatron{ports.rabbitmq}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports.rabbitmq),
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {quiet}",
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
    }
