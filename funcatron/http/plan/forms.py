"""Forms: parsed once where connexion parses twice, then checked and handed to the handler by connexion's own rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connexion.decorators.parameter import _get_body_argument, _get_file_arguments
from connexion.exceptions import BadRequestProblem
from connexion.lifecycle import ConnexionRequest
from connexion.operations import AbstractOperation, Swagger2Operation
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.types import Message, Scope

from funcatron.http.plan.handler import Names
from funcatron.http.plan.schema import Accepts, Dialect, acceptor

__all__ = ["Form"]

_FILES = ("binary", "base64")


@dataclass(frozen=True, slots=True)
class Form:
    """Forms of one media type. ``strict``: fields that the schema does not name are connexion's to refuse."""

    operation: AbstractOperation
    media_type: str
    schema: Mapping[str, Any]
    accepts: Accepts
    parser: Any
    names: Names
    sanitize: Callable[[str], str]
    strict: bool

    @classmethod
    def of(
        cls,
        operation: AbstractOperation,
        media_type: str,
        names: Names,
        sanitize: Callable[[str], str],
        *,
        strict: bool,
        dialect: Dialect,
    ) -> Form:
        """Return the forms of an operation."""
        schema = operation.body_schema(media_type)
        parser = operation.uri_parser_class(operation.parameters, operation.body_definition())
        return cls(operation, media_type, schema, acceptor(schema, dialect), parser, names, sanitize, strict)

    async def fill(self, content: bytes, scope: Scope, arguments: dict[str, Any]) -> bool:
        """See Content. How lines before the first boundary are read depends on the chunks that they come in."""
        if self.media_type == "multipart/form-data" and not content.startswith(b"--"):
            return False
        try:
            return await self._fill(content, scope, arguments)
        except Exception:  # noqa: BLE001 - nothing ran yet: what a plan cannot judge, whyever, is connexion's
            return False

    def problem(self, content: bytes, arguments: dict[str, Any]) -> BadRequestProblem | None:
        """See Content."""
        return None

    async def _fill(self, content: bytes, scope: Scope, arguments: dict[str, Any]) -> bool:
        async def receive() -> Message:
            return {"type": "http.request", "body": content, "more_body": False}

        request = Request(scope, receive)
        fields = self._checked(await request.form())
        if (self.strict and not fields.keys() <= self.schema.get("properties", {}).keys()) or not self.accepts(fields):
            return False
        arguments |= await self._arguments(ConnexionRequest.from_starlette_request(request, uri_parser=self.parser))
        return True

    def _checked(self, data: FormData) -> dict[str, Any]:
        """Return the fields as connexion's validator sees them: empty texts in the place of files."""
        fields: dict[str, Any] = {}
        files: dict[str, Any] = {}
        for name in data:
            schema, values = self.schema.get("properties", {}).get(name, {}), data.getlist(name)
            if _is_file(schema):
                files[name] = "" if len(values) == 1 else [""] * len(values)
            elif _is_file(schema.get("items", {})) or isinstance(values[0], UploadFile):
                files[name] = [""] * len(values)
            else:
                fields[name] = values
        return {**self.parser.resolve_form(fields), **files}

    async def _arguments(self, request: ConnexionRequest) -> dict[str, Any]:
        wanted = self.sanitize(self.operation.body_name(self.media_type)) in self.names
        named, every = [*self.names.named], self.names.every
        form = await request.form()
        found = _get_body_argument(
            form if wanted or isinstance(self.operation, Swagger2Operation) else None,
            operation=self.operation,
            arguments=named,
            has_kwargs=every,
            sanitize=self.sanitize,
            content_type=self.media_type,
        )
        found |= _get_file_arguments(await request.files(), named, self.schema, every)
        return {self.sanitize(name): value for name, value in found.items()}


def _is_file(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" and schema.get("format") in _FILES
