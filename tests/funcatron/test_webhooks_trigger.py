"""The webhook trigger as a document has it: what it wants, and what is wrong with it at load."""

from __future__ import annotations

from typing import Any

import pytest

from funcatron.errors import SettingsError, SpecError
from funcatron.ports import Trigger
from funcatron.registry import build_registry
from funcatron.settings import Settings
from funcatron.spec.document import load
from funcatron.webhooks.matching import Delivery
from funcatron.webhooks.signing import GitHub
from funcatron.webhooks.trigger import Sender, WebhookTrigger

SETTINGS = {"path": "/hooks/github", "signature": "github", "secret": "GITHUB_SECRET"}
ANY = {"default": {"description": ""}}


def trigger(*, config: Settings | None = None, **settings: Any) -> WebhookTrigger:
    return WebhookTrigger(function="f", settings={**SETTINGS, **settings}, config=config or Settings())


def wants(match: dict[str, Any], *, body: Any = None, **headers: str) -> bool:
    query = {"q": "1", "empty": ""}
    return trigger(match=match).wants(Delivery({"x-event": "push", "x-count": "3", **headers}, query, body))


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ({}, True),
        ({"header.X-Event": "push"}, True),
        ({"header.x-EVENT": "push"}, True),
        ({"header.X-Event": "Push"}, False),
        ({"header.X-Count": 3}, True),
        ({"header.X-Count": "3"}, True),
        ({"header.X-None": None}, False),
        ({"query.q": 1, "query.empty": ""}, True),
        ({"query.q": True}, False),
        ({"body.action": "opened"}, True),
        ({"body.action": "opened", "header.X-Event": "pull"}, False),
        ({"body.merged": True}, True),
        ({"body.merged": 1}, False),
        ({"body.one": 1}, True),
        ({"body.one": True}, False),
        ({"body.one": "1"}, False),
        ({"body.nothing": None}, True),
        ({"body.absent": None}, False),
        ({"body.deep.er.x": 1.5}, True),
        ({"body.deep.er.x.y": 1.5}, False),
        ({"body.list.0": "a"}, False),
    ],
)
def test_what_is_wanted(match: dict[str, Any], wanted: bool) -> None:
    body = {"action": "opened", "merged": True, "one": 1, "nothing": None, "deep": {"er": {"x": 1.5}}, "list": ["a"]}
    assert wants(match, body=body) is wanted


@pytest.mark.parametrize("body", [None, "text", b"bytes", ["action"], 1])
def test_a_body_that_is_no_object_has_no_members(body: Any) -> None:
    assert not wants({"body.action": "opened"}, body=body)
    assert wants({}, body=body)


def test_it_is_a_trigger() -> None:
    one = trigger(match={"header.X-GitHub-Event": "push", "body.n": 1})
    assert isinstance(one, Trigger)
    assert one.describe() == (
        "webhook POST /hooks/github, signed as github, where header.X-GitHub-Event is push and body.n is 1"
    )
    assert trigger(signature="none").describe() == "webhook POST /hooks/github, not signed"
    one.start(lambda event: None)
    one.stop()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, []),
        ({"signature": "none", "secret": ()}, []),
        ({"id": "body.entry.id"}, []),
        ({"secret": ["NEW", "OLD"]}, []),
        ({"path": "/"}, []),
        ({"path": "/hooks/{name}"}, ["path is '/hooks/{name}'; it must be a fixed path"]),
        ({"path": "/hooks?x=1"}, ["path is '/hooks?x=1'; it must be a fixed path"]),
        ({"path": "/h%20"}, ["path is '/h%20'; it must be a fixed path"]),
        ({"path": "/_funcatron/events"}, ["what is below /_funcatron is the control API's"]),
        ({"path": "/_funcatron"}, ["what is below /_funcatron is the control API's"]),
        ({"path": "/_funcatronic"}, []),
        ({"signature": "none"}, ["signature is none, so the secret would protect nothing"]),
        ({"secret": ()}, ["secret is required: the setting with which github signatures are checked"]),
        ({"signature": "standard", "id": "body.id"}, ["id is webhook-id with the signature standard"]),
        ({"id": "X-Id"}, ["'X-Id' is no place in a request: header.NAME, query.NAME or body.NAME"]),
        (
            {"match": {"head.X": "a", "body.": "b", "body.a..b": "c"}},
            ["'head.X' is no", "'body.' is no", "'body.a..b' is"],
        ),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], said: list[str]) -> None:
    mistakes = WebhookTrigger.check({**SETTINGS, **settings})
    assert len(mistakes) == len(said)
    for mistake, part in zip(mistakes, said, strict=True):
        assert part in mistake


def test_secrets_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender.of({**SETTINGS, "secret": ["GITHUB_SECRET", "github_old"]})
    with pytest.raises(SettingsError, match="not set: FUNCATRON_GITHUB_SECRET or FUNCATRON_GITHUB_OLD"):
        sender.scheme(Settings())
    kept = Settings(secrets={"github-secret": "kept"})
    assert sender.scheme(kept) == GitHub([b"kept"])
    monkeypatch.setenv("FUNCATRON_GITHUB_OLD", "old")
    monkeypatch.setenv("FUNCATRON_GITHUB_SECRET", "new")
    assert sender.scheme(kept) == GitHub([b"new", b"old"])


def test_warnings() -> None:
    assert trigger(config=Settings(secrets={"GITHUB_SECRET": "s"})).warnings() == []
    assert trigger().warnings() == [
        "FUNCATRON_GITHUB_SECRET is not set: HTTP does not start without a secret of /hooks/github"
    ]
    assert trigger(signature="none").warnings() == ["/hooks/github is not signed: whoever can reach it can call f"]


def mistakes(*documents: dict[str, Any]) -> list[str]:
    """Return what is wrong with documents, without their places."""
    try:
        build_registry([load(one) for one in documents], handlers=lambda name: lambda **arguments: None)
    except SpecError as error:
        return [f"{m.pointer}: {m.message}" for m in error.mistakes]
    return []


def hooks(*settings: dict[str, Any], base: str = "", paths: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a document with a webhook for each of these settings, and operations of these paths."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "servers": [{"url": base or "/"}],
        "paths": paths or {},
        "webhooks": {
            f"h{number}": {
                "post": {
                    "operationId": f"h{number}{base}",
                    "responses": ANY,
                    "x-funcatron": {"triggers": [{"webhook": one}]},
                }
            }
            for number, one in enumerate(settings)
        },
    }


def route(method: str = "post", **schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": schema} for name, schema in schemas.items()]
    return {method: {"operationId": f"{method}_route", "responses": ANY, "parameters": parameters}}


TEXT, PATH = {"type": "string"}, {"type": "string", "format": "path"}


@pytest.mark.parametrize(
    ("path", "item", "base", "collides"),
    [
        ("/hooks/github", route(), "", True),
        ("/hooks/{name}", route(name=TEXT), "", True),
        ("/{rest}", route(rest=PATH), "", True),
        ("/github", route(), "/hooks", True),
        ("/hooks/git{x}", route(x=TEXT), "", True),
        ("/{name}", route(name=TEXT), "", False),
        ("/hooks/github", route("get"), "", False),
        ("/hooks/github/", route(), "", False),
        ("/hooks/github", route(), "/hooks", False),
        ("/hooks/GitHub", route(), "", False),
    ],
)
def test_a_path_is_an_operations_or_a_webhooks(path: str, item: dict[str, Any], base: str, collides: bool) -> None:
    found = mistakes(hooks(SETTINGS, base=base, paths={path: item}))
    place = "/webhooks/h0/post/x-funcatron/triggers/0/webhook"
    said = f"{place}: POST /hooks/github is post_route's already, whose route is {base}{path}"
    assert found == ([said] if collides else [])


def test_a_path_has_one_sender() -> None:
    wrong = "/webhooks/h2/post/x-funcatron/triggers/0/webhook: signature, secret and id must be the same for all "
    pushes = {**SETTINGS, "match": {"header.X-GitHub-Event": "push"}}
    assert mistakes(hooks(SETTINGS, pushes, {**SETTINGS, "path": "/other", "secret": "B"})) == []
    for other in ({"secret": "B"}, {"id": "body.id"}, {"signature": "standard"}):
        assert mistakes(hooks(SETTINGS, pushes, {**SETTINGS, **other})) == [wrong + "webhooks at /hooks/github"]
    assert len(mistakes(hooks(SETTINGS), hooks({**SETTINGS, "secret": "B"}, base="/b"))) == 1


def test_mistakes_of_one_and_of_all_come_together() -> None:
    found = mistakes(hooks({**SETTINGS, "match": {"x": 1}}, {**SETTINGS, "secret": "B"}))
    assert [one.partition(": ")[2][:20] for one in found] == ["'x' is no place in a", "signature, secret an"]
