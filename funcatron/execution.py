"""The execution record and its lifecycle.

Rules:

1. The table below is the lifecycle. No state is assigned anywhere but through it.
2. ``attempt`` counts starts: 0 while first queued, 1 in the first run. It only grows; a redrive begins anew.
3. ``failed`` is the dead letter: the input is kept, and ``redriven`` leads back to ``queued``.
4. An end state has ``ended_at``; nothing but a redrive leaves it.
5. ``worker`` is who runs the last attempt, or ran it; a redrive clears it.

Times are seconds since the epoch (UTC) inside, RFC 3339 in JSON.
"""

from __future__ import annotations

import os
import time
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from funcatron.errors import TransitionError

__all__ = ["Execution", "State", "Status", "new_id", "transition"]

State: TypeAlias = Literal["queued", "running", "retrying", "succeeded", "failed", "cancelled", "expired"]
Change: TypeAlias = Literal["start", "succeed", "fail", "retry", "cancel", "expire", "redrive"]
Failure: TypeAlias = Literal["invalid", "handler", "timeout", "lost", "infrastructure"]
Gate: TypeAlias = Literal["order", "concurrency", "admitted"]

TRANSITIONS: Final[dict[tuple[State, Change], State]] = {
    ("queued", "start"): "running",
    ("queued", "cancel"): "cancelled",
    ("queued", "expire"): "expired",
    ("queued", "fail"): "failed",  # refused before it could run: poison message, unknown function
    ("running", "succeed"): "succeeded",
    ("running", "fail"): "failed",
    ("running", "retry"): "retrying",
    ("running", "cancel"): "cancelled",
    ("retrying", "start"): "running",
    ("retrying", "cancel"): "cancelled",
    ("retrying", "fail"): "failed",
    ("failed", "redrive"): "queued",
    ("expired", "redrive"): "queued",
    ("cancelled", "redrive"): "queued",
}
_PASSIVE: Final[dict[Change, str]] = {
    "start": "be started",
    "retry": "be retried",
    "cancel": "be cancelled",
    "redrive": "be redriven",
}
ENDED: Final[frozenset[State]] = frozenset({"succeeded", "failed", "cancelled", "expired"})
WAITING: Final[tuple[State, ...]] = ("queued", "retrying")
STATES: Final[tuple[State, ...]] = get_args(State)


def transition(state: State, change: Change) -> State:
    """Return the state that ``change`` leads to; raises TransitionError where the table has none."""
    try:
        return TRANSITIONS[state, change]
    except KeyError:
        raise TransitionError(f"an execution that is {state} cannot {_PASSIVE.get(change, change)}") from None


def before(change: Change) -> tuple[State, ...]:
    """Return the states from which ``change`` is possible: what a compare-and-set compares with."""
    return tuple(state for state, named in TRANSITIONS if named == change)


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far an execution says it is."""

    done: int
    total: int | None = None
    note: str | None = None


class StoredResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The handler's own answer, kept for ``GET /executions/{id}/result``; a body that is not JSON is base64."""

    status: int = 200
    headers: dict[str, str] = {}
    content_type: str | None = None
    body: Any = None
    base64: str | None = None

    def to_bytes(self) -> bytes:
        """Return the body as the handler's answer had it, encoded for ``content_type``."""
        if self.base64 is not None:
            return b64decode(self.base64)
        if self.body is None:
            return b""
        bare = (self.content_type or "application/json").partition(";")[0].strip().lower()
        if isinstance(self.body, str) and not (bare == "application/json" or bare.endswith("+json")):
            return self.body.encode()
        return msgspec.json.encode(self.body)


class LogLine(msgspec.Struct, frozen=True):
    """One captured log record of an attempt."""

    time: float
    level: str
    logger: str
    message: str
    attempt: int = 1


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that failed, in the history of an execution; ``problem`` is what its problem says in short."""

    attempt: int
    started_at: float | None
    ended_at: float
    worker: str | None
    failure: Failure | None
    problem: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the attempt as the control API shows it."""
        times = {"started_at": rfc3339(self.started_at), "ended_at": rfc3339(self.ended_at)}
        seconds = None if self.started_at is None else round(max(0.0, self.ended_at - self.started_at), 6)
        return {**msgspec.structs.asdict(self), **times, "duration": seconds}


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted call of one function: the record that outlives the message.

    ``input`` holds the arguments by name in the form of ``funcatron.codec``; ``event`` is the CloudEvent's JSON form;
    ``due_at`` is when a retry (or a delayed start) is to be published; ``deadline`` is when the running attempt must
    have ended; ``expires_at`` is when a start is no longer wanted.

    Executions with the same ``order_key`` run one after another, in the order of acceptance. ``gate`` is what a waiting
    one is held at, so that no message is wanted for it: those before it in its ``order``, or the ``concurrency`` of its
    function; ``admitted`` once it was let through. ``concurrency`` is the limit under which the last attempt started.
    """

    id: str
    function: str
    trigger: str
    queue: str = "funcatron"
    state: State = "queued"
    attempt: int = 0
    input: dict[str, Any] = {}
    event: dict[str, Any] | None = None
    headers: dict[str, str] = {}
    result: StoredResult | None = None
    problem: dict[str, Any] | None = None
    failure: Failure | None = None
    principal: dict[str, Any] | None = None
    project_id: str | None = None
    event_source: str | None = None
    event_id: str | None = None
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    due_at: float | None = None
    deadline: float | None = None
    expires_at: float | None = None
    worker: str | None = None
    progress: Progress | None = None
    order_key: str | None = None
    gate: Gate | None = None
    concurrency: int | None = None

    @property
    def gated(self) -> bool:
        """Whether others may wait for the end of this one."""
        return self.order_key is not None or self.concurrency is not None

    @property
    def ended(self) -> bool:
        """Whether the execution is in an end state."""
        return self.state in ENDED

    @property
    def duration(self) -> float | None:
        """Seconds from the last start to the end (or to now, while it runs)."""
        if self.started_at is None:
            return None
        return max(0.0, (self.ended_at or time.time()) - self.started_at)

    def to_json(self, control: str = "/_funcatron") -> dict[str, Any]:
        """Return the record as the control API shows it; ``control`` is the URL path where that API is mounted."""
        return {
            "id": self.id,
            "function": self.function,
            "trigger": self.trigger,
            "state": self.state,
            "attempt": self.attempt,
            "input": self.input,
            "result": None if self.result is None or self.result.body == self.problem else self.result.body,
            "problem": self.problem,
            "failure": self.failure,
            "principal": self.principal,
            "project_id": self.project_id,
            "event_source": self.event_source,
            "event_id": self.event_id,
            "created_at": rfc3339(self.created_at),
            "started_at": rfc3339(self.started_at),
            "ended_at": rfc3339(self.ended_at),
            "duration": None if self.duration is None else round(self.duration, 6),
            "worker": self.worker,
            "progress": None if self.progress is None else msgspec.to_builtins(self.progress),
            "gate": self.gate,
            "links": links_of(self.id, control),
        }


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Where an execution stands: of its record what changes while it runs, and nothing large."""

    id: str
    function: str
    state: State
    attempt: int
    progress: Progress | None = None
    failure: Failure | None = None
    started_at: float | None = None
    ended_at: float | None = None

    @classmethod
    def of(cls, execution: Execution) -> Status:
        """Return the status of a record."""
        return cls(**{name: getattr(execution, name) for name in cls.__struct_fields__})

    @property
    def ended(self) -> bool:
        """Whether the execution is in an end state."""
        return self.state in ENDED

    def to_json(self, control: str = "/_funcatron") -> dict[str, Any]:
        """Return the status as the control API shows it; ``control`` is the URL path where that API is mounted."""
        return {
            **msgspec.structs.asdict(self),
            "progress": None if self.progress is None else msgspec.to_builtins(self.progress),
            "started_at": rfc3339(self.started_at),
            "ended_at": rfc3339(self.ended_at),
            "links": links_of(self.id, control),
        }


def links_of(execution_id: str, control: str) -> dict[str, str]:
    """Return where an execution's record is, and what belongs to it."""
    base = f"{control}/executions/{execution_id}"
    return {"self": base, **{name: f"{base}/{name}" for name in ("result", "logs", "events", "cancel")}}


def rfc3339(seconds: float | None) -> str | None:
    """Return a time in seconds since the epoch as RFC 3339 in UTC, to the microsecond.

    Never a later one: ``since`` the time that a record shows, that record is listed.
    """
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    if moment.timestamp() > seconds:
        moment -= timedelta(microseconds=1)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def line_of(function: str, source: str, subject: str) -> str:
    """Return the ``order_key`` of events from one source about one subject: a digest, as subjects may be long."""
    return sha256(msgspec.json.encode([function, source, subject])).hexdigest()


def new_id() -> str:
    """Return a new UUID of version 7 (RFC 9562, section 5.7): ids sort by the time they were made."""
    made = (time.time_ns() // 1_000_000 << 16).to_bytes(8, "big").hex("-", 4)[:13]
    try:
        tail = _tails.pop()
    except IndexError:
        tail = _draw()
    return made + tail


_tails: list[str] = []
"""What ids end with, drawn ahead: each system call lets another thread take the interpreter, which may keep it for
milliseconds."""
_AHEAD = 256
_FORM = b"-7000-8000-000000000000"
_PLACES = [place for place, sign in enumerate(_FORM) if sign in b"08"]
_VARIANT = bytes.maketrans(b"0123456789abcdef", b"89ab" * 4)


def _draw() -> str:
    """Return an end that nobody else is given; all of them are written together, digit by digit."""
    digits, written = os.urandom(10 * _AHEAD).hex().encode(), bytearray(_FORM * _AHEAD)
    for number, place in enumerate(_PLACES):
        drawn = digits[number::20]
        written[place :: len(_FORM)] = drawn.translate(_VARIANT) if _FORM[place] == ord("8") else drawn
    text = written.decode()
    tails = [text[at : at + len(_FORM)] for at in range(0, len(text), len(_FORM))]
    _tails.extend(tails[1:])
    return tails[0]


os.register_at_fork(after_in_child=_tails.clear)
