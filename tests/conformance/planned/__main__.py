"""The large fuzz (``make fuzz``): ``python -m tests.conformance.planned [--requests N] [--seed S]``.

Prints its seed and its progress. What differs is made small and printed as a program that shows it again; the fuzz goes
on, up to ``--mismatches``. Ends with 1 if anything differed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import warnings
from collections import Counter

from funcatron.errors import FuncatronError
from tests.conformance.planned.compare import Compared, Mismatch, compare
from tests.conformance.planned.corpus import cases, everything
from tests.conformance.planned.replay import smaller, snippet

PER_DOCUMENT = 200


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description="Planned against unplanned, over random documents and requests.")
    parser.add_argument("--requests", type=int, default=200_000, help="how many, at least (200000)")
    parser.add_argument("--seed", type=int, default=None, help="to see the same again; default: another one each time")
    parser.add_argument("--mismatches", type=int, default=10, help="give up after so many (10)")
    given = parser.parse_args()
    seed = random.randrange(10**9) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    return asyncio.run(fuzz(seed, given.requests, given.mismatches))


async def fuzz(seed: int, requests: int, most: int) -> int:
    """Compare until there were enough requests, or too many mismatches; return the exit code."""
    into, mismatches, refused = Compared(), 0, 0
    for pair, api, number in cases(seed, everything(seed)):
        try:
            await compare(pair, api, number, PER_DOCUMENT, into)
        except FuncatronError:
            refused += 1
        except Mismatch as mismatch:
            mismatches += 1
            found = await smaller(mismatch)
            print(f"\n{found}\n\n{snippet(found)}\n", flush=True)
        _progress(into, mismatches, end="\r" if sys.stdout.isatty() else "\n")
        if into.requests >= requests or mismatches >= most:
            break
    print(f"\nseed {seed}: {into.requests} requests to {len(into.names)} documents, {mismatches} mismatches")
    print(f"{into.planned} planned, {into.accepted} accepted; {refused} times funcatron refused a document")
    for what, counted in (("pairs", into.pairs), ("sources", _sources(into.names)), ("kinds", into.kinds)):
        print(f"{what}: " + ", ".join(f"{name} {number}" for name, number in sorted(counted.items())))
    print(f"statuses: {dict(sorted(into.statuses.items()))}\nnot planned: {dict(into.refused.most_common())}")
    return 1 if mismatches else 0


def _sources(names: set[str]) -> Counter[str]:
    """How many of the documents are whose."""
    ours = ("random", "drawn")
    return Counter(next((one for one in ours if name.startswith(one)), "others'") for name in names)


def _progress(into: Compared, mismatches: int, *, end: str) -> None:
    if end == "\r" or into.documents % 25 == 0:
        done = (
            f"{into.requests} requests, {into.documents} documents, {into.planned / max(1, into.requests):.0%} planned"
        )
        print(f"{done}, {mismatches} mismatches", end=end, flush=True)


if __name__ == "__main__":
    logging.disable()
    warnings.simplefilter("ignore")  # connexion leaves files open that nobody took, and coroutines that nobody awaited
    sys.exit(main())
