"""The formats that are checked: connexion's, and with them those that it should check."""

from __future__ import annotations

import re

import jsonschema_rs
from jsonschema import Draft4Validator, FormatChecker

from funcatron.spec.patterns import UUID

__all__ = ["FORMATS"]

_is_date_time = jsonschema_rs.Draft7Validator({"format": "date-time"}, validate_formats=True).is_valid
_is_uuid = re.compile(UUID).fullmatch


def _formats() -> FormatChecker:
    formats = FormatChecker(())
    formats.checkers = dict(Draft4Validator.FORMAT_CHECKER.checkers)
    formats.checks("date-time")(lambda value: not isinstance(value, str) or _is_date_time(value))
    formats.checks("uuid")(lambda value: not isinstance(value, str) or _is_uuid(value) is not None)
    return formats


FORMATS = _formats()
"""connexion's, ``date-time`` (RFC 3339) and ``uuid`` (RFC 9562)."""
