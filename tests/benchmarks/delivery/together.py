"""How long one worker process takes for many async handlers that wait at the same time: the asyncio pool."""

from __future__ import annotations

import asyncio
from pathlib import Path
from statistics import median

from funcatron.app import Funcatron
from funcatron.ports import ExecutionQuery
from funcatron.settings import load_settings
from funcatron.store.sqlite import SQLiteStore
from tests.benchmarks.delivery.submit import DOCUMENT
from tests.benchmarks.processes import python, started, wait_until

__all__ = ["MANY", "NAP", "nap", "over_ideal"]

NAP = 0.1
"""Seconds that each waits."""
MANY = 200


async def nap() -> dict[str, bool]:
    """Wait, as for an answer of somebody else's server."""
    await asyncio.sleep(NAP)
    return {"ok": True}


def over_ideal(folder: Path, rounds: int) -> float:
    """Return the seconds from the first start to the last end of MANY naps, beyond one NAP: the median of rounds."""
    return median([_span(folder / str(number)) for number in range(rounds)]) - NAP


def _span(place: Path) -> float:
    """Fill a queue, have a worker empty it, and look at the records."""
    place.mkdir()
    data = place / "data"
    asyncio.run(_submit(str(data)))
    command = python("funcatron.cli", "worker", str(DOCUMENT), "--pool", "asyncio", "--concurrency", str(MANY))
    extra = {"FUNCATRON_DATA_DIR": str(data), "FUNCATRON_LOG_LEVEL": "warning"}
    store = SQLiteStore(f"sqlite:///{data / 'funcatron.db'}")
    try:
        with started(command, folder=place, extra=extra) as worker:
            wait_until(lambda: store.counts().get("succeeded", 0) == MANY, f"{MANY} naps", worker, pause=0.2)
        records, _ = store.list(ExecutionQuery(limit=MANY))
    finally:
        store.close()
    return max(record.ended_at or 0.0 for record in records) - min(record.started_at or 0.0 for record in records)


async def _submit(data: str) -> None:
    application = Funcatron(DOCUMENT, settings=load_settings({"data_dir": data}, environ={}))
    await application.start()
    await asyncio.gather(*(application.dispatch("tests.benchmarks.delivery.together.nap", {}) for _ in range(MANY)))
    await application.stop()
