"""What a schema accepts, as connexion judges it, compiled once.

connexion validates with jsonschema's draft 4 and three dialects of it. Here the same question is put to jsonschema-rs
where its answer is known to be the same, or to be No where connexion might say Yes; everything else is asked of
connexion's own validator, made once instead of once per request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jsonschema_rs
from connexion.json_schema import Draft4RequestValidator, Draft4ResponseValidator
from jsonschema import Draft4Validator, FormatChecker

from funcatron.http.plan.corrections import CorrectedRequestValidator
from funcatron.http.plan.formats import FORMATS
from funcatron.http.plan.lowered import KEYWORDS, Lowering, Unprovable

__all__ = [
    "CORRECTED",
    "PARAMETERS",
    "REQUESTS",
    "RESPONSES",
    "STOCK",
    "Accepts",
    "Dialect",
    "Dialects",
    "acceptor",
    "compiled",
]

Accepts: TypeAlias = Callable[[Any], bool]
"""Whether a value is valid. It may raise anything where connexion's validator would: then connexion is to be asked."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One of connexion's uses of JSON Schema."""

    validator: Any
    nullable: bool
    write_only: bool
    read_only: bool = False
    formats: FormatChecker = Draft4Validator.FORMAT_CHECKER


PARAMETERS = Dialect(Draft4Validator, nullable=False, write_only=False)
REQUESTS = Dialect(Draft4RequestValidator, nullable=True, write_only=False)
RESPONSES = Dialect(Draft4ResponseValidator, nullable=True, write_only=True)


@dataclass(frozen=True, slots=True)
class Dialects:
    """How requests are judged: as connexion does, or ``corrected``; then headers and cookies have types."""

    parameters: Dialect
    requests: Dialect
    corrected: bool = False


STOCK = Dialects(PARAMETERS, REQUESTS)
CORRECTED = Dialects(
    Dialect(Draft4Validator, nullable=False, write_only=False, formats=FORMATS),
    Dialect(CorrectedRequestValidator, nullable=True, write_only=False, read_only=True, formats=FORMATS),
    corrected=True,
)


def acceptor(schema: Mapping[str, Any], dialect: Dialect) -> Accepts:
    """Return what tells whether connexion accepts a value; never says Yes where connexion says No."""
    rust = compiled(schema, dialect)
    if rust is not None:
        return rust.is_valid
    asked: Accepts = dialect.validator(schema, format_checker=dialect.formats).is_valid
    return asked


def compiled(schema: Mapping[str, Any], dialect: Dialect) -> jsonschema_rs.Draft4Validator | None:
    """Return a validator that fails wherever connexion's does, None where that is not known of any."""
    lowering = Lowering(
        nullable=dialect.nullable,
        write_only=dialect.write_only,
        read_only=dialect.read_only,
        formats=dialect.formats.checkers,
    )
    try:
        lowered = lowering.lower(schema)
        keywords = KEYWORDS if lowering.asks_python else None  # to have any costs a quarter more, used or not
        return jsonschema_rs.Draft4Validator(lowered, validate_formats=False, keywords=keywords)
    except (Unprovable, ValueError, TypeError, OverflowError):
        return None
