"""Marking what functions write: each request of a handler's Connection to Swift carries the mark of its function.

A Connection is shared, so who writes is not known to it but to the context (PEP 567) of the thread or task that asked
for ``context.openstack``, and to the threads in which the SDK uploads segments for it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from funcatron.extras import needs
from funcatron.invocation import Invocation
from funcatron_openstack.events import GENERATION
from funcatron_openstack.marks import Mark, headers_of

with needs("openstack"):
    import requests
    from keystoneauth1.session import TCPKeepAliveAdapter

__all__ = ["ContextThreads", "mark", "marking_session"]

T = TypeVar("T")

KEPT = 64
"""Connections to one host that are kept open: as many threads as share a session, and some."""

_mark: ContextVar[Mark | None] = ContextVar("funcatron_mark", default=None)


def mark(invocation: Invocation) -> None:
    """Have what is written from here on, in this context, marked as this invocation's."""
    caused = None if invocation.event is None else invocation.event.extensions.get(GENERATION)
    generation = caused + 1 if isinstance(caused, int) and caused > 0 else 1
    _mark.set(Mark.by(invocation.function, generation))


def marking_session() -> requests.Session:
    """Return a session of requests that marks what it sends."""
    session = requests.Session()
    for scheme in list(session.adapters):
        session.mount(scheme, _MarkingAdapter(pool_maxsize=KEPT))
    return session


class ContextThreads(ThreadPoolExecutor):
    """Threads that work in the context of who gives them work."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """See concurrent.futures.Executor."""
        return super().submit(copy_context().run, fn, *args, **kwargs)


class _MarkingAdapter(TCPKeepAliveAdapter):
    """keystoneauth's own transport, which adds the mark to what changes an object."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """See requests.adapters.BaseAdapter."""
        if (by := _mark.get()) is not None:
            request.headers.update(headers_of(by, request.method or "", request.url or ""))
        return super().send(request, *args, **kwargs)
