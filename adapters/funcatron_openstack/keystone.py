"""Keystone's tokens as a security scheme of a document.

    securitySchemes:
      keystone:
        type: apiKey
        in: header
        name: X-Auth-Token
        x-apikeyInfoFunc: funcatron_openstack.keystone.token_info
    security:
      - keystone: [member]        # every role that is named is needed

A token is validated with the service's own credentials (the cloud of the settings), whose user needs the role
``service`` or ``admin``, as every service of OpenStack does.
Source: Identity API v3, "Validate and show information for token".
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from funcatron.http.security import SETTINGS  # before connexion, which it imports without what is seldom used

# isort: split
from connexion.exceptions import Forbidden, OAuthProblem
from starlette.exceptions import HTTPException

from funcatron.errors import FuncatronError, Unavailable
from funcatron.extras import needs
from funcatron.settings import Settings, load_settings
from funcatron_openstack.credentials import Cloud, public_region
from funcatron_openstack.tokens import TokenBody, TokenValidator

with needs("openstack"):
    from keystoneauth1 import exceptions as keystone
    from keystoneauth1.plugin import AUTH_INTERFACE
    from keystoneauth1.session import Session

__all__ = ["ask_keystone", "describe", "token_info"]

logger = logging.getLogger("funcatron.keystone")

TIMEOUT = 5.0
"""Seconds for Keystone's answer to one question, where clouds.yaml has no ``api_timeout``."""
IDENTITY = {
    "service_type": "identity",
    "interface": AUTH_INTERFACE,
    "min_version": (3, 0),
    "max_version": (3, "latest"),
}
NO_TOKEN = frozenset({400, 404, 413, 414, 431})
"""What Keystone answers of what is no token, or no valid one."""


async def token_info(token: str, required_scopes: Sequence[str] = (), request: Any = None) -> dict[str, Any]:
    """Return who shows this token, and in which project with which roles (see ``describe``).

    ``required_scopes`` are roles, all of them needed. Raises what connexion answers with: 401 where the token is not
    valid, 403 where it is scoped to nothing or lacks a role, 503 where Keystone cannot be asked.
    """
    settings = (None if request is None else request.scope.get(SETTINGS)) or _settings()
    try:
        body = await _validator(Cloud.of(settings), settings.token_cache, os.getpid()).validate(token)
    except Unavailable as error:
        raise HTTPException(503, str(error), headers={"Retry-After": "1"}) from None
    except FuncatronError as error:  # what is wrong is the operator's to know
        logger.error("tokens cannot be validated: %s", error)
        raise HTTPException(503, "tokens cannot be validated", headers={"Retry-After": "30"}) from None
    if body is None:
        raise OAuthProblem(detail="the token is not valid, or not any more")
    found = describe(body)
    if not found["scope_type"]:
        raise Forbidden(detail="the token is scoped to no project, domain or system")
    held = {role.lower() for role in found["roles"]}
    if lacking := [role for role in required_scopes or () if role.lower() not in held]:
        raise Forbidden(detail=f"this needs the role {' and '.join(lacking)}, which the token does not have")
    return found


def describe(body: TokenBody) -> dict[str, Any]:
    """Return what a handler gets as ``token_info``, from the ``token`` of Keystone's answer.

    ``sub`` is the user's id; ``scope_type`` is project, domain, system or None. Ids that are not in the token are None.
    """
    user, project = body.get("user") or {}, body.get("project") or {}
    domain = project.get("domain") or body.get("domain") or {}
    scopes = ("project", "domain", "system")
    return {
        "sub": user.get("id"),
        "user_name": user.get("name"),
        "user_domain_id": (user.get("domain") or {}).get("id"),
        "project_id": project.get("id"),
        "project_name": project.get("name"),
        "domain_id": domain.get("id"),
        "scope_type": next((scope for scope in scopes if body.get(scope)), None),
        "roles": [role["name"] for role in body.get("roles") or ()],
        "expires_at": body.get("expires_at"),
        "trust_id": (body.get("OS-TRUST:trust") or {}).get("id"),
        "application_credential_id": (body.get("application_credential") or {}).get("id"),
    }


def ask_keystone(session: Session, token: str) -> TokenBody | None:
    """Return the body of a token, None where it is not valid; raises Unavailable.

    Tokens of application credentials with access rules are not valid here: Keystone shows them to services alone that
    say that they keep to such rules.
    """
    try:
        answer = session.get(
            "/auth/tokens",
            params={"nocatalog": ""},
            headers={"X-Subject-Token": token},
            endpoint_filter=IDENTITY,
            raise_exc=False,
            log=False,
        )
    except keystone.ClientException as error:
        logger.error("Keystone cannot be asked: %s: %s", type(error).__name__, error)
        raise Unavailable("Keystone does not answer") from None
    if answer.status_code in NO_TOKEN:
        return None
    if answer.status_code in (401, 403):
        logger.error("Keystone lets this service validate no tokens (%d): its user needs the role service or admin",
                     answer.status_code)  # fmt: skip
        raise Unavailable("tokens cannot be validated")
    try:
        body = answer.json()["token"] if answer.status_code in (200, 203) else None
    except (ValueError, KeyError, TypeError):
        body = None
    if not isinstance(body, Mapping):
        logger.error("Keystone answered %d, and no token", answer.status_code)
        raise Unavailable("Keystone does not answer")
    return body


@cache
def _settings() -> Settings:
    """The settings of a process whose application is not funcatron's (a plain connexion application)."""
    return load_settings()


@cache
def _validator(cloud: Cloud, keep: float, process: int) -> TokenValidator:
    """The validator of this process: threads and connections are not shared with forked children."""
    return TokenValidator(lambda token: ask_keystone(_session(cloud, process), token), keep=keep)


@cache
def _session(cloud: Cloud, process: int) -> Session:
    """What Keystone is asked by; making it reads files, so that is done in the threads that ask."""
    return public_region(cloud, TIMEOUT).get_session()
