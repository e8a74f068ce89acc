"""Which functions are planned."""

from __future__ import annotations

from typing import Any

import pytest

from funcatron import Funcatron
from funcatron.http.plan.refusal import Refusal
from funcatron.http.plan.report import refused


def document(base_path: str) -> dict[str, Any]:
    operation = {"operationId": "f", "responses": {"200": {"description": ""}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "a", "version": "1"},
        "servers": [{"url": base_path}],
        "paths": {"/a": {"get": operation}},
    }


def functions(base_path: str = "/") -> Funcatron:
    return Funcatron(document(base_path), handlers={"f": lambda: None})


def test_all_are_planned() -> None:
    assert refused(functions().registry) == []


def test_none_is_where_connexion_is_not_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("connexion.context._scope")
    reason = "this release of connexion has no connexion.context._scope"
    assert refused(functions().registry) == [Refusal("GET", "/a", reason)]
