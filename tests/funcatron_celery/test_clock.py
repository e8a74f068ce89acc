from __future__ import annotations

import threading
from typing import Any

import pytest

from funcatron.triggers import BoundTrigger
from funcatron_celery.clock import stop_all


class Stopping:
    """A trigger whose end takes until all others are about to end too."""

    kind = "test"

    def __init__(self, together: threading.Barrier) -> None:
        self._together = together
        self.stopped = False

    def stop(self) -> None:
        self._together.wait(30)
        self.stopped = True


class Broken:
    def stop(self) -> None:
        raise RuntimeError("it does not stop")


def bound(trigger: Any) -> BoundTrigger:
    return BoundTrigger(None, 0, "test", trigger, {})  # type: ignore[arg-type]


def test_triggers_are_stopped_side_by_side() -> None:
    together = threading.Barrier(20)
    triggers = [Stopping(together) for _ in range(20)]
    stop_all([bound(trigger) for trigger in triggers])
    assert all(trigger.stopped for trigger in triggers)
    stop_all([])


def test_one_that_fails_to_stop_keeps_no_other_from_it() -> None:
    last = Stopping(threading.Barrier(1))
    with pytest.raises(RuntimeError, match="does not stop"):
        stop_all([bound(Broken()), bound(last)])
    assert last.stopped
