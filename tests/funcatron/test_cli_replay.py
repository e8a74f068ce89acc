from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from funcatron.cli import main

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/double": {
            "post": {
                "operationId": "replayed_handlers.double",
                "parameters": [{"name": "n", "in": "query", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "replayed_handlers.py").write_text("def double(n):\n    return {'n': 2 * n}\n")
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("replayed_handlers", None)


def record(n: int, result: int, **more: object) -> str:
    said = {"id": f"id-{n}", "function": "replayed_handlers.double", "trigger": "async", "state": "succeeded"}
    return json.dumps({**said, "input": {"n": n}, "result": {"n": result}, "problem": None, **more})


def replay(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_what_came_to_the_same(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "good.jsonl").write_text(record(1, 2) + "\n" + record(2, 4))
    assert replay("good.jsonl") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"same  replayed_handlers.double  id-{n}  succeeded" for n in (1, 2)]
    assert "2 calls, 2 as recorded" in err
    assert not (project / ".funcatron").exists()


def test_what_differs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "bad.jsonl").write_text(record(1, 2) + "\n" + record(2, 5))
    assert replay("bad.jsonl", "--spec", "openapi.json", "--door", "http") == 1
    out, _ = capsys.readouterr()
    assert out.splitlines()[1:] == [
        "differs  replayed_handlers.double  id-2  succeeded",
        "    /result/n: was 5, is 4",
    ]
    assert replay("bad.jsonl", "--json") == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["ok"], first["differences"]) == (True, [])
    assert second["differences"] == [{"pointer": "/result/n", "then": 5, "now": 4}]
    assert second["place"] == "bad.jsonl:2"


def test_a_failure_with_nothing_to_compare_is_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "open.jsonl").write_text(record(1, 2, state="queued", input={"n": "***"}))
    assert replay("open.jsonl") == 1
    out, _ = capsys.readouterr()
    assert "Invalid" in out
    assert "redacted" in out


def test_what_cannot_be_replayed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "x.jsonl").write_text(record(1, 2, function="nobody"))
    assert replay("x.jsonl") == 1
    assert "x.jsonl: no function is called 'nobody'" in capsys.readouterr().err
    (project / "openapi.json").unlink()
    assert replay("x.jsonl") == 2
    assert "name a document with --spec" in capsys.readouterr().err
