"""``context.openstack``: who is asked for a Connection, and when."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from funcatron import plugins
from funcatron.testing import application

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the plugin was asked for; it is imported when it is asked for the first time."""
    calls: list[Any] = []

    def connection_for(settings: Any, invocation: Any, *, cloud: str, trust: str | None) -> str:
        calls.append((settings.data_dir, invocation.function, cloud, trust))
        return "connection"

    module = ModuleType("clouds_test_plugin")
    module.connection_for = connection_for  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    found = plugins._found
    ours = {"openstack": EntryPoint("openstack", f"{module.__name__}:connection_for", "funcatron.connections")}
    monkeypatch.setattr(plugins, "_found", lambda group: ours if group == "funcatron.connections" else found(group))
    return calls


def app(openstack: dict[str, str] | None, root: dict[str, str] | None = None, **settings: Any) -> Any:
    def handler(context: Any) -> Any:
        return getattr(context, "openstack", None)

    spec: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {"/f": {"post": {"operationId": "f", "responses": {"200": {"description": ""}}}}},
    }
    if openstack is not None:
        spec["paths"]["/f"]["post"]["x-funcatron"] = {"openstack": openstack}
    if root is not None:
        spec["x-funcatron"] = {"openstack": root}
    return application(spec, handlers={"f": handler}, data_dir="d", **settings)


@pytest.mark.parametrize(
    ("openstack", "root", "setting", "expected"),
    [
        (None, None, "s", ("s", None)),
        ({"cloud": "c"}, None, "s", ("c", None)),
        ({"cloud": "c"}, None, None, ("c", None)),
        ({"trust": "t"}, None, "s", ("s", "t")),
        ({"trust": "t"}, {"cloud": "r"}, "s", ("r", "t")),
    ],
)
async def test_the_document_names_the_cloud_before_the_settings(
    asked: list[Any], openstack: Any, root: Any, setting: str | None, expected: tuple[str, str | None]
) -> None:
    made = app(openstack, root, cloud=setting)
    _ = made.registry
    assert asked == []
    assert (await made.invoke("f")).value == "connection"
    assert asked == [("d", "f", *expected)]


async def test_without_a_cloud_there_is_no_connection(asked: list[Any]) -> None:
    assert (await app(None).invoke("f")).value is None
    assert asked == []


async def test_a_cloud_that_is_not_there_is_the_operators_to_know(tmp_path: Any) -> None:
    (tmp_path / "clouds.yaml").write_text("clouds: {}")
    result = await app(None, cloud="none", clouds_file=str(tmp_path / "clouds.yaml")).invoke("f")
    assert result.status == 500
    assert "cannot be used" in str(result.value)
    assert "clouds.yaml" not in str(result.value)
