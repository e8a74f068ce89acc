"""What can go wrong, as one tree.

::

    Exception
    ├── FuncatronError            our side or the operator's: wiring, settings, services out of reach
    │   ├── SpecError             the document or its handlers are wrong; carries every mistake
    │   ├── SettingsError         a setting is missing or cannot be read
    │   ├── UnknownFunction       no function has this name
    │   ├── TransitionError       a state change that the lifecycle does not know
    │   ├── TimeLimitExceeded     an attempt ran past its deadline
    │   └── Unavailable           a store or broker is out of reach for now; nothing was accepted
    │       └── StoreUnavailable  the store is: its message names files and hosts, so callers are not told it
    ├── Problem                   the call is refused (RFC 9457); 4xx is final, 5xx follows the retry policy
    │   └── InvalidInput          400 that names every error
    └── Retry                     run this execution again later

A FuncatronError is for whoever runs the system, a Problem for whoever calls it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

__all__ = [
    "FuncatronError",
    "InvalidInput",
    "Mistake",
    "Problem",
    "Retry",
    "SettingsError",
    "SpecError",
    "StoreUnavailable",
    "TimeLimitExceeded",
    "TransitionError",
    "Unavailable",
    "UnknownFunction",
    "Violation",
]

PROBLEM_JSON = "application/problem+json"
"""The media type of a Problem (RFC 9457, section 3)."""
SEE_LOG = "the log has the reason under this execution"
"""How the detail of a problem ends that does not say what went wrong: nobody foresaw it, and callers are not told."""


class FuncatronError(Exception):
    """Something in the set-up is wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().partition("\n")[0])


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong in a document or a handler, and where.

    ``file`` is a path or URL, ``line`` counts from 1, ``pointer`` is a JSON Pointer (RFC 6901) into the file;
    each may be unknown. ``message`` says what is wrong and how to mend it.
    """

    file: str
    line: int | None
    pointer: str
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        place = " ".join(part for part in (where, f"#{self.pointer}" if self.pointer else "") if part)
        return f"{place}: {self.message}" if place else self.message


class SpecError(FuncatronError):
    """A document, its ``x-funcatron`` or its handlers are wrong; ``mistakes`` lists all of it, in file order."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes), key=lambda m: (m.file, m.line or 0, m.pointer, m.message)))
        count = len(self.mistakes)
        super().__init__("\n".join([f"{count} mistake{'s' * (count != 1)}", *(f"  {m}" for m in self.mistakes)]))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.mistakes,)


class SettingsError(FuncatronError):
    """A setting is missing or cannot be read."""


class UnknownFunction(FuncatronError):
    """No function has this name."""


class TransitionError(FuncatronError):
    """The execution's state does not allow this."""


class TimeLimitExceeded(FuncatronError):
    """The attempt ran past its deadline."""


class Unavailable(FuncatronError):
    """A store or broker is out of reach; nothing was accepted, try again later."""

    def __init__(self, message: str | None = None, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailable(Unavailable):
    """The store is out of reach. The message says where it is and what to do: it is for the log, not for callers."""


class Problem(Exception):
    """A refusal, in the terms of RFC 9457 (problem details).

    ``status`` is the HTTP status, 400 to 599 (ValueError for others); ``title`` defaults to its phrase; ``detail``
    says what happened this time; ``headers`` go with the HTTP answer; every other keyword becomes an extension member.
    """

    def __init__(
        self,
        status: int,
        title: str | None = None,
        detail: str | None = None,
        *,
        type: str = "about:blank",  # noqa: A002 - the member's name in RFC 9457
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        self.status = int(status)
        if not 400 <= self.status <= 599:
            raise ValueError(f"a Problem is a refusal: its status must be 400 to 599, not {status}")
        self.title = str(title) if title else phrase(self.status)
        self.detail = None if detail is None else str(detail)
        self.type = str(type)
        self.headers = {str(name): str(value) for name, value in (headers or {}).items()}
        self.extensions = extensions
        super().__init__(f"{self.status} {self.title}" + (f": {self.detail}" if self.detail else ""))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)  # its arguments are not those of __init__

    def to_json(self) -> dict[str, Any]:
        """Return the ``application/problem+json`` members."""
        members: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail is not None:
            members["detail"] = self.detail
        return {**self.extensions, **members}


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with an input.

    ``pointer`` names the place: ``/query/limit``, ``/path/id``, ``/header/X-Count``, ``/cookie/sid`` or
    ``/body/items/0/price``, the same on every door.
    """

    pointer: str
    message: str


class InvalidInput(Problem):
    """400: the input does not fit its schema; ``errors`` names every violation."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        detail = "; ".join(f"{v.pointer}: {v.message}" for v in self.violations[:3])
        more = len(self.violations) - 3
        super().__init__(
            400,
            "Invalid input",
            detail + (f"; and {more} more" if more > 0 else ""),
            errors=[{"pointer": v.pointer, "message": v.message} for v in self.violations],
        )


class Retry(Exception):
    """Run this execution again, ``after`` seconds from now (or when the retry policy says).

    A worker runs the function again while the policy has attempts left; HTTP answers 503 with Retry-After. Raises
    ValueError where ``after`` is no finite number.
    """

    def __init__(self, detail: str | None = None, *, after: float | None = None) -> None:
        self.after = None if after is None else float(after)
        if self.after is not None and not math.isfinite(self.after):
            raise ValueError(f"Retry(after=) is a number of seconds, not {after}")
        self.detail = None if detail is None else str(detail)
        super().__init__(self.detail or "try again later")


def phrase(status: int) -> str:
    """Return the reason phrase of an HTTP status (RFC 9110, section 15)."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def _rebuilt(cls: type[Problem], args: tuple[Any, ...], members: dict[str, Any]) -> Problem:
    """Unpickle a Problem: a handler may have raised it in a process of its own (ProcessPoolExecutor, prefork)."""
    problem = cls.__new__(cls, *args)
    problem.__dict__.update(members)
    return problem
