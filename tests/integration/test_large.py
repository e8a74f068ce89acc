"""Bodies larger than memory should be: what they cost a real server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.large import MIB, serving, transfers


def test_a_server_does_not_grow_with_what_it_receives_and_sends(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with serving(tmp_path, 64 * MIB, free_port()) as server:
        before = server.peak()
        for name, _ in transfers(server):
            assert server.peak() < 150 * MIB, name
        assert server.peak() - before < 32 * MIB
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"large.bin", "large_app.py", "log"}
