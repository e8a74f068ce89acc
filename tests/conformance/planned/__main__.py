"""The large fuzz: ``python -m tests.conformance.planned [REQUESTS [SEED]]``; prints what was compared."""

from __future__ import annotations

import asyncio
import logging
import sys

from tests.conformance.planned.compare import Compared, Mismatch, compare

PER_DOCUMENT = 400


async def main(requests: int, seed: int) -> int:
    into, mismatches = Compared(), 0
    while into.requests < requests and mismatches < 10:
        try:
            await compare(seed, PER_DOCUMENT, into)
        except Mismatch as mismatch:
            mismatches += 1
            print(mismatch, file=sys.stderr)
        seed += 1
    print(into, f"mismatches={mismatches}")
    return 1 if mismatches else 0


if __name__ == "__main__":
    logging.disable()
    requests, seed = [*map(int, sys.argv[1:]), 200_000, 0][:2] if len(sys.argv) != 2 else (int(sys.argv[1]), 0)
    sys.exit(asyncio.run(main(requests, seed)))
