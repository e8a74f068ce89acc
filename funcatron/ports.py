"""The seams: what the core needs from the outside, as Protocols.

A store keeps records, a dispatcher makes them durable and published, a trigger turns the outside into events. Stores
are synchronous: a worker calls them directly, the HTTP side from a thread. Each is found by entry point.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec

from funcatron.errors import Mistake
from funcatron.event import CloudEvent
from funcatron.execution import Attempt, Execution, Failure, LogLine, Progress, State, Status, StoredResult
from funcatron.invocation import Invocation, Result

__all__ = ["REQUEST", "Dispatcher", "ExecutionStore", "Lease", "Middleware", "Trigger", "View"]

CallNext: TypeAlias = Callable[[Invocation], Awaitable[Result]]
Middleware: TypeAlias = Callable[[CallNext, Invocation], Awaitable[Result]]
"""``async def middleware(call_next, invocation) -> Result``: cross-cutting behaviour around every invocation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionQuery:
    """What ``GET /executions`` asks for; ``since`` and ``until`` are seconds since the epoch, of ``created_at``.

    The newest comes first. ``marker`` is the id of the last execution of the page before.
    """

    function: str | None = None
    state: State | None = None
    trigger: str | None = None
    since: float | None = None
    until: float | None = None
    project_id: str | None = None
    limit: int = 50
    marker: str | None = None


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended: one row of the transition table and what goes on record with it.

    ``change`` is ``succeed``, ``fail`` or ``retry``; ``due_at`` (seconds since the epoch) belongs to ``retry``.
    """

    change: str
    result: StoredResult | None = None
    problem: dict[str, Any] | None = None
    failure: Failure | None = None
    due_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An Idempotency-Key in use: of one caller (``principal_id``, empty for nobody), for one function.

    ``fingerprint`` tells payloads apart. ``execution_id`` is the call that has the key: what it came to is in
    ``result``, or on record under this id. Where there is neither by ``deadline``, the call is given up for dead; where
    ``owner``, the lease of the process that makes the call, has ended, at once.
    Times are seconds since the epoch.
    """

    function: str
    key: str
    principal_id: str
    fingerprint: str
    execution_id: str
    deadline: float
    expires_at: float
    owner: str | None = None
    result: StoredResult | None = None


class Message(msgspec.Struct, frozen=True):
    """One message for a queue: the encoded body in the form that the queue's transport stores."""

    queue: str
    payload: bytes
    due_at: float | None = None


class Lease(Protocol):
    """The proof that a process lives, for all who share its store: as long as it is held, or the process dies."""

    @property
    def id(self) -> str:
        """The id that it runs executions under; no other process ever has it."""

    @property
    def held(self) -> bool:
        """Whether this process holds it: not after ``release``, nor in a forked child."""

    def release(self) -> None:
        """Give it up: nothing runs under this id any more."""


class ExecutionStore(Protocol):
    """Where executions are kept. Every method may raise Unavailable; then nothing of the call took effect."""

    carries_messages: bool
    """True where the store's file is the queue too: ``create`` then makes record and message in one transaction."""

    def lease(self) -> Lease:
        """Take a new id for this process, which is given to ``start`` as ``worker``."""

    def alive(self, worker: str) -> bool:
        """Tell whether the process that took this id lives, on whatever machine; True where nothing is known of it."""

    def create(self, executions: Sequence[Execution], messages: Sequence[Message] = ()) -> list[bool]:
        """Insert the records, all or none; True for each that is new.

        A record whose id, or whose (event_source, event_id, function) is there already is left out, and so is its
        message: ``messages`` is empty or as long as ``executions``.
        """

    def get(self, execution_id: str) -> Execution | None:
        """Return one record."""

    def statuses(self, execution_ids: Sequence[str]) -> Sequence[Status]:
        """Return where these executions stand, those that are on record, in any order; in few queries."""

    def find(self, *, function: str, event_source: str, event_id: str) -> Execution | None:
        """Return the record of this event for this function."""

    def reserve(self, wanted: Reservation) -> Reservation | None:
        """Take an idempotency key, in one step: None where it is ``wanted``'s now, else the reservation that stands.

        One that has expired gives way, and so does one past its deadline of whose call neither an answer nor a record
        is known.
        """

    def settle(self, reservation: Reservation, result: StoredResult | None) -> None:
        """Keep the answer of the call that has the key, or with None give the key back. Nothing happens where the
        key is another call's by now, nor where one that has its answer is to be given back.
        """

    def list(self, query: ExecutionQuery) -> tuple[list[Execution], str | None]:
        """Return one page, newest first, and the marker of the next page or None."""

    def carry(self, message_of: Callable[[Execution], Message]) -> None:
        """Write the message of each execution that is let through a gate in the transaction that lets it through,
        made by ``message_of``; for stores that carry messages, where the broker reads them.
        """

    def start(
        self, execution_id: str, *, worker: str, deadline: float | None, limit: int | None = None
    ) -> Execution | None:
        """Compare-and-set ``queued|retrying`` to ``running``, count the attempt; None where it is not startable.

        Where one with the same ``order_key`` that was accepted earlier has not ended, or ``limit`` executions of the
        function run already, it is held: its record is returned as it waits on, ``gate`` says why, and it needs no
        message. The end that opens the gate, whatever brings it about (``finish``, ``lose``, ``cancel``, ``fail``,
        ``expire``), lets the next one through: that one is due at once. Two starts never both pass for one place, and
        an end is never missed by one that is being held.
        """

    def admitted(self, function: str) -> Sequence[Execution]:
        """Return executions of this function that were let through a gate and are not published yet."""

    def admit(self, limits: Mapping[str, int], now: float) -> int:
        """Let through what is held at an open gate, nobody having ended to do so; returns how many.

        ``limits`` are the functions' present limits; what waits for a place in any other function is let through.
        """

    def finish(self, execution_id: str, attempt: int, ending: Ending) -> Execution | None:
        """Compare-and-set the running attempt to its end; None where this attempt no longer runs (it was ended by
        the reaper, or cancelled).
        """

    def lose(self, execution_id: str, attempt: int, ending: Ending) -> Execution | None:
        """End the running attempt of a worker that is gone; as ``finish``."""

    def cancel(self, execution_id: str) -> Execution | None:
        """Move to ``cancelled``; returns the record after it, None if there is none; raises TransitionError."""

    def redrive(self, execution_id: str) -> Execution | None:
        """Move an ended execution back to ``queued``, attempt 0; None if there is none; raises TransitionError."""

    def fail(self, execution_id: str, problem: dict[str, Any], failure: Failure) -> Execution | None:
        """Move a waiting execution to ``failed`` (poison, unknown function); None where it is not waiting."""

    def progress(self, execution_id: str, attempt: int, progress: Progress) -> None:
        """Note how far the running attempt is."""

    def log(self, execution_id: str, lines: Sequence[LogLine]) -> None:
        """Append captured log lines."""

    def logs(self, execution_id: str) -> Sequence[LogLine]:
        """Return all captured log lines in order."""

    def attempts(self, execution_id: str) -> Sequence[Attempt]:
        """Return the attempts that failed, in order, those before a redrive too."""

    def due(self, *, now: float, stale: float, limit: int, unpublished: float | None = None) -> Sequence[Execution]:
        """Return waiting executions to publish: those that are due at ``now``, those accepted before ``unpublished``
        (default ``stale``) and never published, and those published last before ``stale`` and without a message that
        the store knows of. What is held at a gate is not among them. Seconds since the epoch.
        """

    def published(self, executions: Sequence[Execution], now: float, messages: Sequence[Message] = ()) -> None:
        """Note that these were published (again) at ``now``; a store that carries messages writes them with it.

        The records are as they were when they were to be published. One that has gone on since is left out, and so is
        its message: it may have run already and wait for its next attempt, which has no message yet.
        """

    def expire(self, now: float) -> int:
        """Move ``queued`` executions past ``expires_at`` to ``expired``; returns how many."""

    def running(self) -> Sequence[Execution]:
        """Return every running execution (for the reaper)."""

    def purge(self, before: float) -> int:
        """Delete executions that ended before ``before`` (seconds since the epoch), failed ones excepted, and the
        idempotency keys that have expired; returns how many executions.
        """

    def counts(self) -> Mapping[str, int]:
        """Return the number of executions per state."""

    def close(self) -> None:
        """Release files and connections."""


class Dispatcher(Protocol):
    """Makes accepted executions durable and gets them to a worker.

    ``dispatch`` returns only once record and message are durable, in this order: store, publish, confirm.
    """

    def start(self) -> None:
        """Connect lazily, begin the publishing thread."""

    def stop(self) -> None:
        """Publish what was accepted, then end the thread."""

    async def dispatch(self, execution: Execution) -> bool:
        """Store and publish; True if it is new, False if it was a duplicate. Raises Unavailable, then it is not
        accepted. Never blocks the event loop.
        """

    def submit(self, executions: Sequence[Execution]) -> list[bool]:
        """As ``dispatch``, for many and blocking: for callers that are not on an event loop."""

    def republish(self, executions: Sequence[Execution]) -> None:
        """Publish executions that are on record already: retries that are due, the sweep, redrives."""

    def withdraw(self, execution_id: str) -> None:
        """Ask the worker that runs this execution to stop it (best effort)."""


Publish: TypeAlias = Callable[[CloudEvent], None]
"""What a trigger is given: accept this event durably, or raise Unavailable; only then acknowledge its source."""


REQUEST = "funcatron.request"
"""Where a View finds the ASGI scope of the request that it is called with, if any: in its argument ``context_``."""


@runtime_checkable
class View(Protocol):
    """A handler that is part of another application, which answers requests itself.

    Over HTTP, a call that is answered now is passed on to the ``application`` as it came. Everything else calls the
    handler as any other, and it returns a whole Result, which is sent as it is.
    """

    application: Any
    """The WSGI or ASGI application."""
    asks_itself: bool
    """Whether the application asks for credentials, which no record keeps: clients cannot have it called later then."""

    def __call__(self, **arguments: Any) -> Result:
        """Answer a call of which arguments alone are known."""


@runtime_checkable
class Trigger(Protocol):
    """One binding of one function to a source of events, made from the settings under its kind in ``x-funcatron``.

    A class of a kind is called with keyword arguments: ``function`` (name), ``settings`` (the object under the kind),
    ``config`` (funcatron.settings.Settings). It raises nothing for bad settings: ``check`` lists them. A class whose
    event is known at load has a classmethod ``example(settings) -> CloudEvent`` too: a function that it could never
    call, because something required is missing, is then refused at load. So is one with a parameter that no member
    can fill, where a classmethod ``members(settings) -> Collection[str]`` tells all that its events' data may have.

    More that a class may have: a method ``warnings() -> Sequence[str]`` for settings that may surprise (``funcatron
    check`` shows them, and they are logged at the start); a method ``rehearse(tell)`` that begins as ``start`` does,
    takes nothing away and gives ``tell`` a line for all that comes, with what would happen (``funcatron triggers
    --dry-run``); a classmethod ``live(reference, settings=, config=) -> CloudEvent`` for the event of something that is
    there, given the settings of a function's triggers of its kind (``funcatron invoke --event KIND:REFERENCE``); a
    classmethod ``check_all(operations) -> Iterable[Mistake]`` for what is wrong only in sight of all functions.
    """

    kind: str

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """Return what is wrong with the settings beyond their schema, in words; nothing if they are good."""

    def describe(self) -> str:
        """Return one line for people: what this listens to."""

    def start(self, publish: Publish) -> None:
        """Begin, in threads of its own; ``publish`` may be called from any thread."""

    def stop(self) -> None:
        """End; what was taken but not published goes back to its source."""


@runtime_checkable
class Receiver(Protocol):
    """A trigger that events which are posted or published may concern, whatever they are about."""

    def receive(self, event: CloudEvent) -> Sequence[CloudEvent]:
        """Return what an event is to this trigger: nothing, the event itself, or those that it tells of.

        May ask others, and block. Raises Unavailable; the event is posted again then.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form that the messages of a channel may have.

    ``payload`` is the JSON Schema of what the wire carries where the trigger knows it; else the wire carries the data
    that the function takes: alone, or where ``attributes`` are given as a CloudEvent whose attributes have these
    schemas.
    """

    name: str
    content_type: str
    payload: Mapping[str, Any] | None = None
    attributes: Mapping[str, Any] | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where the messages of a trigger come in, as AsyncAPI 3 describes it.

    ``url`` is the broker's, None where this server's HTTP is the way; ``bindings`` are those of the channel and
    ``operation`` those of receiving from it, by protocol.
    """

    address: str
    url: str | None
    forms: Sequence[Form]
    bindings: Mapping[str, Any] = field(default_factory=dict)
    operation: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""


@runtime_checkable
class Described(Protocol):
    """A trigger whose messages others send: the AsyncAPI document tells them how."""

    def channel(self) -> Channel:
        """Return where they are sent to, and what they look like; nothing is connected for that."""


@runtime_checkable
class Timed(Protocol):
    """A trigger whose events come by the clock: whoever has a clock of his own can make them."""

    def next_after(self, moment: datetime) -> datetime:
        """Return when the first event after ``moment`` (UTC) is to come."""

    def to_event(self, tick: datetime) -> CloudEvent:
        """Return the event of that moment."""


@runtime_checkable
class Simulated(Protocol):
    """A trigger that can say what its event would be, without what it listens to: for tests."""

    def simulate(self, facts: Mapping[str, Any]) -> CloudEvent | None:
        """Return the event that these facts would be to it, None where they do not concern it; pure.

        ``facts`` are in the words of whoever knows of it: a message (``queue``, ``body``, ``headers``,
        ``content_type``, ``message_id``), an object (``container``, ``object``, ``action`` and more). Raises
        InvalidInput for what would be refused.
        """


@dataclass(frozen=True, slots=True)
class Checked:
    """What ``funcatron check`` says of a document."""

    mistakes: Sequence[Mistake] = ()
    warnings: Sequence[str] = field(default=())
