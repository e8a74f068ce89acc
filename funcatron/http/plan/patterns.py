r"""Which patterns Rust may judge for Python.

connexion asks Python's ``re.search``; jsonschema-rs asks Rust's regular expressions. A plan may accept less than
connexion, never more, so what counts is that every text that Rust finds a match in has one for Python too. That holds
for what is made of ASCII characters, classes, groups, alternatives and repetitions alone. There the two differ only
where Rust matches less: its ``\d`` and ``\w`` are ASCII, its ``$`` does not match before a last line feed.
"""

from __future__ import annotations

import re

__all__ = ["is_narrower"]

_LITERAL = r"[A-Za-z0-9 _\-@%&=!:;,<>/~'\"#`]"
_ESCAPED = r"\\[.^$*+?()\[\]{}|/\-\\dw]"
_MEMBER = r"(?:[A-Za-z0-9 _@%=!:;,<>/'\"#`.*+?(){}|$]|\\[.^$*+?()\[\]{}|/\-\\])"
_RANGE = r"(?:[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9])"
_CLASS = rf"\[\^?(?:{_RANGE}|{_MEMBER})+-?\]"
_POSITIVE_CLASS = rf"\[(?:{_RANGE}|{_MEMBER}|\\[dw])+-?\]"
_ATOM = rf"(?:{_LITERAL}|{_ESCAPED}|{_CLASS}|{_POSITIVE_CLASS}|\.|\^|\$)"
_REPEAT = r"(?:[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})"
_SEQUENCE = re.compile(rf"(?:{_ATOM}{_REPEAT}?\??)*")
_GROUP = re.compile(r"(?<!\\)\((?:\?:)?([^()\\]*(?:\\[^()][^()\\]*)*)\)")
_MAX = 300


def is_narrower(pattern: str) -> bool:
    """Whether whatever matches this pattern in Rust matches it in Python."""
    if len(pattern) > _MAX or not pattern.isascii():
        return False
    text = _without_parentheses(pattern)
    return text is not None and all(_SEQUENCE.fullmatch(part) for part in _alternatives(text))


def _without_parentheses(pattern: str) -> str | None:
    """Put a literal in the place of every group whose inside is narrower; None where one is not."""
    text = re.sub(r"\\[()]", "a", pattern)
    text = re.sub(r"\[[^\]\\]*(?:\\.[^\]\\]*)*\]", lambda found: re.sub(r"[()|]", "a", found[0]), text)
    while group := _GROUP.search(text):
        if not all(_SEQUENCE.fullmatch(part) for part in _alternatives(group[1])):
            return None
        text = text[: group.start()] + "a" + text[group.end() :]
    return text


def _alternatives(text: str) -> list[str]:
    return re.split(r"(?<!\\)\|", text)
