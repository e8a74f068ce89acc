"""One HTTP request as a call of one function: what was decoded, who calls, and how they want to be answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import URL
from starlette.types import Receive, Scope

from funcatron.http.prefer import Preferences
from funcatron.http.security import credential_names
from funcatron.invocation import Principal
from funcatron.registry import Function

__all__ = ["Call"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``arguments`` were checked; ``headers`` are in lower case, without credentials; ``receive`` still tells of a
    client that goes away.
    """

    id: str
    function: Function
    arguments: Mapping[str, Any]
    headers: Mapping[str, str]
    preferences: Preferences
    principal: Principal | None
    extras: Mapping[str, Any] = field(default_factory=dict)
    scope: Scope
    receive: Receive

    @property
    def root_path(self) -> str:
        """The path below which a proxy or an outer application mounted the server."""
        root: str = self.scope.get("root_path", "")
        return root.rstrip("/")

    @property
    def url(self) -> str:
        """The URL that was called, without its credentials."""
        keys = credential_names(self.function.operation, "query")
        return str(URL(scope=self.scope).remove_query_params(list(keys)))
