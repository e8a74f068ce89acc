"""What the command line starts: HTTP, workers, triggers and clock, all of them or one kind, under one supervisor."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from funcatron import plugins
from funcatron.app import Funcatron
from funcatron.errors import FuncatronError, Unavailable
from funcatron.store.opening import check_writable, path_of
from funcatron_celery.durability import check_broker
from funcatron_celery.limits import GRACE
from funcatron_celery.process import CONFIGURATION, Child, Role
from funcatron_celery.supervisor import Supervisor

__all__ = ["CeleryRoles"]

logger = logging.getLogger("funcatron.supervisor")

BACKLOG = 2048
MISCONFIGURED = 2  # the command line's exit code for settings that cannot work


class CeleryRoles:
    """Runs an application as processes; each method serves until SIGTERM or Ctrl-C and returns the exit code.

    ``funcatron`` is bound to its handlers here, before anything is forked, so mistakes are raised (SpecError) and its
    code is in memory once. ``on_start`` is called when nothing is in the way of the processes any more, ``on_ready``
    when every one serves, with the URLs that HTTP is served at.
    """

    def __init__(
        self,
        funcatron: Funcatron,
        *,
        on_start: Callable[[], None] = lambda: None,
        on_ready: Callable[[Sequence[str]], None] = lambda urls: None,
    ) -> None:
        self._funcatron = funcatron
        self._settings = funcatron.settings
        self._on_start = on_start
        self._on_ready = on_ready

    def run(self) -> int:
        """Serve everything."""
        with self._listening() as sockets:
            return self._supervise([*self._http(sockets), *self._workers(), self._triggers()], sockets)

    def serve(self) -> int:
        """Serve HTTP alone."""
        with self._listening() as sockets:
            return self._supervise(self._http(sockets), sockets)

    def worker(self) -> int:
        """Run executions alone."""
        return self._supervise(self._workers())

    def triggers(self) -> int:
        """Listen to triggers and keep the clock alone."""
        return self._supervise([self._triggers()])

    def _supervise(self, roles: Sequence[Role], sockets: Sequence[socket.socket] = ()) -> int:
        check_broker(self._settings)
        for url in {self._settings.store_url, self._settings.broker_url}:
            if url.startswith("sqlite:"):
                check_writable(path_of(url))
        try_store(self._settings.store_url)
        _ = self._funcatron.registry
        self._on_start()
        _preload(roles)
        urls = [_url(listening) for listening in sockets]
        supervisor = Supervisor(
            roles,
            shutdown_timeout=self._settings.shutdown_timeout,
            grace=GRACE,
            on_overdue=self._funcatron.killed.add,
            on_ready=lambda: self._on_ready(urls),
        )
        code = supervisor.run()
        return MISCONFIGURED if code == CONFIGURATION else code

    @contextmanager
    def _listening(self) -> Iterator[list[socket.socket]]:
        """Bind before forking: all HTTP processes share the sockets, and no connection is lost when one restarts."""
        sockets = bind(self._settings.host, self._settings.port)
        try:
            yield sockets
        finally:
            for listening in sockets:
                listening.close()

    def _http(self, sockets: Sequence[socket.socket]) -> list[Role]:
        def main(child: Child) -> None:
            from funcatron_celery.http import serve_http

            serve_http(self._funcatron, sockets, ready=child.ready)

        return [Role(f"http-{number}", main) for number in range(1, self._settings.processes + 1)]

    def _workers(self) -> list[Role]:
        def main(child: Child) -> None:
            from funcatron_celery.app import make_celery
            from funcatron_celery.worker import serve_tasks

            app = make_celery(self._funcatron, supervised=True)
            if app.conf.worker_pool != "prefork":  # Celery keeps the limits of that one's processes
                app.identity.tell = child.known_as
                app.tasks_of_functions.deadlines.tell = child.must_end
            sys.exit(serve_tasks(app, name=child.name, ready=child.ready))

        return [Role(f"worker-{number}", main) for number in range(1, self._settings.workers + 1)]

    def _triggers(self) -> Role:
        def main(child: Child) -> None:
            from funcatron_celery.clock import serve_triggers

            serve_triggers(self._funcatron, ready=child.ready)

        return Role("triggers", main)


def try_store(url: str) -> None:
    """Ask the store once: what can never work is raised here, and not by every child for ever; an outage is told."""
    store = plugins.load("funcatron.stores", url.partition(":")[0])(url)
    try:
        store.get("")
    except Unavailable as error:
        logger.warning("the store is out of reach; what needs it is refused or waits: %s", error)
    finally:
        store.close()


def bind(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for every address of ``host`` (port 0: a free one); raises FuncatronError."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise FuncatronError(f"cannot listen on {host}:{port}: {error}") from error
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind((address[0], port or _port(sockets), *address[2:]))
            listening.listen(BACKLOG)
        except OSError as error:
            for bound in (listening, *sockets):
                bound.close()
            other = "; another port: --port, FUNCATRON_PORT" if error.errno == errno.EADDRINUSE else ""
            raise FuncatronError(f"cannot listen on {host}:{port}: {error.strerror}{other}") from error
        sockets.append(listening)
    return sockets


def _port(sockets: Sequence[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1]) if sockets else 0


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if listening.family == socket.AF_INET6 else f"http://{host}:{port}"


def _preload(roles: Sequence[Role]) -> None:
    """Import what the children need, so that it is in memory once."""
    names: set[str] = {role.name.partition("-")[0] for role in roles}
    if "http" in names:
        import funcatron_celery.http
    if "worker" in names:
        import funcatron_celery.worker
    if "triggers" in names:
        import funcatron_celery.clock  # noqa: F401
