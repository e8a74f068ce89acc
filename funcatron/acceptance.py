"""What events call is accepted here: made durable and published, or recognised as a duplicate of what is on record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from funcatron.clock import Clock
from funcatron.execution import Execution
from funcatron.ports import Dispatcher, ExecutionStore
from funcatron.records import EventCall, record_of_event

__all__ = ["Acceptance"]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Accepts calls into a store by its dispatcher; no record may be larger than ``limit`` bytes.

    Where ``submit`` or ``asubmit`` raises InvalidInput (what no record can keep) or Problem 413, nothing was accepted;
    where it raises Unavailable some may have been: whoever comes again with the same events doubles nothing.
    """

    store: ExecutionStore
    dispatcher: Dispatcher
    limit: int
    clock: Clock

    def submit(self, calls: Sequence[EventCall]) -> list[Execution]:
        """Block until all calls are durable; return their executions, those that were there already included."""
        records = self._records(calls)
        new = self.dispatcher.submit(records) if records else []
        return [record if fresh else self.existing(record) for record, fresh in zip(records, new, strict=True)]

    async def asubmit(self, calls: Sequence[EventCall]) -> list[Execution]:
        """As ``submit``, without blocking the event loop: what comes together is stored together."""
        records = self._records(calls)
        new = await asyncio.gather(*(self.dispatcher.dispatch(record) for record in records))
        return [
            record if fresh else await asyncio.to_thread(self.existing, record)
            for record, fresh in zip(records, new, strict=True)
        ]

    def existing(self, record: Execution) -> Execution:
        """Return the record that made this one a duplicate."""
        found = self.store.get(record.id)
        if found is None and record.event_source is not None and record.event_id is not None:
            found = self.store.find(
                function=record.function, event_source=record.event_source, event_id=record.event_id
            )
        return found or record

    def _records(self, calls: Sequence[EventCall]) -> list[Execution]:
        return [record_of_event(call, self.limit, now=self.clock.time()) for call in calls]
