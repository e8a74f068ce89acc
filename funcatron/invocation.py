"""The two nouns every door shares: an Invocation goes in, a Result comes out.

What crosses a hot path is a frozen msgspec Struct (cheap to make); what is made once, at load, is a frozen dataclass.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from funcatron.clock import SYSTEM_CLOCK, Clock
from funcatron.event import CloudEvent
from funcatron.headers import Headers
from funcatron.types import Arguments, TriggerKind

__all__ = ["Context", "Invocation", "Principal", "Result"]


class Principal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who calls: what a security scheme found out, never the credential itself.

    ``domain_id`` is the domain of the project, or the one that the caller's credential is for.
    """

    id: str
    project_id: str | None = None
    domain_id: str | None = None
    roles: tuple[str, ...] = ()


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One call of one function, whichever door it came through.

    ``arguments`` hold the validated input by argument name, the body under ``body``. ``deadline`` is in seconds of
    the clock's ``monotonic()``. ``headers`` are the caller's, in lower case, credentials left out. ``extras`` are
    what only one door can offer a handler by name (connexion's ``user``, ``token_info``, ``context_``). ``streaming``
    is False where the caller cannot pass chunks on as they come: a streamed reply is then read to its end in the
    invocation.
    """

    id: str
    function: str
    trigger: TriggerKind
    arguments: Arguments
    event: CloudEvent | None = None
    attempt: int = 1
    deadline: float | None = None
    headers: Mapping[str, str] = {}
    principal: Principal | None = None
    extras: Mapping[str, Any] = {}
    progress: Callable[[int, int | None, str | None], None] | None = None
    streaming: bool = True


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an invocation came to.

    ``body`` is the encoded answer: bytes, or a funcatron.streams.Stream, to be closed by who takes it. ``value`` is
    what a JSON body says, kept for callers in this process. ``failure`` is None on success, else one of ``invalid``,
    ``handler``, ``timeout``, ``lost``, ``infrastructure``; the body is then problem+json. ``retry_after`` is in
    seconds.
    A handler may return a Result itself: then ``value`` is enough, the body is encoded for it. A header that is sent
    several times (``Set-Cookie``) has a list of values.
    """

    value: Any = None
    status: int = 200
    headers: Headers = {}
    body: Any = b""
    content_type: str | None = None
    failure: str | None = None
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the function did what was asked: no failure, and a status below 400."""
        return self.failure is None and self.status < 400


class Context:
    """What a handler may ask about the call it serves; made only for handlers that name ``context``."""

    __slots__ = ("_clock", "_invocation", "_openstack", "logger")

    def __init__(
        self,
        invocation: Invocation,
        logger: logging.Logger | logging.LoggerAdapter[Any],
        openstack: Callable[[Invocation], Any] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._invocation = invocation
        self._openstack = openstack
        self.logger = logger

    @property
    def id(self) -> str:
        """The execution's id: the same over all attempts, so it serves as an idempotency key."""
        return self._invocation.id

    @property
    def function(self) -> str:
        """The function's name, its operationId."""
        return self._invocation.function

    @property
    def trigger(self) -> TriggerKind:
        """How the call came in: http, async, celery, queue, swift, schedule, event, webhook."""
        return self._invocation.trigger

    @property
    def attempt(self) -> int:
        """1 on the first run, 2 on the second."""
        return self._invocation.attempt

    @property
    def deadline(self) -> datetime | None:
        """When this attempt is ended, in UTC, or None where it has no limit."""
        left = self.remaining()
        return None if left is None else datetime.fromtimestamp(self._clock.time() + left, UTC)

    def remaining(self) -> float | None:
        """Return the seconds left to the deadline (negative once it has passed), or None without one."""
        deadline = self._invocation.deadline
        return None if deadline is None else deadline - self._clock.monotonic()

    @property
    def principal(self) -> Principal | None:
        """Who calls, or None where the operation asks for nobody."""
        return self._invocation.principal

    @property
    def headers(self) -> Mapping[str, str]:
        """The caller's headers, names in lower case; credentials and cookies are left out."""
        return self._invocation.headers

    @property
    def event(self) -> CloudEvent | None:
        """The CloudEvent that caused the call, or None."""
        return self._invocation.event

    @property
    def openstack(self) -> Any:
        """The openstacksdk Connection of this function, made on first use and shared by the process' threads; what is
        written by it to Swift does not call this function again.
        """
        if self._openstack is None:
            raise AttributeError("context.openstack needs a cloud: install funcatron[openstack] and set --cloud")
        return self._openstack(self._invocation)

    def progress(self, done: int, total: int | None = None, note: str | None = None) -> None:
        """Record how far the work is, shown in the execution's ``progress``; does nothing without a record."""
        if self._invocation.progress is not None:
            self._invocation.progress(done, total, note)
