"""Whose executions: who shows the token of a project (Keystone's) has that project's, an admin has all by asking.

Only where the setting ``control_keystone`` says so. What is another project's is as if it were not there (404).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connexion.lifecycle import ConnexionRequest
from connexion.security import NO_VALUE

from funcatron import plugins
from funcatron.errors import Problem
from funcatron.execution import Execution
from funcatron.http.access import OPERATOR
from funcatron.http.call import Call
from funcatron.settings import Settings

__all__ = ["ProjectToken", "Reach", "reach_of"]

ADMIN = "admin"
WRITERS = frozenset({"member", "manager", ADMIN})
"""Roles that may cancel and redrive; a reader may look."""


class ProjectToken:
    """connexion's security handler for the scheme ``keystone`` of the control API."""

    def __init__(self, settings: Settings) -> None:
        self._enabled = settings.control_keystone
        self._token_info = plugins.load("funcatron.identities", "keystone") if self._enabled else None

    def __call__(self) -> ProjectToken:
        """Return the handler itself: it keeps nothing of a request."""
        return self

    def get_fn(self, _scheme: Mapping[str, Any], _scopes: list[str]) -> Callable[[ConnexionRequest], Any]:
        """Return the function that verifies a request (connexion's protocol)."""
        return self.verify

    async def verify(self, request: ConnexionRequest) -> Any:
        """Return the token's info, or connexion's NO_VALUE; raises for a token that is not valid."""
        token = request.headers.get("x-auth-token")
        if self._token_info is None or token is None:
            return NO_VALUE
        return await self._token_info(token, required_scopes=[], request=request)


@dataclass(frozen=True, slots=True)
class Reach:
    """What of the records a caller may see: those of ``project_id``, or all where that is None; ``changes`` tells
    whether they may cancel and redrive them.
    """

    project_id: str | None
    changes: bool

    def covers(self, execution: Execution) -> bool:
        """Whether an execution is among them."""
        return self.project_id is None or execution.project_id == self.project_id

    def narrowed(self, project_id: str | None) -> str | None:
        """Return the project to list, None for all, where ``project_id`` was asked for; raises Problem 403."""
        if self.project_id is not None and project_id not in (None, self.project_id):
            raise Problem(403, detail="these are another project's executions")
        return project_id or self.project_id


def reach_of(call: Call, *, all_projects: bool) -> Reach | None:
    """Return what the caller of the control API reaches, None for one who showed nothing. Raises Problem 403."""
    shown = call.extras.get("token_info")
    if not shown:
        return None
    if shown is OPERATOR:
        return Reach(None, changes=True)
    principal = call.principal
    roles = {role.lower() for role in principal.roles} if principal is not None else set()
    if all_projects:
        if ADMIN not in roles:
            raise Problem(403, detail="the executions of all projects are shown to the role admin alone")
        return Reach(None, changes=True)
    if principal is None or principal.project_id is None:
        raise Problem(403, detail="the token is of no project")
    return Reach(principal.project_id, changes=not roles.isdisjoint(WRITERS))
