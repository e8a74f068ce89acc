"""Validators made from a document's schemas, the same on every door.

jsonschema-rs decides; what it cannot take (NaN, bytes, lone surrogates, keys that are no strings) is decided here,
so that a validator always answers and never raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import orjson

from funcatron.errors import Violation
from funcatron.spec.document import Document
from funcatron.spec.explain import Finding, findings
from funcatron.spec.json_schema import Direction, lower
from funcatron.spec.patterns import KEYWORDS
from funcatron.spec.pointer import join
from funcatron.spec.twin import Twin

__all__ = ["SchemaValidator", "compile_schema"]

_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS


class SchemaValidator:
    """Says whether a value fits a schema of a document, and if not, why. Compiled on first use."""

    __slots__ = ("_direction", "_document", "_is_valid", "_plain", "_schema", "_with_files")

    def __init__(self, document: Document, schema: Mapping[str, Any], direction: Direction) -> None:
        self._document = document
        self._schema = schema
        self._direction: Direction = direction
        self._plain: _Compiled | None = None
        self._with_files: _Compiled | None = None

    def is_valid(self, value: Any) -> bool:
        """Whether the value fits. Never raises; what JSON cannot carry does not fit, but for files where ``binary``."""
        compiled = self._plain or self._compile()
        try:
            # Writes what jsonschema-rs cannot take to no end but its errors; NaN and infinity become null.
            if b"null" not in orjson.dumps(value, None, _STRICT):
                return compiled.validator.is_valid(value)
        except TypeError:
            pass
        return not self._findings(value)

    def violations(self, value: Any, at: str = "") -> list[Violation]:
        """Return everything that is wrong with the value, each with its JSON Pointer below ``at``."""
        found = dict.fromkeys(self._findings(value))
        return [Violation(at + join(finding.path), finding.message) for finding in found]

    def _compile(self) -> _Compiled:
        self._plain = _Compiled(lower(self._schema, self._document.resolve, direction=self._direction))
        return self._plain

    def _findings(self, value: Any) -> list[Finding]:
        twin = Twin(value)
        if not twin.files:
            compiled = self._plain or self._compile()
            if twin.flaws or not compiled.validator.is_valid(twin.value):
                return [*twin.flaws, *_outside(compiled.findings(twin.value, value), twin)]
            return []
        if self._with_files is None:
            schema = lower(self._schema, self._document.resolve, direction=self._direction, files=True)
            self._with_files = _Compiled(schema)
        found = list(twin.flaws)
        for stand_in in twin.variants():
            places = {finding.path for finding in found}
            more = _outside(self._with_files.findings(stand_in, value), twin)
            found += [finding for finding in more if finding.path not in places]
        return found


def compile_schema(document: Document, schema: Mapping[str, Any], *, direction: Direction) -> SchemaValidator:
    """Return the validator of a schema of this document (references and all) for requests or responses."""
    return SchemaValidator(document, schema, direction)


class _Compiled:
    __slots__ = ("schema", "validator")

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self.validator = jsonschema_rs.Draft4Validator(schema, validate_formats=True, keywords=KEYWORDS)

    def findings(self, value: Any, original: Any) -> Iterator[Finding]:
        yield from findings(self.validator.iter_errors(value), self.schema, original)


def _outside(found: Iterator[Finding], twin: Twin) -> Iterator[Finding]:
    """Leave out what is said about places that are flawed already, and about the insides of stand-ins."""
    flawed = {flaw.path for flaw in twin.flaws}
    for finding in found:
        inside = any(finding.path[:length] in twin.files for length in range(len(finding.path)))
        if not inside and not any(finding.path[:length] in flawed for length in range(len(finding.path) + 1)):
            yield finding
