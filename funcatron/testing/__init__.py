"""A test kit: an application with every door in one process, on a clock that the test moves.

::

    from funcatron.testing import Bench

    def test_a_letter_is_written_again_until_it_is_done():
        with Bench("openapi.yaml") as bench:
            accepted = bench.later.post("/letters", json={"to": "Ada"})
            bench.run()
            bench.advance(minutes=5)
            assert bench.result(accepted).json() == {"letter": "Dear Ada"}

``assert_same_on_every_door`` calls a function through every door and fails where they differ; ``replay`` runs what was
recorded again. For pytest there are fixtures: see docs/testing.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from funcatron.testing.bench import Bench
    from funcatron.testing.clock import VirtualClock
    from funcatron.testing.doors import Outcome
    from funcatron.testing.sameness import DOORS, Recorder, application, assert_same_on_every_door

__all__ = ["DOORS", "Bench", "Outcome", "Recorder", "VirtualClock", "application", "assert_same_on_every_door"]

_HOMES = {
    "DOORS": "sameness",
    "Bench": "bench",
    "Outcome": "doors",
    "Recorder": "sameness",
    "VirtualClock": "clock",
    "application": "sameness",
    "assert_same_on_every_door": "sameness",
}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used: pytest imports this package in every run."""
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'funcatron.testing' has no attribute {name!r}") from None
    value = getattr(import_module(f"funcatron.testing.{home}"), name)
    globals()[name] = value
    return value
