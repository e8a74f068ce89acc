"""The shop's processes: drained, restarted, several of a kind, in parts."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.running import SHOP, Program, ShopInParts, ask, running, until


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


def fulfil(shop: Program, lines: int) -> str:
    order = {"customer": "ada@example.com", "lines": [{"sku": "TEA-001", "quantity": 1}] * lines}
    made = shop.http.post("/shop/orders", json=order)
    assert made.status_code == 201, made.text
    accepted = shop.http.post(f"{made.headers['location']}/fulfilment", json={"carrier": "post"})
    assert accepted.status_code == 202, accepted.text
    identity: str = accepted.json()["id"]
    return identity


def test_in_parts(shop_in_parts: ShopInParts) -> None:
    parts = shop_in_parts
    for process in (parts.http, parts.worker, *parts.clocks):
        assert len(process.children()) == 1
    identity = fulfil(parts.http, 1)
    assert parts.http.ended(identity)["state"] == "succeeded"
    assert "picking 1 x TEA-001" in parts.worker.output()


def test_drained_and_started_again_nothing_is_lost(folder: Path, free_port: Callable[[], int]) -> None:
    with running("run", SHOP, folder=folder, port=free_port()) as shop:
        ids = [fulfil(shop, lines) for lines in (4, 1, 1, 1, 1)]
        until(lambda: shop.execution(ids[0])["progress"], "the first to run")
        assert "Traceback" not in shop.drain()

    with running("run", SHOP, "--workers", "0", folder=folder, port=free_port()) as shop:
        states = [shop.execution(identity)["state"] for identity in ids]
        assert states == ["succeeded", "queued", "queued", "queued", "queued"], "what ran has ended, the rest waits"
        ids += [shop.http.post("/shop/prices/import").json()["id"] for _ in range(20)]
        assert "Traceback" not in shop.drain()

    with running("run", SHOP, folder=folder, port=free_port()) as shop:
        records = [shop.ended(identity) for identity in ids]
        assert {(record["state"], record["attempt"]) for record in records} == {("succeeded", 1)}
        for record in records[:5]:
            order = shop.http.get(f"/shop/orders/{record['result']['order']}").json()
            assert (order["state"], order["tracking"]) == ("shipped", record["result"]["tracking"])
        assert "Traceback" not in shop.drain()


def test_who_waits_while_it_is_drained_is_answered(folder: Path, free_port: Callable[[], int]) -> None:
    with running("run", SHOP, folder=folder, port=free_port()) as shop, ThreadPoolExecutor(1) as pool:
        order = {"customer": "ada@example.com", "lines": [{"sku": "TEA-001", "quantity": 1}] * 4}
        place = shop.http.post("/shop/orders", json=order).headers["location"] + "/fulfilment"
        waiting = pool.submit(shop.http.post, place, json={"carrier": "drone"}, headers={"Prefer": "wait=30"})
        until(lambda: "picking" in shop.output(), "the execution to run")
        assert "Traceback" not in shop.drain()
        answer = waiting.result(60)
        assert (answer.status_code, answer.json()["carrier"]) == (200, "drone")


def test_two_of_each(folder: Path, free_port: Callable[[], int]) -> None:
    arguments = (SHOP, "--processes", "2", "--workers", "2", "--log-level", "debug")
    with running("run", *arguments, folder=folder, port=free_port()) as shop:
        assert "2 for HTTP, 2 for work, 1 for triggers and the clock" in shop.output()
        assert len(shop.children()) == 5
        busy = [fulfil(shop, 4) for _ in range(2)]
        workers = until(
            lambda: (found := {shop.execution(identity)["worker"] for identity in busy} - {None})
            and len(found) == 2 and found,
            "both workers to work",
        )  # fmt: skip
        assert len(workers) == 2

        def call(number: int) -> str:
            answer = ask("POST", f"{shop.url}/shop/prices/import", params={"full": number % 2 == 0})
            assert answer.status_code == 202, answer.text
            identity: str = answer.json()["id"]
            return identity

        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(call, range(100)))
        assert len(set(ids)) == 100
        assert Counter(shop.ended(identity)["state"] for identity in [*busy, *ids]) == {"succeeded": 102}

        first, second = (int(pid) for pid in re.findall(r"http-\d is process (\d+)", shop.output()))
        assert {first, second} < set(shop.children())
        os.kill(first, signal.SIGKILL)
        until(lambda: first not in shop.children(), "the end of an HTTP process")
        assert ask("GET", f"{shop.url}/shop/items/TEA-001").status_code == 200
        until(lambda: len(re.findall(r"http-\d is process", shop.output())) == 3, "another in its place")
