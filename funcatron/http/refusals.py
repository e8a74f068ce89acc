"""Every refusal that is not a function's own, as problem+json: connexion's, the router's, and the unforeseen.

Source: RFC 9457 (problem details), RFC 9110 (section 15.5.6: a 405 says what is allowed; 15.5.2: a 401 what to send).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.exceptions import HTTPException
from starlette.types import Scope, Send

from funcatron.errors import Problem
from funcatron.execution import new_id
from funcatron.http.respond import plain_start, problem_result
from funcatron.http.security import challenges
from funcatron.registry import Function

__all__ = ["Refusals", "Unserved", "refuse_unserved"]

logger = logging.getLogger("funcatron.http")


class Refusals:
    """connexion's error handlers; ``functions`` are all that are served, ``methods`` tells those of a path."""

    def __init__(self, functions: Mapping[str, Function], methods: Callable[[str], Collection[str]]) -> None:
        self._functions = functions
        self._methods = methods

    async def refuse(self, request: ConnexionRequest, error: HTTPException) -> ConnexionResponse:
        """Answer what connexion, starlette or a security function refuses."""
        headers = {str(name): str(value) for name, value in dict(error.headers or {}).items()}
        detail = getattr(error, "detail", None)
        if error.status_code == 405:
            headers["Allow"] = self._allow(request.scope, headers.get("Allow", ""))
            detail = f"{request.scope['method']} is not possible here; allowed are: {headers['Allow']}"
        if error.status_code == 404 and detail in (None, "Not Found"):
            detail = _nothing_at(request.scope["path"])
        if error.status_code == 401 and "www-authenticate" not in {name.lower() for name in headers}:
            headers |= self._challenge(request.scope)
        extensions = getattr(error, "ext", None)
        problem = Problem(
            error.status_code,
            getattr(error, "title", None),
            detail,
            type=getattr(error, "type", None) or "about:blank",
            headers=headers,
            **(extensions if isinstance(extensions, dict) else {}),
        )
        if error.status_code >= 500:
            self._log(request.scope, problem, None if error.status_code == 503 else error)
        return _response(problem)

    async def fail(self, request: ConnexionRequest, error: Exception) -> ConnexionResponse:
        """Answer what nobody foresaw: 500, the traceback in the log under the id that the answer names."""
        problem = Problem(500, detail="the server failed; the log has the reason under this id")
        self._log(request.scope, problem, error)
        return _response(problem)

    @staticmethod
    def _log(scope: Mapping[str, Any], problem: Problem, error: Exception | None) -> None:
        """Log under an id that the answer names; what something else is the cause of (503), without a traceback."""
        failure_id = problem.extensions["execution"] = new_id()
        what = f"{scope['method']} {scope['path']}"
        said = problem.detail or problem.title
        logger.error("%s failed: %s (execution %s)", what, said, failure_id, exc_info=error)

    def _allow(self, scope: Mapping[str, Any], known: str) -> str:
        """Return all methods of a path; the router names those of one operation only."""
        path = scope["path"].removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
        methods = set(self._methods(path))
        methods |= {method.strip() for method in known.split(",") if method.strip()}
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods))

    def _challenge(self, scope: Mapping[str, Any]) -> dict[str, str]:
        name = scope.get("extensions", {}).get(ROUTING_CONTEXT, {}).get("operation_id")
        function = self._functions.get(name) if name else None
        asked = challenges(function.operation) if function is not None else None
        return {"WWW-Authenticate": asked} if asked else {}


class Unserved:
    """Tells where certainly nothing is served, with a slash at the end or without one, whatever the method.

    ``pages`` are the paths of what is no function, ``bases`` those of documents; paths that begin as ``covered`` may be
    the Swagger UI's.
    """

    def __init__(
        self,
        methods: Callable[[str], Collection[str]],
        *,
        pages: Iterable[str],
        bases: Iterable[str],
        covered: Iterable[str],
    ) -> None:
        self._methods = methods
        self._taken = {*pages, *bases}
        self._covered = tuple(covered)

    def __contains__(self, path: str) -> bool:
        """Whether nothing is there."""
        other = path.rstrip("/") if path.endswith("/") else path + "/"
        return not (
            path.startswith(self._covered)
            or "\n" in path
            or path in self._taken
            or other in self._taken
            or self._methods(path)
            or self._methods(other)
        )


async def refuse_unserved(scope: Scope, send: Send) -> None:
    """Answer a request for a path at which nothing is served."""
    result = problem_result(Problem(404, detail=_nothing_at(scope["path"])))
    start = plain_start(result)
    assert start is not None, "a problem has a body and no headers of its own"
    await send(start)
    await send({"type": "http.response.body", "body": result.body})


def _nothing_at(path: str) -> str:
    return f"nothing is served at {path}"


def _response(problem: Problem) -> ConnexionResponse:
    result = problem_result(problem)
    return ConnexionResponse(
        status_code=result.status,
        mimetype=result.content_type,
        content_type=result.content_type,
        body=result.body,
        headers=dict(result.headers),
    )
