"""Swift: proxy, account, container and object server, one process each, one device, one replica."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path
from typing import Literal

from mini_openstack.broker import amqp_url
from mini_openstack.clouds import PASSWORD
from mini_openstack.errors import MiniError
from mini_openstack.layout import Layout, Ports
from mini_openstack.packages import Programs
from mini_openstack.processes import Processes

__all__ = ["PLACEMENTS", "Placement", "prepare", "start", "wait"]

Placement = Literal["last", "early"]
PLACEMENTS: tuple[Placement, ...] = ("last", "early")
FILES = Path(__file__).parent / "files"
SHARED = Path(__file__).resolve().parents[2]
STORAGE = ("object", "container", "account")
FILTER = "funcatron_notifications"

EARLY = "catch_errors gatekeeper healthcheck proxy-logging listing_formats"
"""Behind these the filter sees the requests that clients made, and not those that middleware makes of them."""
REST = (
    "bulk tempurl formpost s3api authtoken s3token keystoneauth staticweb copy container-quotas account-quotas slo dlo"
    " versioned_writes symlink proxy-logging2"
)

SWIFT = """\
[swift-hash]
swift_hash_path_suffix = funcatron
swift_hash_path_prefix = funcatron
"""
SERVER = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {devices}
mount_check = false
disable_fallocate = true
log_level = WARNING
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""


def prepare(layout: Layout, ports: Ports, programs: Programs, placement: Placement) -> None:
    """Write configuration and rings. Raises MiniError where the rings cannot be built."""
    folder, user = layout.swift, getpass.getuser()
    (folder / "swift.conf").write_text(SWIFT)
    for kind in STORAGE:
        settings = SERVER.format(kind=kind, port=getattr(ports, kind), user=user, folder=folder, devices=layout.devices)
        (folder / f"{kind}-server.conf").write_text(settings)
    (folder / "notifications-oslo.conf").write_text((SHARED / "notifications-oslo.conf").read_text())
    proxy = (FILES / "proxy-server.conf").read_text()
    given = {
        "PORT": str(ports.proxy),
        "USER": user,
        "FOLDER": str(folder),
        "PIPELINE": f"{EARLY} {FILTER} {REST}" if placement == "early" else f"{EARLY} {REST} {FILTER}",
        "KEYSTONE": f"http://127.0.0.1:{ports.keystone}/v3",
        "PASSWORD": PASSWORD,
        "URL": amqp_url(ports, "rabbit"),
        "OSLO": str(folder / "notifications-oslo.conf"),
    }
    text = proxy + (SHARED / "notifications.conf").read_text()
    for name, value in given.items():
        text = text.replace(f"@{name}@", value)
    (folder / "proxy-server.conf").write_text(text)
    if not (folder / "object.ring.gz").exists():
        rings = [f"{kind}={getattr(ports, kind)}" for kind in STORAGE]
        command = [str(programs.python), "-W", "ignore", str(FILES / "rings.py"), str(folder), *rings]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MiniError(f"Swift's rings cannot be built:\n{done.stderr.strip()}")


def start(layout: Layout, programs: Programs, processes: Processes) -> None:
    """Start the four servers."""
    for kind in (*STORAGE, "proxy"):
        command = [programs.path(f"swift-{kind}-server"), str(layout.swift / f"{kind}-server.conf"), "-v"]
        processes.start(f"swift-{kind}", command)


def wait(ports: Ports, processes: Processes) -> None:
    """Wait until all of them answer."""
    for kind in (*STORAGE, "proxy"):
        processes.wait_for(f"swift-{kind}", getattr(ports, kind))
