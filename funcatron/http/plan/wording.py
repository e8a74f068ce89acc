"""What connexion says of a body that its schema does not accept: the first error that its validator finds, found soon.

Python's validator walks a whole body to its first error. jsonschema-rs knows in a fraction of that time at how many
places a lowered schema says No; where it is one, all that Python can find is there, so its check of that one keyword
tells the error, or that there is none for it. In all other cases Python walks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import jsonschema_rs
from jsonschema import ValidationError

from funcatron.http.plan.schema import Dialect, compiled

__all__ = ["FirstError", "first_error"]

FirstError: TypeAlias = Callable[[Any], ValidationError | None]
"""Finds the first error of a value as connexion's validator words it, None if it accepts the value."""

_Path: TypeAlias = list[str | int]
_DEEPER = frozenset({
    "properties", "additionalProperties", "items", "additionalItems", "allOf", "patternProperties", "dependencies",
})  # fmt: skip
"""Keywords whose errors are those of schemas below."""


def first_error(schema: Mapping[str, Any], dialect: Dialect) -> FirstError:
    """Return what finds the first error of a value, which must be JSON: other numbers are something else to Rust."""
    python = dialect.validator(schema, format_checker=dialect.formats)
    rust = compiled(schema, dialect)
    below: dict[int, Any] = {}

    def find(value: Any) -> ValidationError | None:
        only = _only(rust, value) if rust is not None else None
        place = only and _reached(value, only[0])
        if only is not None and place is not None:
            owner, keyword = _owner(schema, only[1])
            validator = below.get(id(owner))
            if validator is None:
                validator = below[id(owner)] = python.evolve(schema=owner)
            for error in _errors(validator, keyword, place[1]):
                error.path.extendleft(reversed(place[0]))
                return error
        return next(python.iter_errors(value), None)

    return find


def _only(rust: jsonschema_rs.Draft4Validator, value: Any) -> tuple[_Path, _Path] | None:
    """Return the instance's and the schema's path of the only place that is not valid."""
    try:
        places = [(error.instance_path, error.evaluation_path) for error in rust.iter_errors(value)]
    except ValueError:  # what is no JSON for Rust
        return None
    return places[0] if places and all(place == places[0] for place in places) else None


def _reached(value: Any, path: _Path) -> tuple[_Path, Any] | None:
    """Return a path with its names and numbers as they are in Python, and the value there.

    None where it may be another value: Rust's paths leave out names that are empty.
    """
    steps: _Path = []
    for step in path:
        if isinstance(value, dict):
            if "" in value:
                return None
            step = str(step)
        steps.append(step)
        value = value[step]
    return None if isinstance(value, dict) and "" in value else (steps, value)


def _errors(validator: Any, keyword: str, value: Any) -> Iterator[ValidationError]:
    """Yield what Python's validator of one schema says of a value without looking below it."""
    schema, checks = validator.schema, validator.VALIDATORS
    for name in [keyword] if keyword in schema else [name for name in schema if name not in _DEEPER]:
        if name in checks:
            yield from checks[name](validator, schema[name], value, schema) or ()


def _owner(schema: Any, path: _Path) -> tuple[Mapping[str, Any], str]:
    """Return the schema that a path in its lowered form ends in, and the keyword there.

    Lowered schemas have references where a schema stands in several places, and checks in an ``allOf`` of their own.
    """
    owner, node = schema, schema
    for step in path[:-1]:
        if step == "$ref":
            continue
        if isinstance(node, Mapping):
            node = node.get(str(step))
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            break
        # A property may be called like a keyword: what stands in an even place is no schema.
        owner = node if isinstance(node, Mapping) else owner
    return owner, str(path[-1])
