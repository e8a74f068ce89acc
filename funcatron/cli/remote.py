"""Executions over HTTP, from a server's control API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from funcatron.cli.records import Filter, Outcome
from funcatron.errors import FuncatronError, TransitionError, Unavailable

__all__ = ["RemoteRecords"]

CONTROL = "/_funcatron"


class RemoteRecords:
    """The records of the server at ``url`` (its root, or where its control API is mounted)."""

    def __init__(self, url: str, token: str | None = None, *, transport: httpx.BaseTransport | None = None) -> None:
        base = url.rstrip("/")
        self._client = httpx.Client(
            base_url=base if base.endswith(CONTROL) else base + CONTROL,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=30,
            transport=transport,
        )

    def page(self, wanted: Filter, limit: int, marker: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """See Records."""
        given = {
            "function": wanted.function,
            "state": wanted.state,
            "trigger": wanted.trigger,
            "since": _rfc3339(wanted.since),
            "until": _rfc3339(wanted.until),
            "limit": limit,
            "marker": marker,
        }
        content = self._ask("GET", "/executions", {k: v for k, v in given.items() if v is not None}).json()
        return content["executions"], content["next"]

    def get(self, execution_id: str) -> dict[str, Any]:
        """See Records."""
        execution: dict[str, Any] = self._ask("GET", f"/executions/{execution_id}").json()
        return execution

    def result(self, execution_id: str) -> Outcome:
        """See Records."""
        execution = self.get(execution_id)
        if execution["ended_at"] is None:
            return Outcome(ended=False, status=202, body=b"")
        answer = self._send("GET", f"/executions/{execution_id}/result")
        return Outcome(ended=True, status=answer.status_code, body=answer.content)

    def logs(self, execution_id: str) -> list[dict[str, Any]]:
        """See Records."""
        content = self._ask("GET", f"/executions/{execution_id}/logs").json()
        lines: list[dict[str, Any]] = content["logs"]
        return lines

    def cancel(self, execution_id: str) -> dict[str, Any]:
        """See Records."""
        execution: dict[str, Any] = self._ask("POST", f"/executions/{execution_id}/cancel").json()
        return execution

    def redrive(self, execution_ids: Sequence[str]) -> Iterator[dict[str, Any] | FuncatronError]:
        """See Records."""
        for execution_id in execution_ids:
            try:
                yield self._ask("POST", f"/executions/{execution_id}/redrive").json()
            except FuncatronError as error:
                yield error

    def close(self) -> None:
        """See Records."""
        self._client.close()

    def _ask(self, method: str, path: str, params: dict[str, Any] | None = None) -> httpx.Response:
        answer = self._send(method, path, params)
        if answer.is_success:
            return answer
        raise _refusal(answer)

    def _send(self, method: str, path: str, params: dict[str, Any] | None = None) -> httpx.Response:
        try:
            return self._client.request(method, path, params=params)
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._client.base_url} does not answer: {error}") from error


def _refusal(answer: httpx.Response) -> FuncatronError:
    """Return what a refusal of the control API (problem+json) means here."""
    try:
        problem = answer.json()
        message = problem.get("detail") or problem.get("title") or answer.reason_phrase
    except (ValueError, AttributeError):
        message = f"{answer.status_code} {answer.reason_phrase}"
    if answer.status_code in (401, 403):
        return FuncatronError(f"{message}; give the server's control token with --token or FUNCATRON_CONTROL_TOKEN")
    if answer.status_code == 409:
        return TransitionError(message)
    if answer.status_code == 503:
        return Unavailable(message)
    return FuncatronError(message)


def _rfc3339(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
