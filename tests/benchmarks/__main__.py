"""``python -m tests.benchmarks``: funcatron beside connexion, FastAPI and Celery, as ratios measured in one run."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks.delivery.compare import compare_delivery
from tests.benchmarks.effort import FULL, QUICK
from tests.benchmarks.http.compare import compare_http
from tests.benchmarks.machine import described
from tests.benchmarks.processes import BenchmarkError
from tests.benchmarks.report import table
from tests.benchmarks.section import Section
from tests.benchmarks.uploads import compare_uploads

PARTS = {"http": compare_http, "delivery": compare_delivery, "uploads": compare_uploads}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and print it; returns 1 where a peer failed or answered wrongly."""
    options = parse(arguments)
    if sys.platform != "linux":
        print("The benchmarks read processor times from /proc: they need Linux.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="funcatron-benchmark-") as name:
        folder = Path(name)
        machine = dict(described(folder))
        print(table(["machine", ""], machine.items()), flush=True)
        report: dict[str, Any] = {"machine": machine, "sections": {}}
        try:
            for section in sections(options, folder):
                tell("")
                print(f"\n{section}", flush=True)
                report["sections"][section.key] = section.to_json()
        except BenchmarkError as error:
            print("\n".join(["", str(error), *getattr(error, "__notes__", ())]), file=sys.stderr)
            return 1
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def sections(options: argparse.Namespace, folder: Path) -> Iterator[Section]:
    effort = QUICK if options.quick else FULL
    effort = replace(effort, rounds=options.rounds or effort.rounds)
    for part, compare in PARTS.items():
        if options.only in (None, part):
            place = folder / part
            place.mkdir()
            yield from compare(effort, place, tell)


def tell(what: str) -> None:
    """Say what is being done, where someone waits at a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=list(PARTS), help="one part alone")
    parser.add_argument("--quick", action="store_true", help="tiny numbers: shows that it runs, measures nothing")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"interleaved rounds of everything ({FULL.rounds})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
