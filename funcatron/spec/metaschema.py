"""Documents against the OpenAPI schema of their version.

The schemas are the official ones, as connexion carries them. They are read from its files: importing connexion costs
0.3 s. Where they forbid what the specification allows they are corrected here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs

from funcatron.errors import FuncatronError
from funcatron.spec.explain import Finding, findings
from funcatron.spec.structure import PATHS_HOME

__all__ = ["check"]


def check(version: tuple[int, int], tree: Any, kind: str = "document") -> Iterator[Finding]:
    """Yield everything in a document, or in one object of it, that the schema of its version forbids."""
    schema, validator = _compiled(version, kind)
    yield from findings(validator.iter_errors(tree), schema, tree)


@cache
def _compiled(version: tuple[int, int], kind: str) -> tuple[dict[str, Any], jsonschema_rs.Validator]:
    schema = _corrected(version)
    if kind != "document":
        names = {name.lower(): name for name in schema["definitions"]}
        roles = [names[_NAMES.get(kind, kind).lower()], names.get("reference") or names["jsonreference"]]
        either = [{"$ref": f"#/definitions/{name}"} for name in roles]
        schema = {"definitions": schema["definitions"], "anyOf": either}
    # Formats are not checked: that a contact's URL is none hinders nobody.
    return schema, jsonschema_rs.Draft4Validator(schema, validate_formats=False)


_NAMES = {"path": "pathItem"}
"""What the official schemas call a kind, where ``structure`` calls it otherwise."""


@cache
def _corrected(version: tuple[int, int]) -> dict[str, Any]:
    schema = _official(version)
    _CORRECT[version](schema)
    return schema


def _official(version: tuple[int, int]) -> dict[str, Any]:
    package = find_spec("connexion")
    if package is None or not package.submodule_search_locations:
        raise FuncatronError("connexion is not installed")
    name = "v{}.{}".format(*version)
    file = Path(package.submodule_search_locations[0]) / "resources" / "schemas" / name / "schema.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def _correct_v2(schema: dict[str, Any]) -> None:
    define = schema["definitions"]
    schema["properties"] |= _own_paths("#/definitions/pathItem")
    # JSON Reference: members beside $ref are ignored, not forbidden.
    del define["jsonReference"]["additionalProperties"]


def _correct_v3(schema: dict[str, Any]) -> None:
    define = schema["definitions"]
    schema["properties"] |= _own_paths("#/definitions/PathItem")
    # 3.0.3 section 4.7.15: the Encoding Object may be extended, and its headers may be references.
    define["Encoding"]["patternProperties"] = {"^x-": {}}
    define["Encoding"]["properties"]["headers"] = define["Response"]["properties"]["headers"]
    # RFC 7235 section 2.1: the name of an authentication scheme is case-insensitive.
    bearer, other = define["HTTPSecurityScheme"]["oneOf"]
    bearer["properties"]["scheme"] = {"pattern": "^[bB][eE][aA][rR][eE][rR]$"}
    other["properties"]["scheme"] = {"not": bearer["properties"]["scheme"]}
    # Section 4.7.7 restricts the components' names; the schema then does not look at what others hold. Such names
    # are harmless and common (``List«Pet»``), so they are let through, but what they hold is checked.
    for component in define["Components"]["properties"].values():
        (component["additionalProperties"],) = component.pop("patternProperties").values()


def _own_paths(path_item: str) -> dict[str, Any]:
    """Path Items that stand under extensions of ours are checked like all others."""
    items = {"type": "object", "additionalProperties": {"$ref": path_item}}
    return {"x-webhooks": {**items, "patternProperties": {"^x-": {}}}, PATHS_HOME: items}


_CORRECT = {(2, 0): _correct_v2, (3, 0): _correct_v3}
