"""Everything is killed again and again, in small; ``make chaos`` does it in large."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.services import SERVER

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "broker",
    ["embedded", *(pytest.param(name, marks=pytest.mark.service) for name in ("quorum", "classic"))],
)
def test_nothing_is_lost_stuck_or_doubled(broker: str, required_in_ci: Callable[[str], NoReturn]) -> None:
    if broker != "embedded" and not SERVER.exists():
        required_in_ci("rabbitmq-server is not installed (apt-get install rabbitmq-server)")
    command = [sys.executable, "-m", "tests.integration.chaos", "--small", "--broker", broker]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "worker: " in done.stdout, "or this shows nothing"
