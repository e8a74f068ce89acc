"""Operations of OpenAPI 2.0 in the words of 3.0: parameters, bodies, forms, responses, the base path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from funcatron.spec.operation import Body, Media, Parameter, Reply
from funcatron.spec.pointer import Parts, join
from funcatron.spec.reading import Placed, Reading

__all__ = ["Swagger2"]

_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_URLENCODED = "application/x-www-form-urlencoded"

_DELIMITED = {"ssv": "spaceDelimited", "tsv": "tabDelimited", "pipes": "pipeDelimited"}
_NOT_SCHEMA = frozenset({"name", "in", "required", "description", "allowEmptyValue", "collectionFormat"})


class Swagger2(Reading):
    """Reads what one operation of a 2.0 document takes and gives."""

    def base_path(self) -> str:
        """Return ``basePath`` without a slash at the end."""
        return unquote(self.tree.get("basePath", "")).rstrip("/")

    def parameters(self, found: Iterable[Placed]) -> tuple[Parameter, ...]:
        """Return the path, query and header parameters; ``found`` are the merged ones of path and operation."""
        return tuple(
            self._parameter(place, parameter)
            for place, parameter in found
            if parameter["in"] not in ("body", "formData")
        )

    def _parameter(self, place: Parts, parameter: Mapping[str, Any]) -> Parameter:
        style, explode = _style(parameter)
        return Parameter(
            name=parameter["name"],
            location=parameter["in"],
            schema=_schema(parameter),
            required=parameter.get("required", False),
            style=style,
            explode=explode,
            allow_empty=parameter.get("allowEmptyValue", False),
            pointer=join(place),
        )

    def body(self, operation: Placed, found: Iterable[Placed]) -> Body | None:
        """Return the request body that a ``body`` parameter or ``formData`` parameters make, None without either."""
        place, node = operation
        found = list(found)
        consumed = node.get("consumes", self.tree.get("consumes")) or []
        for where, parameter in found:
            if parameter["in"] == "body":
                schema = parameter["schema"]
                if parameter.get("x-nullable") is True:  # as connexion has it
                    schema = {"anyOf": [schema, {"enum": [None]}]}
                return Body(
                    name=parameter.get("x-body-name") or node.get("x-body-name") or parameter["name"],
                    required=parameter.get("required", False),
                    content=dict.fromkeys(consumed or [_JSON], Media(schema=schema)),
                    pointer=join(where),
                )
        fields = [parameter for _, parameter in found if parameter["in"] == "formData"]
        return _form(place, fields, consumed) if fields else None

    def replies(self, operation: Mapping[str, Any]) -> dict[str, Reply]:
        """Return the responses by status: ``200``, ``default``."""
        produced = operation.get("produces", self.tree.get("produces")) or []
        return {status: self._reply(response, produced) for status, response in self.responses(operation)}

    def _reply(self, response: Mapping[str, Any], produced: list[str]) -> Reply:
        schema = response.get("schema")
        if schema is None:
            content = dict.fromkeys(produced, Media())
        elif schema.get("type") == "file":
            content = dict.fromkeys(produced or ["*/*"], Media())
        else:
            content = dict.fromkeys(produced or [_JSON], Media(schema=schema))
        headers = {name.lower(): _schema(header) for name, header in response.get("headers", {}).items()}
        return Reply(content=content, headers=headers)


def _form(place: Parts, fields: list[Mapping[str, Any]], consumed: list[str]) -> Body:
    schema: dict[str, Any] = {"type": "object", "properties": {f["name"]: _field(f) for f in fields}}
    required = [f["name"] for f in fields if f.get("required")]
    if required:
        schema["required"] = required
    encoding = {
        f["name"]: dict(zip(("style", "explode"), _style(f), strict=True)) for f in fields if f["type"] == "array"
    }
    uploads = any(f["type"] == "file" for f in fields)
    media_types = [m for m in consumed if m.partition(";")[0].strip().lower() in (_MULTIPART, _URLENCODED)]
    if not media_types:
        media_types = [_MULTIPART] if uploads else [_URLENCODED, _MULTIPART]
    return Body(
        required=bool(required),
        content=dict.fromkeys(media_types, Media(schema=schema, encoding=encoding)),
        unpacked=True,
        pointer=join((*place, "parameters")),
    )


def _field(parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = _schema(parameter)
    return {**schema, "type": "string", "format": "binary"} if schema.get("type") == "file" else schema


def _schema(parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keywords that describe the value: in 2.0 they stand beside the parameter's own."""
    return {key: value for key, value in parameter.items() if key not in _NOT_SCHEMA}


def _style(parameter: Mapping[str, Any]) -> tuple[str, bool]:
    """Return ``collectionFormat`` as style and explode of 3.0."""
    separated = parameter.get("collectionFormat", "csv")
    if separated == "multi":
        return "form", True
    if separated in _DELIMITED:
        return _DELIMITED[separated], False
    return ("form" if parameter.get("in") in ("query", "formData") else "simple"), False
