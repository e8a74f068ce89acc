"""Submits no-ops at an even pace: ``python -m tests.benchmarks.delivery.pace WAY COUNT RATE``.

Writes a JSON array: for each no-op, in order, the ``time.monotonic_ns`` just before it was submitted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from tests.benchmarks.delivery.submit import WAYS


async def submit_at_pace(way: str, count: int, rate: float) -> list[int]:
    began: list[int] = []
    async with WAYS[way]() as submit:
        await submit(-1)
        start = time.monotonic()
        for seq in range(count):
            await asyncio.sleep(max(0.0, start + seq / rate - time.monotonic()))
            began.append(time.monotonic_ns())
            await submit(seq)
    return began


if __name__ == "__main__":
    print(json.dumps(asyncio.run(submit_at_pace(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
