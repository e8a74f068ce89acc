"""Validators made from a document's schemas, the same on every door.

jsonschema-rs decides; what it cannot take (NaN, bytes, lone surrogates, keys that are no strings) is decided here,
so that a validator always answers and never raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal, NamedTuple

import jsonschema_rs
import orjson

from funcatron.errors import Violation
from funcatron.spec import compiling
from funcatron.spec.document import Document
from funcatron.spec.explain import Finding, findings
from funcatron.spec.json_schema import Direction
from funcatron.spec.pointer import join
from funcatron.spec.twin import Twin

__all__ = ["STRICT", "Bounds", "SchemaValidator", "compile_schema", "is_finite", "plain_json", "refuse"]

MAX_VIOLATIONS = 1000
"""The most violations of one value that are listed: a large body must not become a larger answer."""

ANNOTATIONS = frozenset({"default", "deprecated", "description", "example", "examples", "title"})
_FORBIDDING = ("not", "oneOf", "if", "contains", "uniqueItems", "unevaluatedItems", "unevaluatedProperties")
"""Keywords that may refuse a value because it, or a part of it, fits a schema or equals another value."""
SAFE = 2**53
"""Integers up to here are the same number in every JSON parser."""

STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
"""orjson's options for plain JSON alone, together with ``refuse``."""


class Bounds(NamedTuple):
    """What a schema allows that says no more: the length of a string, or the value of an integer, both included."""

    kind: Literal["string", "integer"]
    least: float
    most: float


class SchemaValidator:
    """Says whether a value fits a schema of a document, and if not, why. Compiled on first use."""

    __slots__ = ("_direction", "_document", "_plain", "_quick", "_schema", "_with_files")

    def __init__(self, document: Document, schema: Mapping[str, Any], direction: Direction) -> None:
        self._document = document
        self._schema = schema
        self._direction: Direction = direction
        self._plain: _Compiled | None = None
        self._with_files: _Compiled | None = None
        self._quick: Callable[[Any], bool] = _never

    def is_valid(self, value: Any) -> bool:
        """Whether the value fits. Never raises; what JSON cannot carry does not fit, but for files where ``binary``."""
        if self._quick(value):
            return True
        if _is_json(value):
            try:
                return (self._plain or self._compile()).validator.is_valid(value)
            except ValueError:  # a UUID, which orjson writes
                pass
        twin = Twin(value)
        if twin.flaws:
            return False
        if not twin.files:
            return (self._plain or self._compile()).validator.is_valid(twin.value)
        validator = (self._with_files or self._compile_with_files()).validator
        return all(validator.is_valid(variant) for variant in twin.variants())

    @property
    def decide(self) -> Callable[[Any], bool]:
        """The quickest test of values that came as JSON or as text, or that ``plain_json`` writes: jsonschema-rs
        itself, compiled on first use. Raises ValueError for a UUID, which orjson writes: then ask ``is_valid``.
        """
        return (self._plain or self._compile()).validator.is_valid

    @property
    def bounds(self) -> Bounds | None:
        """What the schema allows, where it says no more than that; None for all other schemas."""
        return _bounds((self._plain or self._compile()).schema)

    @property
    def takes_null_for_nan(self) -> bool:
        """Whether null certainly fits where ``decide`` says that NaN or infinity does: these are numbers of no type to
        jsonschema-rs, so only a schema that forbids something by naming it may see that the other way round.
        """
        words = str((self._plain or self._compile()).schema)
        return not any(f"'{keyword}'" in words for keyword in _FORBIDDING)

    def violations(self, value: Any, at: str = "") -> list[Violation]:
        """Return what is wrong with the value, each with its JSON Pointer below ``at``; the first 1000 of it."""
        return _listed(self._findings(value), at)

    def check(self, value: Any, at: str = "") -> list[Violation]:
        """Return ``violations`` where the value does not fit, nothing where it does: quicker than to ask for both."""
        if self._quick(value):
            return []
        if _is_json(value):
            compiled = self._plain or self._compile()
            try:
                fits = compiled.validator.is_valid(value)
                return [] if fits else _listed(compiled.findings(value, value), at)
            except ValueError:  # as above
                pass
        return [] if self.is_valid(value) else self.violations(value, at)

    def _findings(self, value: Any) -> Iterator[Finding]:
        if _is_json(value):
            try:
                yield from (self._plain or self._compile()).findings(value, value)
            except ValueError:  # as above
                pass
            else:
                return
        twin = Twin(value)
        yield from twin.flaws
        if not twin.files:
            yield from _outside((self._plain or self._compile()).findings(twin.value, value), twin)
            return
        compiled, told = self._with_files or self._compile_with_files(), set()
        for variant in twin.variants():
            more = [
                finding for finding in _outside(compiled.findings(variant, value), twin) if finding.path not in told
            ]
            told |= {finding.path for finding in more}
            yield from more

    def _compile(self) -> _Compiled:
        self._plain = self._compiled()
        self._quick = _scalar_test(self._plain.schema)
        return self._plain

    def _compile_with_files(self) -> _Compiled:
        self._with_files = self._compiled(files=True)
        return self._with_files

    def _compiled(self, *, files: bool = False) -> _Compiled:
        document = self._document
        return _Compiled(
            *compiling.compile_schema(
                document.version, self._schema, document.resolve, direction=self._direction, files=files
            )
        )


def compile_schema(document: Document, schema: Mapping[str, Any], *, direction: Direction) -> SchemaValidator:
    """Return the validator of a schema of this document (references and all) for requests or responses."""
    return SchemaValidator(document, schema, direction)


class _Compiled:
    __slots__ = ("schema", "validator")

    def __init__(self, schema: dict[str, Any], validator: jsonschema_rs.Validator) -> None:
        self.schema = schema
        self.validator = validator

    def findings(self, value: Any, original: Any) -> Iterator[Finding]:
        errors = self.validator.iter_errors(value)
        yield from findings(islice(errors, MAX_VIOLATIONS), self.schema, original)


def _listed(found: Iterable[Finding], at: str) -> list[Violation]:
    once = dict.fromkeys(islice(found, MAX_VIOLATIONS))
    return [Violation(at + join(finding.path), finding.message) for finding in once]


def _is_json(value: Any) -> bool:
    """Whether jsonschema-rs takes the value as what it is; a False may be wrong (large integers), a True is not."""
    return plain_json(value) is not None


def plain_json(value: Any) -> bytes | None:
    """Return the value as JSON, None where it is not all plain JSON: then it may still be written by ``codec``.

    orjson is the quickest to find out: it raises TypeError for what it cannot write, and writes NaN and infinity as
    null. jsonschema-rs raises only for what it looks at, and takes NaN for null.
    """
    try:
        written = orjson.dumps(value, refuse, STRICT)
    except TypeError:
        return None
    return written if b"null" not in written or is_finite(value) else None


def refuse(value: Any) -> Any:
    """Raise TypeError: what orjson is to do with what is no plain JSON."""
    raise TypeError(type(value).__name__)


def is_finite(value: Any) -> bool:
    """Whether all numbers in plain JSON are numbers: orjson writes null for all others."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
        elif isinstance(one, float) and one - one != 0:
            return False
    return True


def _never(value: Any) -> bool:
    return False


def _bounds(schema: Mapping[str, Any]) -> Bounds | None:
    keywords, kind = schema.keys() - ANNOTATIONS, schema.get("type")
    if kind == "string" and keywords <= {"type", "minLength", "maxLength"}:
        return Bounds(kind, schema.get("minLength", 0), schema.get("maxLength", math.inf))
    if kind == "integer" and keywords <= {"type", "minimum", "maximum"}:
        return Bounds(kind, schema.get("minimum", -SAFE), schema.get("maximum", SAFE))
    return None


def _scalar_test(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Return what says True of values that fit for certain, of most parameters' schemas: it is all that they cost."""
    bounds = _bounds(schema)
    if bounds is None:
        return _never
    kind, least, most = bounds
    if kind == "string":
        return lambda value: type(value) is str and least <= len(value) <= most and value.isascii()
    return lambda value: type(value) is int and least <= value <= most


def _outside(found: Iterator[Finding], twin: Twin) -> Iterator[Finding]:
    """Leave out what is said about places that are flawed already, and about the insides of stand-ins."""
    flawed = {flaw.path for flaw in twin.flaws}
    for finding in found:
        inside = any(finding.path[:length] in twin.files for length in range(len(finding.path)))
        if not inside and not any(finding.path[:length] in flawed for length in range(len(finding.path) + 1)):
            yield finding
