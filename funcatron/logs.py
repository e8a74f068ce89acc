"""Captured logs: what is logged while an execution runs is kept with its record, redacted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar

import msgspec

from funcatron.execution import LogLine
from funcatron.redact import redact_text

__all__ = ["Capture", "capturing", "install"]

MOST_LINES = 10_000
LONGEST_MESSAGE = 8_192
FLUSH_LINES = 100
FLUSH_SECONDS = 1.0

_current: ContextVar[Capture | None] = ContextVar("funcatron_capture", default=None)


class Capture:
    """The log of one attempt; ``write`` is given batches of lines, at the latest every second while lines come.

    Any thread may add to it.
    """

    def __init__(self, write: Callable[[Sequence[LogLine]], None], *, attempt: int, redacted: Sequence[str]) -> None:
        self._write = write
        self._attempt = attempt
        self._redacted = redacted
        self._lines: list[LogLine] = []
        self._count = 0
        self._flushed = time.monotonic()
        self._lock = threading.Lock()

    def add(self, record: logging.LogRecord, message: str) -> None:
        """Keep one record; past the 10,000th, none."""
        text = redact_text(message[:LONGEST_MESSAGE], self._redacted)
        line = LogLine(record.created, record.levelname.lower(), record.name, text, self._attempt)
        with self._lock:
            self._count += 1
            if self._count > MOST_LINES:
                return
            if self._count == MOST_LINES:
                said = f"the log is full: only the first {MOST_LINES} lines of an attempt are kept"
                line = msgspec.structs.replace(line, message=said)
            self._lines.append(line)
            due = len(self._lines) >= FLUSH_LINES or time.monotonic() - self._flushed >= FLUSH_SECONDS
        if due:
            self.flush()

    def flush(self) -> None:
        """Hand over what has been kept since the last time."""
        if not self._count:
            return
        with self._lock:
            lines, self._lines = self._lines, []
            self._flushed = time.monotonic()
            if lines:
                self._write(lines)


class _CaptureHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        capture = _current.get()
        if capture is None:
            return
        _current.set(None)  # what the store itself logs is not captured again
        try:
            capture.add(record, self.format(record))
        except Exception:  # noqa: BLE001 - as every logging.Handler: what cannot be logged stops nobody
            self.handleError(record)
        finally:
            _current.set(capture)


_handler = _CaptureHandler()
_handler.setFormatter(logging.Formatter("%(message)s"))


def install() -> None:
    """Put the capturing handler on the root logger, unless it is there."""
    root = logging.getLogger()
    if _handler not in root.handlers:
        root.addHandler(_handler)


class capturing:  # noqa: N801 - used as a function; written out, as every execution is inside of one
    """Capture everything logged in this context (and in threads and tasks that inherit it); flushed at the end."""

    __slots__ = ("_capture", "_token")

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __enter__(self) -> None:
        install()  # again: Celery, for one, empties the root logger when it sets up its own logging
        self._token = _current.set(self._capture)

    def __exit__(self, *error: object) -> None:
        _current.reset(self._token)
        self._capture.flush()
