"""The three commands: up, down, env."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mini_openstack import broker, keystone, swift, telemetry
from mini_openstack.clouds import as_shell, exports, write_clouds
from mini_openstack.errors import MiniError
from mini_openstack.layout import DEFAULT, Layout, Ports
from mini_openstack.packages import Programs, missing
from mini_openstack.processes import Processes

__all__ = ["down", "env", "up"]

LACKING = 3
"""The exit code where the machine lacks a package: tests skip then."""


def up() -> int:
    """Start a stack; returns the exit code."""
    parser = _parser("Start Keystone, Swift, RabbitMQ and ceilometermiddleware on the loopback.")
    parser.add_argument("--port-base", type=int, metavar="N", help="the first of nine ports (default: free ones)")
    parser.add_argument("--placement", choices=swift.PLACEMENTS, default="last", help=PLACEMENT_HELP)
    parser.add_argument("--aodh", action="store_true", help="Ceilometer and Aodh too: notifications raise alarms")
    parser.add_argument("--fresh", action="store_true", help="begin anew: stop the stack and delete its folder first")
    arguments = parser.parse_args()
    return _told(lambda: _up(arguments))


PLACEMENT_HELP = (
    "where the notifying filter stands: last, just before the proxy server, as DevStack puts it (default); early,"
    " behind listing_formats, where it sees COPY, the S3 API and bulk requests too"
)


def down() -> int:
    """Stop a stack; returns the exit code."""
    parser = _parser("Stop the stack; what it holds is kept for the next start.")
    parser.add_argument("--delete", action="store_true", help="delete its folder too")
    arguments = parser.parse_args()
    return _told(lambda: _down(Layout(arguments.dir), delete=arguments.delete))


def env() -> int:
    """Print the environment of a client; returns the exit code."""
    parser = _parser('Print the environment of a client: eval "$(devstack/mini/env)".')
    layout = Layout(parser.parse_args().dir)
    return _told(lambda: sys.stdout.write(as_shell(exports(layout, layout.known_ports()))))


def _up(arguments: argparse.Namespace) -> None:
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}", file=sys.stderr, flush=True)

    if lacks := missing():
        raise Lacking("this machine lacks " + " and ".join(lacks))
    layout, programs = Layout(arguments.dir), Programs()
    alarms = Programs(telemetry.REQUIREMENTS, what="Ceilometer and Aodh") if arguments.aodh else None
    for wanted in (programs, alarms):
        if wanted is not None:
            wanted.install(say)
    if arguments.fresh:
        _down(layout, delete=True)
    layout.make()
    ports = layout.ports(arguments.port_base)
    processes = Processes(layout.pids, layout.logs)
    try:
        broker.start(layout, ports, processes)  # the slowest first
        write_clouds(layout, ports)
        is_new = keystone.prepare(layout, ports, programs, say)
        keystone.start(layout, ports, programs, processes)
        swift.prepare(layout, ports, programs, arguments.placement)
        swift.start(layout, programs, processes)
        keystone.wait(ports, processes)
        if is_new:
            keystone.seed(layout, ports, programs)
        say(f"Keystone serves at http://127.0.0.1:{ports.keystone}/v3")
        swift.wait(ports, processes)
        say(f"Swift serves at http://127.0.0.1:{ports.proxy}")
        broker.wait(ports, processes)
        say(f"RabbitMQ serves at 127.0.0.1:{ports.rabbitmq}")
        if alarms is not None:
            _watch(layout, ports, programs, alarms, processes)
            say(f"Aodh serves at http://127.0.0.1:{ports.aodh}")
    except BaseException:
        processes.stop()
        broker.stop_mapper(layout, ports)
        raise
    option = "" if layout.folder == DEFAULT.resolve() else f" --dir {layout.folder}"
    say(f'up. Now: eval "$(devstack/mini/env{option})"    and in the end: devstack/mini/down{option}')


def _watch(layout: Layout, ports: Ports, programs: Programs, alarms: Programs, processes: Processes) -> None:
    """Start Ceilometer and Aodh beside what is up."""
    telemetry.prepare(layout, ports, alarms)
    telemetry.register(layout, ports, programs)
    telemetry.start(layout, ports, alarms, processes)
    telemetry.wait(ports, programs, processes)


def _down(layout: Layout, *, delete: bool) -> None:
    if layout.made:
        Processes(layout.pids, layout.logs).stop()
        broker.stop_mapper(layout, layout.known_ports())
    if delete and layout.folder.exists():
        if any(layout.folder.iterdir()) and not layout.made:
            raise MiniError(f"{layout.folder} holds no stack; it is not deleted")
        shutil.rmtree(layout.folder)


class Lacking(MiniError):
    """The machine lacks a package that only its administrator can install."""


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--dir", type=Path, default=DEFAULT, help=f"the stack's folder (default {DEFAULT})")
    return parser


def _told(act: Callable[[], object]) -> int:
    """Act; say in one paragraph what went wrong."""
    try:
        act()
    except Lacking as error:
        print(f"{error}", file=sys.stderr)
        return LACKING
    except MiniError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
