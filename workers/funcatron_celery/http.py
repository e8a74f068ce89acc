"""One HTTP process: uvicorn on sockets that the supervisor has bound."""

from __future__ import annotations

import logging
import math
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn

import funcatron.http.door  # noqa: F401 - the application imports it when it starts; here it comes before the fork
from funcatron.app import Funcatron
from funcatron.garbage import settled

__all__ = ["serve_http"]


class _Server(uvicorn.Server):
    """uvicorn's server that says when it serves, and ends in order on SIGTERM alone."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            settled()
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        signal.signal(signal.SIGTERM, self.handle_exit)
        yield


def serve_http(funcatron: Funcatron, sockets: Sequence[socket.socket], *, ready: Callable[[], None]) -> None:
    """Serve the application until SIGTERM; running requests may end for ``shutdown_timeout`` seconds."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(
        funcatron,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=math.ceil(funcatron.settings.shutdown_timeout),
    )
    _Server(config, ready).run(sockets=list(sockets))
