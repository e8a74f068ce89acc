"""Executions from the store itself, whether or not a server runs."""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from funcatron import plugins
from funcatron.cli.records import Filter, Outcome
from funcatron.codec import encode_json
from funcatron.errors import FuncatronError, Unavailable
from funcatron.execution import Attempt, Execution, rfc3339
from funcatron.ports import Dispatcher, ExecutionQuery, ExecutionStore
from funcatron.redact import redact_record
from funcatron.settings import Settings

__all__ = ["StoredRecords"]

logger = logging.getLogger("funcatron.executions")

BATCH = 100
"""Executions that are published together."""


class StoredRecords:
    """The records in the store that the settings name; what is shown is redacted as the control API redacts."""

    def __init__(
        self, settings: Settings, *, store: ExecutionStore | None = None, dispatcher: Dispatcher | None = None
    ) -> None:
        self._settings = settings
        self._given_dispatcher = dispatcher
        self._store = store or _open(settings.store_url)

    @cached_property
    def _dispatcher(self) -> Dispatcher:
        if self._given_dispatcher is not None:
            return self._given_dispatcher
        scheme = self._settings.broker_url.partition(":")[0]
        made: Dispatcher = plugins.load("funcatron.dispatchers", scheme)(self._settings, self._store)
        made.start()
        return made

    def page(self, wanted: Filter, limit: int, marker: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """See Records."""
        query = ExecutionQuery(
            function=wanted.function,
            state=wanted.state,
            trigger=wanted.trigger,
            since=wanted.since,
            until=wanted.until,
            limit=limit,
            marker=marker,
        )
        executions, following = self._store.list(query)
        return [self._show(execution) for execution in executions], following

    def get(self, execution_id: str) -> dict[str, Any]:
        """See Records."""
        execution = self._found(execution_id, self._store.get(execution_id))
        return self._show(execution, self._store.attempts(execution_id))

    def result(self, execution_id: str) -> Outcome:
        """See Records."""
        execution = self._found(execution_id, self._store.get(execution_id))
        if not execution.ended:
            return Outcome(ended=False, status=202, body=b"")
        kept = execution.result
        if kept is None:
            problem = execution.problem or {"title": execution.state, "status": 500}
            return Outcome(ended=True, status=problem.get("status", 500), body=encode_json(problem))
        if kept.base64 is not None:
            return Outcome(ended=True, status=kept.status, body=b64decode(kept.base64))
        empty = kept.body is None and kept.content_type is None
        return Outcome(ended=True, status=kept.status, body=b"" if empty else encode_json(kept.body))

    def logs(self, execution_id: str) -> list[dict[str, Any]]:
        """See Records."""
        self._found(execution_id, self._store.get(execution_id))
        return [{**msgspec.to_builtins(line), "time": rfc3339(line.time)} for line in self._store.logs(execution_id)]

    def cancel(self, execution_id: str) -> dict[str, Any]:
        """See Records."""
        execution = self._found(execution_id, self._store.cancel(execution_id))
        self._dispatcher.withdraw(execution_id)
        return self._show(execution)

    def redrive(self, execution_ids: Sequence[str]) -> Iterator[dict[str, Any] | FuncatronError]:
        """See Records. Where the broker is out of reach they are queued all the same, and published by the sweep."""
        for start in range(0, len(execution_ids), BATCH):
            outcomes = [self._redriven(execution_id) for execution_id in execution_ids[start : start + BATCH]]
            queued = [outcome for outcome in outcomes if isinstance(outcome, Execution)]
            try:
                if queued:
                    self._dispatcher.republish(queued)
            except Unavailable as error:
                logger.warning("%d executions are queued, and published when that can be: %s", len(queued), error)
            for outcome in outcomes:
                yield self._show(outcome) if isinstance(outcome, Execution) else outcome

    def _redriven(self, execution_id: str) -> Execution | FuncatronError:
        try:
            return self._found(execution_id, self._store.redrive(execution_id))
        except FuncatronError as error:
            return error

    def close(self) -> None:
        """See Records."""
        if "_dispatcher" in self.__dict__:
            self._dispatcher.stop()
        self._store.close()

    def _show(self, execution: Execution, history: Sequence[Attempt] | None = None) -> dict[str, Any]:
        shown = execution.to_json()
        if history is not None:
            shown["history"] = [attempt.to_json() for attempt in history]
        return redact_record(shown, self._settings.redact)

    @staticmethod
    def _found(execution_id: str, execution: Execution | None) -> Execution:
        if execution is None:
            raise FuncatronError(f"there is no execution {execution_id}")
        return execution


def _open(url: str) -> ExecutionStore:
    """Open the store; a file that is not there is not made, since nobody has kept anything in it."""
    if url.startswith("sqlite:///") and not (file := Path(url.removeprefix("sqlite:///"))).exists():
        raise FuncatronError(f"there is no store at {file}; say where it is with --data-dir, --store or --url")
    made: ExecutionStore = plugins.load("funcatron.stores", url.partition(":")[0])(url)
    return made
