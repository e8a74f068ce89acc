from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from funcatron import plugins
from funcatron.errors import FuncatronError
from funcatron.triggers import EventTrigger


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A distribution with plugins of a group of its own, on the path as pip would leave it; yields the group."""
    info = tmp_path / "kinds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kinds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tests.kinds]\ngood = kinds_of_ours:Good\nbad = kinds_of_ours:Absent\ngone = kinds_nowhere:X\n"
    )
    (tmp_path / "kinds_of_ours.py").write_text("class Good: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins._found.cache_clear()
    yield "tests.kinds"
    sys.modules.pop("kinds_of_ours", None)
    plugins._found.cache_clear()


def test_our_own_are_found() -> None:
    assert {"event", "queue", "schedule"} <= {*plugins.names("funcatron.triggers")}
    assert plugins.load("funcatron.triggers", "event") is EventTrigger


def test_a_plugin_is_imported_when_it_is_loaded(installed: str) -> None:
    assert plugins.names(installed) == ["bad", "gone", "good"]
    assert "kinds_of_ours" not in sys.modules
    assert plugins.load(installed, "good").__name__ == "Good"


def test_an_unknown_one_is_refused_with_those_there_are(installed: str) -> None:
    with pytest.raises(FuncatronError, match=r"no plugin 'odd' in tests\.kinds; installed are: bad, gone, good"):
        plugins.load(installed, "odd")
    with pytest.raises(FuncatronError, match="installed are: none"):
        plugins.load("tests.nothing", "odd")


@pytest.mark.parametrize(("name", "reason"), [("bad", "Absent"), ("gone", "kinds_nowhere")])
def test_one_that_does_not_import_says_why(installed: str, name: str, reason: str) -> None:
    with pytest.raises(FuncatronError, match=f"the plugin '{name}' of tests.kinds .* cannot be loaded: .*{reason}"):
        plugins.load(installed, name)


def test_what_pip_knows_is_what_we_know() -> None:
    declared = importlib.metadata.entry_points(group="funcatron.stores")
    assert plugins.names("funcatron.stores") == sorted(point.name for point in declared)
