"""Clients that follow executions and are slow to read: what they cost a real server. ``make followers`` has 1,000."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from funcatron.http.following import INTERVAL
from tests.integration.followers import follow, serving
from tests.integration.large import MIB

CLIENTS = 50


def test_slow_clients_cost_neither_threads_nor_questions(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with serving(tmp_path, free_port()) as server:
        cost = follow(server, CLIENTS)
    assert cost.threads < 50  # those of the pool that handlers and the store are asked in, however many clients
    assert cost.asked <= cost.seconds / INTERVAL + 1  # one of them asks for all
    assert cost.memory < 32 * MIB
