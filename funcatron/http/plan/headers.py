"""Parameters in headers and cookies: connexion checks them, as texts, and does not hand them to handlers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from connexion.utils import is_null
from starlette.requests import cookie_parser
from starlette.types import Scope

from funcatron.http.plan.declared import Declared, Parameter
from funcatron.http.plan.scalars import Cast, cast_of
from funcatron.http.plan.schema import Accepts, Dialects, acceptor

__all__ = ["Headers", "header_parameters"]

RawHeaders = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Text:
    """One header or cookie."""

    name: str
    required: bool
    nullable: bool
    accepts: Accepts
    cast: Cast | None

    def judge(self, text: str | None) -> bool:
        """Whether connexion accepts it; None if it is not there."""
        if self.nullable and is_null(text):
            return True
        if text is None:
            return not self.required
        return self.accepts(text if self.cast is None else self.cast(text))


class Headers:
    """Checks an operation's headers and cookies."""

    __slots__ = ("_cookies", "_headers")

    def __init__(self, headers: Sequence[Text], cookies: Sequence[Text]) -> None:
        self._headers = tuple((header.name.lower().encode("latin-1"), header) for header in headers)
        self._cookies = tuple(cookies)

    def __bool__(self) -> bool:
        return bool(self._headers or self._cookies)

    def read(self, scope: Scope, texts: dict[str, Any], arguments: dict[str, Any]) -> bool:
        """Whether connexion accepts them all; none becomes an argument."""
        raw: RawHeaders = scope["headers"]
        for wanted, header in self._headers:
            found = next((value for name, value in raw if name == wanted), None)
            if not header.judge(None if found is None else found.decode("latin-1")):
                return False
        if not self._cookies:
            return True
        cookies: dict[str, str] = {}
        for name, value in raw:
            if name == b"cookie":
                cookies.update(cookie_parser(value.decode("latin-1")))
        return all(cookie.judge(cookies.get(cookie.name)) for cookie in self._cookies)


def header_parameters(declared: Declared) -> Headers:
    """Compile an operation's headers and cookies."""
    return Headers(
        [_text(parameter, declared.dialects) for parameter in declared.of("header")],
        [_text(parameter, declared.dialects) for parameter in declared.of("cookie")],
    )


def _text(parameter: Parameter, dialects: Dialects) -> Text:
    accepts = acceptor(parameter.schema, dialects.parameters)
    typed = dialects.corrected and parameter.schema["type"] in ("integer", "number", "boolean")
    cast = cast_of(parameter.schema) if typed else None
    return Text(parameter.name, parameter.required, parameter.nullable, accepts, cast)
