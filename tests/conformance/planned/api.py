"""A document under test: what it declares, told the same way for OpenAPI 2.0 and 3.0, references resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

__all__ = ["METHODS", "Api", "Operation", "pointed"]

METHODS = ("get", "post", "put", "delete", "patch", "head", "options", "trace")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True)
class Operation:
    """One operation: ``parameters`` as declared in OpenAPI 3.0, ``content`` its bodies' media types."""

    name: str
    method: str
    path: str
    parameters: tuple[dict[str, Any], ...]
    content: dict[str, dict[str, Any]] | None
    responses: dict[str, dict[str, Any]]
    schemes: tuple[tuple[dict[str, Any], ...], ...]
    """The security schemes: any of them, each with all of its own."""


@dataclass(frozen=True)
class Api:
    """A document, and the options that connexion is to serve it with (``names`` are resolved by ``options``)."""

    name: str
    document: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def swagger(self) -> bool:
        """Whether the document is of OpenAPI 2.0."""
        return "swagger" in self.document

    @cached_property
    def base_path(self) -> str:
        """Where the document is served."""
        if self.swagger:
            return str(self.document.get("basePath") or "").rstrip("/")
        servers = self.document.get("servers") or [{"url": "/"}]
        url = str(servers[0]["url"])
        path = url.split("//", 1)[1].partition("/")[2] if "//" in url else url.lstrip("/")
        return f"/{path}".rstrip("/")

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """The document's operations, in its order."""
        return tuple(
            self._operation(method, path, item)
            for path, item in ((path, self.resolved(item)) for path, item in self.document["paths"].items())
            for method in item
            if method in METHODS
        )

    def resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return what a reference refers to, or the value itself."""
        for _ in range(20):
            if "$ref" not in value:
                break
            value = pointed(self.document, value["$ref"])
        return value

    def _operation(self, method: str, path: str, item: dict[str, Any]) -> Operation:
        operation = item[method]
        declared = [self.resolved(one) for one in [*item.get("parameters", []), *operation.get("parameters", [])]]
        parameters = {(one["in"], one["name"]): one for one in declared}
        return Operation(
            name=operation.get("operationId") or f"{method} {path}",
            method=method,
            path=path,
            parameters=tuple(_told(one) for key, one in parameters.items() if key[0] not in ("body", "formData")),
            content=self._swagger_content(operation, [*parameters.values()])
            if self.swagger
            else self._content(operation),
            responses={status: self._response(one) for status, one in operation["responses"].items()},
            schemes=self._schemes(operation.get("security", self.document.get("security", []))),
        )

    @cached_property
    def schemes(self) -> list[dict[str, Any]]:
        """The security schemes that the document declares, asked for or not."""
        return [self.resolved(scheme) for scheme in self._declared.values()]

    @property
    def _declared(self) -> dict[str, dict[str, Any]]:
        components = self.document.get("components", {})
        return self.document.get("securityDefinitions") or components.get("securitySchemes") or {}

    def _schemes(self, security: list[dict[str, Any]]) -> tuple[tuple[dict[str, Any], ...], ...]:
        return tuple(tuple(self.resolved(self._declared[name]) for name in either) for either in security)

    def _content(self, operation: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        if "requestBody" not in operation:
            return None
        content = self.resolved(operation["requestBody"])["content"]
        return {media: dict(definition) for media, definition in content.items()}

    def _swagger_content(
        self, operation: dict[str, Any], parameters: list[dict[str, Any]]
    ) -> dict[str, dict[str, Any]] | None:
        form = {one["name"]: one for one in parameters if one["in"] == "formData"}
        bodies = [one["schema"] for one in parameters if one["in"] == "body"]
        if not form and not bodies:
            return None
        consumes = operation.get("consumes") or self.document.get("consumes") or ["application/json"]
        if form:
            schema: dict[str, Any] = {"type": "object", "properties": form}
            schema["required"] = [name for name, one in form.items() if one.get("required")]
            return {media: {"schema": schema} for media in consumes if media in _FORMS} or {
                _FORMS[0]: {"schema": schema}
            }
        return {media: {"schema": bodies[0]} for media in consumes}

    def _response(self, response: dict[str, Any]) -> dict[str, Any]:
        response = self.resolved(response)
        if not self.swagger:
            return response.get("content", {})
        return {"application/json": {"schema": response["schema"]}} if "schema" in response else {}


def pointed(document: dict[str, Any], reference: str) -> dict[str, Any]:
    """Return what a reference into the document itself refers to."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        part = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found  # type: ignore[no-any-return]


def _told(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter of 2.0 with its schema apart, as in 3.0."""
    if "schema" in parameter or "content" in parameter:
        return parameter
    schema = {key: value for key, value in parameter.items() if key not in ("name", "in", "required", "description")}
    told = {"name": parameter["name"], "in": parameter["in"], "required": parameter.get("required", False)}
    joined = parameter.get("collectionFormat")
    style = "pipeDelimited" if joined == "pipes" else "form"
    return {**told, "schema": schema, "style": style, "explode": joined == "multi"}
