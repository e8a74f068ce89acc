"""Fixtures for pytest. Nothing of funcatron is loaded before a test asks for one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from funcatron.app import Funcatron
    from funcatron.testing.bench import Bench
    from funcatron.testing.clients import CeleryClient, EventClient, ObjectClient, QueueClient
    from funcatron.testing.clock import VirtualClock
    from funcatron.testing.replay import Replayed
    from funcatron.testing.webhooks import WebhookClient

DOCUMENTS = ("openapi.yaml", "openapi.yml", "openapi.json")
"""What is looked for where the settings name no document."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``funcatron_spec`` to pytest's settings."""
    parser.addini("funcatron_spec", "OpenAPI documents under test, from pytest's root folder", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers", "funcatron(*specs, **options): the documents of this test, and options of funcatron.testing.Bench"
    )


@pytest.fixture
def funcatron_spec(pytestconfig: pytest.Config) -> Any:
    """What is under test: documents (one or a list), or a Funcatron. Override it in a conftest.py for another one."""
    root = pytestconfig.rootpath
    named = [name if "://" in name else root / name for name in pytestconfig.getini("funcatron_spec")]
    found = named or [root / name for name in DOCUMENTS if (root / name).is_file()][:1]
    if not found:
        pytest.fail(
            f"there is no {DOCUMENTS[0]} in {root}: name your documents in pytest's setting funcatron_spec, "
            "or override the fixture funcatron_spec",
            pytrace=False,
        )
    return found


@pytest.fixture
def funcatron_options() -> dict[str, Any]:
    """Options of ``funcatron.testing.Bench``, such as services. Override it in a conftest.py."""
    return {}


@pytest.fixture
def funcatron_bench(request: pytest.FixtureRequest, funcatron_options: dict[str, Any]) -> Iterator[Bench]:
    """A ``funcatron.testing.Bench``, new for each test."""
    from funcatron.testing.bench import Bench

    marker = request.node.get_closest_marker("funcatron")
    given = marker.kwargs if marker is not None else {}
    specs: Any = marker.args if marker is not None and marker.args else request.getfixturevalue("funcatron_spec")
    listed = list(specs) if isinstance(specs, list | tuple) else [specs]
    with Bench(*listed, **{**funcatron_options, **given}) as bench:
        yield bench


@pytest.fixture
def funcatron_app(funcatron_bench: Bench) -> Funcatron:
    """The Funcatron of the test, its store in memory."""
    return funcatron_bench.app


@pytest.fixture
def funcatron_clock(funcatron_bench: Bench) -> VirtualClock:
    """The clock of the test."""
    return funcatron_bench.clock


@pytest.fixture
def funcatron_http(funcatron_bench: Bench) -> httpx.Client:
    """An HTTP client."""
    return funcatron_bench.http


@pytest.fixture
def funcatron_later(funcatron_bench: Bench) -> httpx.Client:
    """An HTTP client that asks to be answered later."""
    return funcatron_bench.later


@pytest.fixture
def funcatron_celery(funcatron_bench: Bench) -> CeleryClient:
    """A Celery client."""
    return funcatron_bench.celery


@pytest.fixture
def funcatron_queue(funcatron_bench: Bench) -> QueueClient:
    """A producer of messages."""
    return funcatron_bench.queue


@pytest.fixture
def funcatron_events(funcatron_bench: Bench) -> EventClient:
    """Whoever posts CloudEvents."""
    return funcatron_bench.events


@pytest.fixture
def funcatron_swift(funcatron_bench: Bench) -> ObjectClient:
    """Whoever changes objects in Swift."""
    return funcatron_bench.swift


@pytest.fixture
def funcatron_webhooks(funcatron_bench: Bench) -> WebhookClient:
    """Whoever posts to webhooks."""
    return funcatron_bench.webhooks


@pytest.fixture
def funcatron_replay(funcatron_bench: Bench, request: pytest.FixtureRequest) -> Callable[[str], list[Replayed]]:
    """A function that replays a file of recorded executions and events, its path from the test's folder."""

    def replay_file(path: str) -> list[Replayed]:
        return funcatron_bench.replay(Path(request.path).parent / path)

    return replay_file
