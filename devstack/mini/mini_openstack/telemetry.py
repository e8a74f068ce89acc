"""Ceilometer and Aodh: notifications become events, and events raise the alarms of a project.

Five programs, as OpenStack has them: Ceilometer's notification agent, and Aodh's API, listener, evaluator and notifier.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from mini_openstack.broker import amqp_url
from mini_openstack.clouds import PASSWORD
from mini_openstack.errors import MiniError
from mini_openstack.layout import Layout, Ports
from mini_openstack.packages import Programs
from mini_openstack.processes import Processes

__all__ = ["REQUIREMENTS", "prepare", "register", "start", "wait"]

REQUIREMENTS = ("aodh>=23,<24", "ceilometer>=27,<28", "waitress")
FILES = Path(__file__).parent / "files"
API = "aodh-api"
READERS = {
    "ceilometer-agent-notification": "notifications.info",
    "aodh-listener": "alarm.all.sample",
    "aodh-notifier": "alarming.sample",
}
"""The processes that nobody can call, each with the queue that it reads once it is there."""

CEILOMETER = """\
[DEFAULT]
transport_url = {bus}
event_pipeline_cfg_file = {folder}/event_pipeline.yaml
[notification]
pipelines = event
notification_control_exchanges = swift
[event]
definitions_cfg_file = {files}/event_definitions.yaml
[publisher_notifier]
telemetry_driver = messagingv2
"""
PIPELINE = """\
sources: [{name: swift, events: [objectstore.http.request], sinks: [alarms]}]
sinks: [{name: alarms, publishers: ["notifier://?topic=alarm.all"]}]
"""
AODH = """\
[DEFAULT]
transport_url = {bus}
[database]
connection = sqlite:///{folder}/aodh.db
[keystone_authtoken]
www_authenticate_uri = {keystone}
service_token_roles_required = true
service_token_roles = service
{user}
[service_credentials]
region_name = RegionOne
{user}
"""
USER = """\
auth_type = password
auth_url = {keystone}
username = aodh
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default"""


def prepare(layout: Layout, ports: Ports, programs: Programs) -> None:
    """Write configuration and database. Raises MiniError."""
    folder = layout.telemetry
    folder.mkdir(exist_ok=True)
    keystone = f"http://127.0.0.1:{ports.keystone}/v3"
    given = {"bus": amqp_url(ports, "rabbit"), "folder": folder, "files": FILES, "keystone": keystone}
    user = USER.format(keystone=keystone, password=PASSWORD)
    (folder / "ceilometer.conf").write_text(CEILOMETER.format(**given))
    (folder / "event_pipeline.yaml").write_text(PIPELINE)
    (folder / "aodh.conf").write_text(AODH.format(user=user, **given))
    if not (folder / "aodh.db").exists():
        _run([programs.path("aodh-dbsync"), "--config-file", str(folder / "aodh.conf")])


def register(layout: Layout, ports: Ports, openstack: Programs) -> None:
    """Give Keystone, which has to be up, Aodh's user and its place in the catalogue; once. Raises MiniError."""
    done = layout.telemetry / "registered"
    if not done.exists():
        script = str(FILES / "aodh_seed.py")
        _run([str(openstack.python), "-W", "ignore", script, str(layout.clouds), str(ports.aodh)])
        done.touch()


def start(layout: Layout, ports: Ports, programs: Programs, processes: Processes) -> None:
    """Start the five. They look for their configuration at home."""
    home = {"HOME": str(layout.telemetry)}
    server = [str(programs.python), "-W", "ignore", str(FILES / "aodh_server.py"), "127.0.0.1", str(ports.aodh)]
    processes.start(API, server, env=home, cwd=layout.telemetry)
    for name in (*READERS, "aodh-evaluator"):
        processes.start(name, [programs.path(name)], env=home, cwd=layout.telemetry)


def wait(ports: Ports, openstack: Programs, processes: Processes) -> None:
    """Wait until Aodh answers, and until all who read a queue do so."""
    processes.wait_for(API, ports.aodh)
    for name, queue in READERS.items():
        command = [str(openstack.python), str(FILES / "reader.py"), amqp_url(ports), queue]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as asking:
            try:
                processes.wait_until(name, lambda: asking.poll() is not None, f"does not read the queue {queue}")
            finally:
                asking.kill()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MiniError(f"{Path(command[0]).name} failed:\n{done.stderr.strip() or done.stdout.strip()}")
