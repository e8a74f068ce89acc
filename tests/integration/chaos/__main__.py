"""``python -m tests.integration.chaos``: all is killed again and again; nothing may be lost, stuck or doubled."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.__main__ import tell
from tests.integration.chaos.brokers import BROKERS, make_broker
from tests.integration.chaos.trial import LARGE, SMALL, run_trial
from tests.ports import free_ports


def main(arguments: Sequence[str] | None = None) -> int:
    """Try each broker that is asked for, print what came of it; returns 1 where anything is not as promised."""
    options = parse(arguments)
    effort = SMALL if options.small else LARGE
    effort = replace(effort, calls=options.calls or effort.calls, rate=options.rate or effort.rate)
    port = free_ports()
    wrong: list[str] = []
    for name in options.broker or BROKERS:
        folder = Path(tempfile.mkdtemp(prefix=f"funcatron-chaos-{name}-"))
        verdict = run_trial(make_broker(name, port), effort, folder, port(), tell)
        tell("")
        print(f"{verdict}\n", flush=True)
        if verdict.wrong:
            print(f"Logs and store are kept in {folder}")
        else:
            shutil.rmtree(folder)
        wrong += [f"{name}: {what}" for what in verdict.wrong]
    print("\n".join(wrong) or "Nothing was lost, stuck or doubled.")
    return 1 if wrong else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.integration.chaos", description=__doc__)
    parser.add_argument("--broker", choices=BROKERS, action="append", help="this one alone (may be given again)")
    parser.add_argument("--small", action="store_true", help="as small as in CI")
    parser.add_argument("--calls", type=int, metavar="N", help=f"executions on each broker ({LARGE.calls})")
    parser.add_argument("--rate", type=float, metavar="N", help=f"calls a second ({LARGE.rate:g})")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
