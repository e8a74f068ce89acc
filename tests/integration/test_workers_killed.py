"""Nothing that was accepted is lost, and nothing runs twice unseen, while workers are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

Site = Any


@pytest.mark.slow
def test_two_thousand_calls_survive_workers_killed_every_second(site: Site, until: Callable[..., Any]) -> None:
    count = 2000
    site.start("run", "--workers", "2")
    killed = 0

    async def accept() -> list[str]:
        gate = asyncio.Semaphore(16)
        limits = httpx.Limits(max_connections=16)

        async with httpx.AsyncClient(base_url=site.url, limits=limits, timeout=20) as client:

            async def one(n: int) -> str:
                async with gate:
                    answer = await client.post("/note", json={"n": n, "sleep": 0.002})
                    assert answer.status_code == 202
                    return str(answer.json()["id"])

            return list(await asyncio.gather(*(one(n) for n in range(count))))

    async def kill() -> None:
        nonlocal killed
        while True:
            await asyncio.sleep(1.0)
            for worker in site.children("worker"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed += 1

    async def main() -> list[str]:
        killing = asyncio.create_task(kill())
        ids = await accept()
        end = time.monotonic() + 120
        while site.states()["succeeded"] < count and time.monotonic() < end:
            await asyncio.sleep(0.1)
        killing.cancel()
        return ids

    ids = asyncio.run(main())
    records = {record.id: record for record in site.all()}
    assert sorted(ids) == sorted(records)
    assert Counter(record.state for record in records.values()) == {"succeeded": count}
    assert killed >= 4
    runs = Counter(trace["id"] for trace in site.traces())
    assert set(runs) == set(ids), "every one has run"
    unseen = {each: runs[each] for each in ids if runs[each] > records[each].attempt}
    assert unseen == {}, "who runs twice says so: attempt counts every start"
    numbers = [(trace["id"], trace["attempt"]) for trace in site.traces()]
    assert len(numbers) == len(set(numbers)), "no attempt is made twice"
