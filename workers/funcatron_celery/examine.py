"""What may reach Celery's strategy: the pure part of the guard, without broker or store.

Celery's worker exits on some malformed messages and silently acknowledges others. So every message is examined here
first, against the message protocol (versions 1 and 2), and what does not pass is a Refusal that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kombu.exceptions import ContentDisallowed, DecodeError

from funcatron.execution import Failure

__all__ = ["Call", "Refusal", "examine", "unpackable"]

LONGEST_ID = 255
MOST_RETRIES = 2**31 - 1
JSON = "application/json"
ENCODINGS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "binary", "ascii-8bit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a message is refused; ``id``, ``task`` and ``kwargs`` as far as they could be read."""

    reason: str
    detail: str
    failure: Failure = "invalid"
    id: str | None = None
    task: str | None = None
    kwargs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A well-formed call of a task: who is called, with what, not before ``eta`` (seconds since the epoch)."""

    id: str
    task: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    eta: float | None = None
    expires: float | None = None


class _Bad(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def examine(
    headers: Any,
    body: Any,
    content_type: Any,
    decode: Callable[[], Any],
    *,
    known: Container[str],
    largest: int,
    content_encoding: Any = None,
) -> Call | Refusal:
    """Return the call that a message makes, or why it makes none.

    ``body`` is as it travelled; ``decode`` is called for its value once size and type are good, and may raise what
    kombu's decoders raise. ``known`` are the names of tasks; ``largest`` is in bytes.
    """
    found: dict[str, Any] = {}
    try:
        if not isinstance(headers, Mapping):
            raise _Bad("malformed", f"the headers are a {type(headers).__name__}, not a table")
        if "task" in headers:
            _identify(headers, found)
        _check_size(body, largest)
        _check_content(content_type, content_encoding)
        return _call(headers, _decoded(decode), known, found)
    except _Bad as bad:
        failure: Failure = "infrastructure" if bad.reason == "unknown-function" else "invalid"
        return Refusal(reason=bad.reason, detail=bad.detail, failure=failure, **found)


def unpackable(headers: Any, error: BaseException) -> Refusal:
    """Return the refusal of a message whose body could not even be unpacked (its compression, its encoding)."""
    found: dict[str, Any] = {}
    if isinstance(headers, Mapping):
        _identify(headers, found)
    return Refusal(reason="undecodable", detail=f"{type(error).__name__}: {error}", **found)


def _call(headers: Mapping[str, Any], decoded: Any, known: Container[str], found: dict[str, Any]) -> Call:
    if "task" in headers and not isinstance(decoded, Mapping):
        fields, args, kwargs = headers, *_arguments(decoded)
    elif isinstance(decoded, Mapping) and ("task" in decoded or "task" in headers):
        fields = {**decoded, **headers}
        _identify(fields, found)
        args, kwargs = _checked(decoded.get("args", []), decoded.get("kwargs", {}))
    else:
        raise _Bad("malformed", "no task is named: this is not a Celery message")
    found["kwargs"] = kwargs
    _check_fields(fields)
    if not found.get("task") or not found.get("id"):
        raise _Bad("malformed", "the headers task and id must be strings that are not empty")
    if found["task"] not in known:
        raise _Bad("unknown-function", f"no function is called {found['task']!r} here")
    return Call(
        id=found["id"],
        task=found["task"],
        args=args,
        kwargs=kwargs,
        eta=_moment(fields, "eta"),
        expires=_moment(fields, "expires"),
    )


def _identify(fields: Mapping[str, Any], found: dict[str, Any]) -> None:
    for name in ("id", "task"):
        value = fields.get(name)
        if isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable():
            found[name] = value


def _check_size(body: Any, largest: int) -> None:
    if not isinstance(body, bytes | str | memoryview):
        raise _Bad("malformed", f"the body is a {type(body).__name__}, not bytes")
    if len(body) > largest:
        raise _Bad("too-large", f"the body is {len(body)} bytes; at most {largest} are taken")


def _check_content(content_type: Any, content_encoding: Any) -> None:
    if content_type != JSON:
        raise _Bad("content-type", f"the content type is {content_type!r}; only {JSON} is taken")
    if content_encoding is not None and str(content_encoding).lower() not in ENCODINGS:
        raise _Bad("undecodable", f"the content encoding is {content_encoding!r}; JSON is in utf-8")


def _decoded(decode: Callable[[], Any]) -> Any:
    try:
        return decode()
    except (DecodeError, ContentDisallowed, LookupError, ValueError, TypeError, RecursionError) as error:
        raise _Bad("undecodable", f"the body is not JSON: {error}") from None


def _arguments(decoded: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if not isinstance(decoded, list) or len(decoded) != 3:
        raise _Bad("malformed", "the body is not [args, kwargs, embed]")
    args, kwargs, embed = decoded
    if not isinstance(embed, Mapping | None):
        raise _Bad("malformed", "the third part of the body (embed) is not an object")
    if embed:
        _check_canvas(embed)
    return _checked(args, kwargs)


def _check_canvas(embed: Mapping[str, Any]) -> None:
    """What follows a task is looked at by Celery when the task has succeeded: too late to refuse it."""
    for name in ("callbacks", "errbacks", "chain"):
        following = embed.get(name)
        if not isinstance(following, list | None) or not all(map(_is_signature, following or ())):
            raise _Bad("malformed", f"{name} must be a list of task signatures")
    if embed.get("chord") is not None and not _is_signature(embed["chord"]):
        raise _Bad("malformed", "chord must be a task signature")


def _is_signature(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("task"), str) and value["task"] != ""


def _checked(args: Any, kwargs: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if not isinstance(args, list | None):
        raise _Bad("malformed", "the positional arguments are not a list")
    if not isinstance(kwargs, Mapping):
        raise _Bad("malformed", "the keyword arguments are not an object")
    if "self" in kwargs:  # the call would fail within Celery, and be acknowledged without a record
        raise _Bad("malformed", "no argument can be called self: Celery takes the name for the task")
    return tuple(args or ()), kwargs


def _check_fields(fields: Mapping[str, Any]) -> None:
    limits = fields.get("timelimit")
    pair = limits if isinstance(limits, list | tuple) else None
    if limits is not None and (pair is None or len(pair) not in (0, 2) or not all(map(_is_number, pair))):
        raise _Bad("malformed", "timelimit must be a pair of numbers")
    retries = fields.get("retries")
    if retries is not None and not (isinstance(retries, int) and 0 <= retries <= MOST_RETRIES):
        raise _Bad("malformed", f"retries must be a whole number from 0 to {MOST_RETRIES}")
    for name in ("group", "root_id", "parent_id", "shadow"):
        if not isinstance(fields.get(name), str | None):
            raise _Bad("malformed", f"{name} must be a string")
    stamped = fields.get("stamped_headers")
    if not isinstance(stamped, list | None) or not all(isinstance(name, str) for name in stamped or ()):
        raise _Bad("malformed", "stamped_headers must be a list of strings")
    if not isinstance(fields.get("stamps"), Mapping | None):
        raise _Bad("malformed", "stamps must be an object")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _moment(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).timestamp()  # which fails where no calendar has it
        moment = datetime.fromisoformat(value)
        return (moment.astimezone() if moment.tzinfo is None else moment).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        raise _Bad("malformed", f"{name} is {repr(value)[:100]}, not a time (ISO 8601)") from None
