"""Documents against the OpenAPI schema of their version.

The schemas are the official ones. Those of 2.0 and 3.0 are as connexion carries them, read from its files: importing
connexion costs 0.3 s. That of 3.1, https://spec.openapis.org/oas/3.1/schema/2022-10-07, lies beside our own. Where they
forbid what the specification allows they are corrected here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
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
        key = "$defs" if version >= (3, 1) else "definitions"
        names = {name.lower().replace("-", ""): name for name in schema[key]}
        roles = [names[_NAMES.get(kind, kind).lower()], names.get("reference") or names["jsonreference"]]
        schema = {key: schema[key], "anyOf": [{"$ref": f"#/{key}/{name}"} for name in roles]}
    # Formats are not checked: that a contact's URL is none hinders nobody.
    validator = jsonschema_rs.Draft202012Validator if version >= (3, 1) else jsonschema_rs.Draft4Validator
    return schema, validator(schema, validate_formats=False)


_NAMES = {"path": "pathItem"}
"""What the official schemas call a kind, where ``structure`` calls it otherwise."""


@cache
def _corrected(version: tuple[int, int]) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(_official(version).read_text(encoding="utf-8"))
    _CORRECT[version](schema)
    return schema


def _official(version: tuple[int, int]) -> Traversable:
    if version >= (3, 1):
        return files("funcatron_openapi") / "oas-{}.{}.schema.json".format(*version)
    package = find_spec("connexion")
    if package is None or not package.submodule_search_locations:
        raise FuncatronError("connexion is not installed")
    name = "v{}.{}".format(*version)
    return Path(package.submodule_search_locations[0]) / "resources" / "schemas" / name / "schema.json"


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


def _correct_v31(schema: dict[str, Any]) -> None:
    define = schema["$defs"]
    schema["properties"]["x-webhooks"] = schema["properties"]["webhooks"]
    # 3.1.0 section 4.8.9: a Path Item may have a $ref and members of its own.
    define["path-item"]["properties"]["$ref"] = {"type": "string"}
    define["path-item-or-reference"] = {"$ref": "#/$defs/path-item"}
    # Section 4.8.23: members beside the $ref of a Reference Object are ignored, not forbidden.
    del define["reference"]["unevaluatedProperties"]
    # Section 4.8.24.4: a Schema Object is JSON Schema 2020-12, with whatever else OpenAPI and others put there.
    define["schema"] = {"$dynamicAnchor": "meta", "$ref": "https://json-schema.org/draft/2020-12/schema"}
    # Section 4.8.7 restricts the components' names, as that of 3.0 does.
    define["components"].pop("patternProperties")


def _own_paths(path_item: str) -> dict[str, Any]:
    """Path Items that stand under extensions of ours are checked like all others."""
    items = {"type": "object", "additionalProperties": {"$ref": path_item}}
    return {"x-webhooks": {**items, "patternProperties": {"^x-": {}}}, PATHS_HOME: items}


_CORRECT = {(2, 0): _correct_v2, (3, 0): _correct_v3, (3, 1): _correct_v31}
