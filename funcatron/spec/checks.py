"""What the specification forbids and a JSON Schema cannot say. Each check yields findings and stands for itself.

The tree may be malformed here: what the schema already complains about is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from funcatron.spec import extension
from funcatron.spec.compiling import compile_schema
from funcatron.spec.explain import Finding, findings
from funcatron.spec.openapi3 import server_path
from funcatron.spec.patterns import is_pattern
from funcatron.spec.pointer import Parts, find, split_fragment
from funcatron.spec.references import Bundle, follow
from funcatron.spec.structure import walk

__all__ = ["check"]

TEMPLATE = re.compile(r"\{([^{}]*)\}")


def check(bundle: Bundle, version: tuple[int, int]) -> Iterator[Finding]:
    """Yield every mistake of a bundled tree that its schema does not see."""
    survey = Survey(bundle, version)
    for part in (_servers, _operation_ids, _paths, _parameters, _security, _schemas, _extensions):
        yield from part(survey)


class Survey:
    """A possibly malformed tree, with its operations found."""

    def __init__(self, bundle: Bundle, version: tuple[int, int]) -> None:
        self.tree = bundle.tree
        self.version = version
        self.dialect = bundle.dialect
        self.path_items = [
            (section, path, self._fields((section, path), item))
            for section in ("paths", *self.dialect.webhooks)
            if isinstance(self.tree.get(section), dict)
            for path, item in self.tree[section].items()
            if not path.startswith("x-")
        ]
        self.operations = [
            (section, path, method, fields)
            for section, path, fields in self.path_items
            for method in self.dialect.methods
            if method in fields and isinstance(fields[method][1], dict)
        ]

    def resolved(self, node: Any) -> Any:
        """Return what a node stands for, None where its reference is a mistake."""
        try:
            return follow(self.tree, node)
        except (LookupError, RecursionError, ValueError):
            return None

    def resolve(self, ref: str) -> Any:
        """Return what a reference stands for; where it is a mistake, a schema that anything fits."""
        return self.resolved({"$ref": ref}) or {}

    def parameters(self, fields: Mapping[str, tuple[Parts, Any]]) -> Iterator[tuple[Parts, dict[str, Any]]]:
        """Yield the well-formed parameters of a list with their places."""
        place, listed = fields.get("parameters", ((), None))
        for index, node in enumerate(listed if isinstance(listed, list) else ()):
            parameter = self.resolved(node)
            if isinstance(parameter, dict) and all(isinstance(parameter.get(key), str) for key in ("name", "in")):
                yield (*place, str(index)), parameter

    def _fields(self, place: Parts, node: Any) -> dict[str, tuple[Parts, Any]]:
        fields: dict[str, tuple[Parts, Any]] = {}
        seen: set[Parts] = set()
        while isinstance(node, dict) and place not in seen:
            seen.add(place)
            for key, value in node.items():
                fields.setdefault(key, ((*place, key), value))
            try:
                place = split_fragment(str(node["$ref"])[1:])
                node = find(self.tree, place)
            except (LookupError, ValueError):
                break
        return fields


def _servers(survey: Survey) -> Iterator[Finding]:
    servers, base = survey.tree.get("servers"), survey.tree.get("basePath")
    if isinstance(base, str) and TEMPLATE.search(base):  # 2.0, Swagger Object: no path templating
        yield Finding(("basePath",), "a base path has no variables")
    try:
        if isinstance(servers, list) and servers:
            server_path(servers[0])
    except ValueError as error:
        yield Finding(("servers", "0", "url"), str(error))
    except (AttributeError, KeyError, TypeError):
        pass  # malformed, which is reported as such


def _operation_ids(survey: Survey) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for _, path, method, fields in survey.operations:
        place, node = fields[method]
        name = node.get("operationId")
        if isinstance(name, str) and name:
            if name in seen:
                yield Finding((*place, "operationId"), f"{name!r} is the operationId of {seen[name]} too")
            seen.setdefault(name, f"{method.upper()} {path}")


def _paths(survey: Survey) -> Iterator[Finding]:
    shapes: dict[tuple[str, str], str] = {}
    for section, path, fields in survey.path_items:
        if section != "paths":
            continue
        if re.search(r"[{}]", TEMPLATE.sub("", path)):
            yield Finding((section, path), "the braces of the path do not match")
        shape = TEMPLATE.sub("{}", path)
        # 3.0.3 section 4.7.8.1: such paths are identical. 2.0 does not say so, but no method can be there twice.
        methods = ["*"] if survey.version >= (3, 0) else [m for m in survey.dialect.methods if m in fields]
        twins = {shapes[shape, method] for method in methods if (shape, method) in shapes}
        for twin in sorted(twins):
            yield Finding((section, path), f"is the same path as {twin}: only the parameters' names differ")
        shapes.update({(shape, method): path for method in methods})


def _parameters(survey: Survey) -> Iterator[Finding]:
    for _, _, fields in survey.path_items:
        yield from _twice(survey, fields)
    for section, path, method, fields in survey.operations:
        place, node = fields[method]
        own = {key: ((*place, key), value) for key, value in node.items()}
        yield from _twice(survey, own)
        merged = {
            (parameter.get("in"), parameter["name"]): where
            for where, parameter in (*survey.parameters(fields), *survey.parameters(own))
        }
        yield from _bodies(merged, place)
        wanted = set(TEMPLATE.findall(path)) if section == "paths" else set()
        given = {name for location, name in merged if location == "path"}
        for name in sorted(wanted - given):
            yield Finding(place, f"the path has {{{name}}}, but there is no path parameter {name!r}")
        for name in sorted(given - wanted):
            told = f"the path has no {{{name}}}" if section == "paths" else "there is no path to take it from"
            yield Finding(merged["path", name], f"{told}, so the path parameter {name!r} can never be filled")


def _twice(survey: Survey, fields: Mapping[str, tuple[Parts, Any]]) -> Iterator[Finding]:
    seen = set()
    for where, parameter in survey.parameters(fields):
        key = (parameter.get("in"), parameter["name"])
        if key in seen:
            yield Finding(where, f"the {key[0]} parameter {key[1]!r} stands twice")
        seen.add(key)


def _bodies(merged: Mapping[tuple[Any, str], Parts], place: Parts) -> Iterator[Finding]:
    """2.0, Parameter Object: one body at most, and not with a form."""
    bodies = [where for (location, _), where in merged.items() if location == "body"]
    forms = [where for (location, _), where in merged.items() if location == "formData"]
    for where in bodies[1:]:
        yield Finding(where, "there is a body parameter already")
    if bodies and forms:
        yield Finding(place, "a body parameter and formData parameters exclude each other")


def _security(survey: Survey) -> Iterator[Finding]:
    holder = survey.tree if survey.version < (3, 0) else survey.tree.get("components")
    key = "securityDefinitions" if survey.version < (3, 0) else "securitySchemes"
    schemes = holder.get(key) if isinstance(holder, dict) else None
    known = set(schemes) if isinstance(schemes, dict) else set()
    required: list[tuple[Parts, Any]] = [(("security",), survey.tree.get("security"))]
    required += [
        ((*fields[method][0], "security"), fields[method][1].get("security"))
        for _, _, method, fields in survey.operations
    ]
    for place, requirements in required:
        for index, requirement in enumerate(requirements if isinstance(requirements, list) else ()):
            for name in requirement if isinstance(requirement, dict) else ():
                if name not in known:
                    yield Finding((*place, str(index), name), f"there is no security scheme {name!r}")


def _schemas(survey: Survey) -> Iterator[Finding]:
    for kind, node, place in walk(survey.dialect, "document", survey.tree):
        if kind in ("schema", "parameter", "header", "items") and "$ref" not in node:
            pattern = node.get("pattern")
            if isinstance(pattern, str) and not is_pattern(pattern):
                yield Finding((*place, "pattern"), f"{pattern!r} is not a regular expression")
            elif "default" in node and not survey.dialect.json_schema:
                yield from _default(survey, node, place)
            elif kind == "parameter" and survey.dialect.json_schema:
                # JSON Schema's default binds nobody; a parameter's is given to handlers.
                schema = node.get("schema")
                if isinstance(schema, dict) and "default" in schema:
                    yield from _default(survey, schema, (*place, "schema"))


def _default(survey: Survey, node: Mapping[str, Any], place: Parts) -> Iterator[Finding]:
    try:
        schema, validator = compile_schema(survey.version, node, survey.resolve, direction="request")
    except (ValueError, TypeError, AttributeError):
        return  # malformed, which is reported as such
    for finding in findings(validator.iter_errors(node["default"]), schema, node["default"]):
        yield Finding((*place, "default", *finding.path), f"the default does not fit: {finding.message}")


def _extensions(survey: Survey) -> Iterator[Finding]:
    holders: dict[Parts, Any] = {}
    if extension.KEY in survey.tree:
        holders[extension.KEY,] = survey.tree[extension.KEY]
    for _, _, fields in survey.path_items:
        if extension.KEY in fields:
            holders[fields[extension.KEY][0]] = fields[extension.KEY][1]
    for _, _, method, fields in survey.operations:
        place, node = fields[method]
        if extension.KEY in node:
            holders[*place, extension.KEY] = node[extension.KEY]
    for place, value in holders.items():
        for finding in extension.check(value):
            yield Finding((*place, *finding.path), finding.message)
