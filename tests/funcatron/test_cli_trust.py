"""``funcatron trust`` on the command line. (With the real Keystone: tests/integration.)"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from funcatron import plugins
from funcatron.cli import main
from funcatron.errors import FuncatronError

TRUST = {
    "id": "t1",
    "project_id": "p",
    "trustor_user_id": "me",
    "trustee_user_id": "you",
    "expires_at": None,
    "roles": ["member", "reader"],
}


ROLES = ("--role", "member", "--role", "reader")


class Trusts:
    """Keeps what it is asked for."""

    asked: list[Any] = []

    def __init__(self, settings: Any) -> None:
        self.cloud = settings.cloud

    def user_id(self, cloud: str) -> str:
        return f"user of {cloud}"

    def create(self, trustee: str, roles: tuple[str, ...], expires_at: float | None) -> dict[str, Any]:
        self.asked.append((self.cloud, trustee, roles, expires_at))
        return TRUST

    def list(self, *, given_to_me: bool) -> list[dict[str, Any]]:
        return [] if given_to_me else [TRUST]

    def delete(self, trust_id: str) -> None:
        if trust_id != "t1":
            raise FuncatronError("Keystone refuses (404)")


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("trusts_test_plugin")
    module.Trusts = Trusts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    ours = {"keystone": EntryPoint("keystone", f"{module.__name__}:Trusts", "funcatron.trusts")}
    monkeypatch.setattr(plugins, "_found", lambda group: ours if group == "funcatron.trusts" else {})
    monkeypatch.setattr(Trusts, "asked", [])


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["trust", *arguments])
    out, err = capsys.readouterr()
    return exit_.value.code or 0, out, err  # type: ignore[return-value]


def test_create_writes_the_id_alone(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, "create", "--cloud", "demo", "--trustee", "you", "--role", "member", "--role", "reader"
    )
    assert (code, out) == (0, "t1\n")
    assert "openstack: {cloud: " in err
    assert Trusts.asked == [("demo", "you", ("member", "reader"), None)]


def test_create_in_json_for_the_user_of_a_cloud(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.time()
    code, out, _ = run(capsys, "create", "--cloud", "demo", "--trustee-cloud", "service", "--expires", "2h", "--json")
    assert (code, json.loads(out)) == (0, TRUST)
    ((_, trustee, roles, expires),) = Trusts.asked
    assert (trustee, roles) == ("user of service", ())
    assert 7200 <= expires - began <= 7200 + 600


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--trustee", "a", "--trustee-cloud", "b"),
        ("--trustee", "a", "--expires", "soon"),
        ("--trustee", "a", "--expires", "2020-01-01"),
    ],
)
def test_what_cannot_be_made_is_not_asked_for(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    code, _, err = run(capsys, "create", "--cloud", "demo", *arguments)
    assert code == 2
    assert "Error" in err
    assert Trusts.asked == []


def test_a_time_to_come(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "create", "--cloud", "demo", "--trustee", "you", "--expires", "2100-01-01T00:00:00Z")[0] == 0
    assert Trusts.asked[0][3] == 4102444800.0


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "--cloud", "demo")
    assert code == 0
    assert out.splitlines()[1].split() == ["t1", "p", "me", "you", "member,", "reader", "never"]
    assert json.loads(run(capsys, "list", "--cloud", "demo", "--json")[1]) == [TRUST]
    assert json.loads(run(capsys, "list", "--cloud", "demo", "--given-to-me", "--json")[1]) == []


def test_delete_goes_on_after_one_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "delete", "nonsense", "t1", "--cloud", "demo")
    assert (code, out) == (1, "t1\n")
    assert "nonsense: Keystone refuses (404)" in err
