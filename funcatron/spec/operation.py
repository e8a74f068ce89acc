"""Operations as the rest of funcatron sees them: one shape for OpenAPI 2.0, 3.0 and 3.1.

Made once, at load, by ``funcatron.spec``. Schemas are left as the document has them, with references that are local
to the document: ``funcatron.schemas`` lowers and compiles them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from funcatron.retry import RetryPolicy
from funcatron.types import Location

if TYPE_CHECKING:
    from funcatron.spec.document import Document

__all__ = ["Body", "Callback", "Extension", "Media", "Operation", "Parameter", "Reply", "TriggerBinding"]


CREDENTIALS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-auth-token",
        "x-subject-token",
        "x-service-token",
        "x-api-key",
    }
)
"""Headers that are made for credentials, in lower case."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter (OpenAPI 3.0.3 section 4.7.12), styles in the words of OpenAPI 3.

    ``style`` is form, simple, label, matrix, spaceDelimited, pipeDelimited, deepObject or, for 2.0's ``tsv``,
    tabDelimited. ``media_type`` is set where the value is serialised as ``content`` (then style does not apply).
    """

    name: str
    location: Location
    schema: Mapping[str, Any]
    required: bool = False
    style: str = "simple"
    explode: bool = False
    allow_empty: bool = False
    media_type: str | None = None
    pointer: str = ""

    @property
    def secret(self) -> bool:
        """Whether it carries a credential: a cookie, or a header made for one."""
        return self.location == "cookie" or (self.location == "header" and self.name.lower() in CREDENTIALS)


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """One media type of a body; ``schema`` is None where any content goes.

    ``encoding`` maps a property of a form to its Encoding Object.
    """

    schema: Mapping[str, Any] | None = None
    encoding: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The request body. ``name`` is the argument that it becomes (``x-body-name``, 2.0's parameter name, ``body``).

    ``content`` maps media types and ranges, as written, to what they carry. 2.0 form data is a Body with an object
    schema, and ``unpacked`` is True: connexion hands its members to a handler one by one.
    """

    name: str = "body"
    required: bool = False
    content: Mapping[str, Media] = msgspec.field(default_factory=dict)
    unpacked: bool = False
    pointer: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One response: its content by media type, and its headers' schemas (names in lower case)."""

    content: Mapping[str, Media] = msgspec.field(default_factory=dict)
    headers: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    required_headers: frozenset[str] = frozenset()


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """One callback request (OpenAPI 3.0.3 section 4.7.18): POST (or ``method``) to what ``expression`` evaluates to."""

    name: str
    expression: str
    method: str = "post"


class TriggerBinding(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``x-funcatron: triggers``: its kind, the settings under it, and where the document says so."""

    kind: str
    settings: Mapping[str, Any]
    pointer: str = ""


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """``x-funcatron`` of one operation, defaults filled in (openapi/funcatron_openapi/x-funcatron.schema.json).

    ``timeout`` in seconds; ``record`` whether a sync call is kept on record too. ``idempotency_ttl`` in seconds.
    ``cloud`` and ``trust`` are what ``openstack`` says.
    """

    mode: Literal["sync", "async"] = "sync"
    queue: str = "funcatron"
    timeout: float = 30.0
    async_timeout: float = 300.0
    retry: RetryPolicy = msgspec.field(default_factory=RetryPolicy)
    record: bool = False
    ordering: Literal["subject"] | None = None
    concurrency: int | None = None
    idempotency_ttl: float = 86400.0
    triggers: tuple[TriggerBinding, ...] = ()
    cloud: str | None = None
    trust: str | None = None


class Operation(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One function as the document describes it.

    ``name`` is the operationId as written, or one made of method and path (``get_items_item_id``); ``target`` is
    where the handler is found (``package.module.function``, the router controller in front), None where the document
    names none. ``route`` is base path and path template; None for webhooks, which no client may call.
    ``security`` is the effective requirement (the operation's or the document's).
    """

    name: str
    target: str | None
    method: str
    path: str
    route: str | None
    document: Document
    pointer: str
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    replies: Mapping[str, Reply] = msgspec.field(default_factory=dict)
    security: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    callbacks: tuple[Callback, ...] = ()
    extension: Extension = msgspec.field(default_factory=Extension)
    summary: str = ""
    tags: tuple[str, ...] = ()

    @property
    def mode(self) -> Literal["sync", "async"]:
        """How a call is answered where the caller does not say: what only events call runs later."""
        return "async" if self.route is None else self.extension.mode

    @property
    def secrets(self) -> tuple[Parameter, ...]:
        """The parameters that carry credentials: what no message and no record may hold."""
        return tuple(parameter for parameter in self.parameters if parameter.secret)

    def reply(self, status: int) -> Reply | None:
        """Return the response that describes this status: exact, then its range (``2XX``), then ``default``."""
        key = self.reply_key(status)
        return None if key is None else self.replies[key]

    def reply_key(self, status: int) -> str | None:
        """Return what the response that describes this status is called in the document."""
        keys = (str(status), f"{status // 100}XX", f"{status // 100}xx", "default")
        return next((key for key in keys if key in self.replies), None)
