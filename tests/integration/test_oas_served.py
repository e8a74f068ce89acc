"""Every valid document of others is served: each operation is called over HTTP, with a handler that takes anything."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from funcatron.app import Funcatron
from funcatron.cli.sample import sample
from funcatron.registry import Function
from funcatron.testing import application
from funcatron.testing.doors import HTTPDoor
from tests.integration.oas_examples import REFUSED, documents

pytestmark = pytest.mark.no_cover  # much work, the same code again and again


def generic(**arguments: Any) -> dict[str, list[str]]:
    return {"given": sorted(arguments)}


def sample_arguments(function: Function) -> dict[str, Any]:
    """What the document itself says a call may look like: its required parameters, and its body if it is JSON."""
    operation = function.operation
    arguments = {p.name: sample(operation.document, p.schema) for p in operation.parameters if p.required}
    if operation.body is not None and (media := operation.body.content.get("application/json")):
        arguments["body"] = sample(operation.document, media.schema)
    return arguments


async def call_all(app: Funcatron) -> Counter[int]:
    statuses: Counter[int] = Counter()
    for function in app.registry:
        if function.operation.route is not None:
            answer = await HTTPDoor().send(app, function, sample_arguments(function))
            assert answer.status_code in (200, 400, 401, 403), (function.name, answer.status_code, answer.text)
            if answer.status_code == 200 and answer.content:
                assert "given" in answer.json()
            statuses[answer.status_code] += 1
    return statuses


def test_every_operation_is_served(package: Path) -> None:
    total: Counter[int] = Counter()
    for name in documents(package):
        if name not in REFUSED:
            app = application(package / name, handlers=lambda _: generic, validate_responses=False)
            total += asyncio.run(call_all(app))
    assert total[200] > 700  # 401: a security scheme for which no function is given; 400: samples that do not fit
    assert total[400] < 0.1 * total.total()
