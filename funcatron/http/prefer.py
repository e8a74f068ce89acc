"""What a client prefers (RFC 7240): ``respond-async`` and ``wait=N``."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Preferences", "parse_prefer"]

MAX_WAIT = 60.0
"""Seconds: a longer ``wait`` is shortened to this, so that no client holds connections for ever."""

_PREFERENCE = re.compile(
    r"""\s*(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*
        (?:=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s,;"]*)))?\s*
        (?:;(?:[^",]|"(?:[^"\\]|\\.)*")*)?
        (?:,|$)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Preferences:
    """``wait`` is in seconds, at most MAX_WAIT; None where the client does not want to wait."""

    respond_async: bool = False
    wait: float | None = None

    @property
    def applied(self) -> str | None:
        """The value of Preference-Applied for a call that is answered later (RFC 7240 section 3)."""
        parts = ["respond-async"] if self.respond_async else []
        if self.wait is not None:
            parts.append(f"wait={self.wait:g}")
        return ", ".join(parts) or None


NONE = Preferences()


def parse_prefer(header: str | None) -> Preferences:
    """Read a Prefer header (several are joined with commas); what is unknown or malformed is ignored, as the RFC asks.

    Of a preference that is given twice the first counts (section 2).
    """
    if not header:
        return NONE
    found: dict[str, str] = {}
    position = 0
    while position < len(header):
        match = _PREFERENCE.match(header, position)
        if match is None:
            position = header.find(",", position) + 1 or len(header)
            continue
        value = match["quoted"] if match["quoted"] is not None else match["token"] or ""
        found.setdefault(match["name"].lower(), value)
        position = match.end()
    wait = found.get("wait", "")
    seconds = min(float(wait), MAX_WAIT) if wait.isascii() and wait.isdigit() else None
    return Preferences(respond_async="respond-async" in found, wait=seconds)
