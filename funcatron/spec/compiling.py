"""Schemas of any version of OpenAPI as compiled JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from funcatron.spec import json_schema, json_schema_2020
from funcatron.spec.json_schema import Direction, Resolve
from funcatron.spec.patterns import KEYWORDS, PYTHON_PATTERN

__all__ = ["compile_schema"]


def compile_schema(
    version: tuple[int, int],
    schema: Mapping[str, Any],
    resolve: Resolve,
    *,
    direction: Direction,
    files: bool = False,
) -> tuple[dict[str, Any], jsonschema_rs.Validator]:
    """Return a schema of a document of this version lowered, on its own, and the validator that it makes.

    ``resolve`` gives what a local reference stands for; with ``files`` the stand-ins are valid where files are.
    """
    validator: type[jsonschema_rs.Draft202012Validator | jsonschema_rs.Draft4Validator]
    if version >= (3, 1):
        lower, validator = json_schema_2020.lower, jsonschema_rs.Draft202012Validator
    else:
        lower, validator = json_schema.lower, jsonschema_rs.Draft4Validator
    lowered = lower(schema, resolve, direction=direction, files=files)
    keywords = KEYWORDS if PYTHON_PATTERN in str(lowered) else None  # to have any makes all validation slower
    return lowered, validator(lowered, validate_formats=True, keywords=keywords)
