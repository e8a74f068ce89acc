"""Who calls: what connexion's security functions found out, and which headers carry credentials.

connexion's SecurityMiddleware runs the ``x-...InfoFunc`` functions and leaves ``user`` and ``token_info`` in its
context. A Principal is made of that; the credential itself goes no further.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from funcatron.importing import defined_schemes
from funcatron.invocation import Principal
from funcatron.spec.operation import Operation

__all__ = ["SETTINGS", "challenges", "credential_names", "principal_of"]

SETTINGS = "funcatron.settings"
"""Where a security function that asks for the ``request`` finds the application's Settings: in its ASGI scope."""

ANONYMOUS = "anonymous"
_IDS = ("sub", "uid", "user_id", "user", "client_id", "username")
_PROJECTS = ("project_id", "project", "tenant_id", "tenant")
_ROLES = ("roles", "scope", "scopes")


def principal_of(context: Mapping[str, Any]) -> Principal | None:
    """Return who calls, from connexion's context; None where nothing was asked for or given (optional security).

    With several schemes together (AND) connexion keeps one ``token_info`` for each; they are read in turn.
    """
    token_info = context.get("token_info")
    if not isinstance(token_info, Mapping) or not token_info:
        return None
    infos = [token_info, *(item for item in token_info.values() if isinstance(item, Mapping))]
    return Principal(
        id=str(context.get("user") or _first(infos, _IDS) or ANONYMOUS),
        project_id=_text(_first(infos, _PROJECTS)),
        domain_id=_text(_first(infos, ("domain_id",))),
        roles=tuple(dict.fromkeys(role for info in infos for name in _ROLES for role in _words(info.get(name)))),
    )


def _first(infos: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Any:
    names = tuple(names)
    for info in infos:
        for name in names:
            value = info.get(name)
            if isinstance(value, Mapping):  # as Keystone has it: {"id": ..., "name": ...}
                value = value.get("id") or value.get("name")
            if isinstance(value, (str, int)) and value != "":
                return value
    return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.split()
    if not isinstance(value, (list, tuple, set, frozenset)):
        return []
    return [str(item.get("name", "")) if isinstance(item, Mapping) else str(item) for item in value]


def _schemes(operation: Operation) -> list[Mapping[str, Any]]:
    """Return the Security Scheme Objects that an operation's requirements name."""
    if not operation.security:
        return []
    defined = defined_schemes(operation.document)
    names = dict.fromkeys(name for requirement in operation.security for name in requirement)
    return [defined[name] for name in names if name in defined]


def credential_names(operation: Operation, location: str) -> frozenset[str]:
    """Return the names under which an operation's callers send their keys: in ``header`` (lower case) or ``query``."""
    names = [
        str(scheme["name"])
        for scheme in _schemes(operation)
        if scheme.get("type") == "apiKey" and scheme.get("in") == location
    ]
    return frozenset(name.lower() for name in names) if location == "header" else frozenset(names)


def challenges(operation: Operation) -> str | None:
    """Return the WWW-Authenticate of a 401 (RFC 9110 section 11.6.1), None where nothing is asked for.

    What has no scheme in HTTP (an API key, a client's certificate) is named by a word of ours, and only where nothing
    that has one would do.
    """
    realm = _quoted(operation.document.title)
    schemes = _schemes(operation)
    registered = [f"{name} realm={realm}" for scheme in schemes if (name := _registered(scheme))]
    return ", ".join(dict.fromkeys(registered or [_described(scheme, realm) for scheme in schemes])) or None


def _quoted(text: object) -> str:
    """Return a text as a quoted-string (RFC 9110 section 5.6.4) without escapes, which few readers know."""
    plain = "".join(one if " " <= one <= "~" else "?" for one in str(text))
    return '"' + plain.replace("\\", "").replace('"', "'") + '"'


def _registered(scheme: Mapping[str, Any]) -> str | None:
    match scheme.get("type"):
        case "basic":
            return "Basic"
        case "http":
            return str(scheme.get("scheme", "")).capitalize()
        case "oauth2" | "openIdConnect":
            return "Bearer"
    return "Bearer" if str(scheme.get("x-authentication-scheme", "")).lower() == "bearer" else None


def _described(scheme: Mapping[str, Any], realm: str) -> str:
    if scheme.get("type") != "apiKey":
        return f"{scheme.get('type')} realm={realm}"
    return f"ApiKey realm={realm}, in={_quoted(scheme.get('in'))}, name={_quoted(scheme.get('name'))}"
