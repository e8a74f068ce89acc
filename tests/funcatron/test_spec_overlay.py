"""Overlays: a document that one does not own is bound and changed without being edited."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from funcatron import Funcatron
from funcatron.errors import SpecError
from funcatron.settings import Settings
from funcatron.spec.cache import DocumentCache
from funcatron.spec.document import Document, load
from funcatron.spec.overlay import read_overlays

OK = {"responses": {"200": {"description": "ok"}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "theirs", "version": "1"},
    "tags": [{"name": "a"}],
    "webhooks": {
        "push": {"post": {"operationId": "push", **OK}},
        "ping": {"post": {"operationId": "ping", "deprecated": True, **OK}},
    },
}


def overlay(*actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"overlay": "1.0.0", "info": {"title": "ours", "version": "1"}, "actions": list(actions), **more}


def changed(*actions: dict[str, Any], **more: Any) -> Document:
    return load(DOCUMENT, overlays=read_overlays([overlay(*actions, **more)]))


def names(document: Document) -> list[str]:
    return [operation.name for operation in document.operations]


def test_many_operations_are_bound_by_one_action() -> None:
    update = {"x-funcatron": {"queue": "hooks"}, "x-openapi-router-controller": "hooks"}
    document = changed({"target": "$.webhooks.*.*", "update": update})
    assert [(one.target, one.extension.queue) for one in document.operations] == [
        ("hooks.push", "hooks"),
        ("hooks.ping", "hooks"),
    ]


def test_what_is_selected_is_removed() -> None:
    assert names(changed({"target": "$.webhooks[?@.post.deprecated == true]", "remove": True})) == ["push"]
    assert names(changed({"target": "$.webhooks.*", "remove": False})) == ["push", "ping"]


def test_objects_are_merged_and_lists_grow() -> None:
    content = changed(
        {"target": "$", "update": {"info": {"title": "ours"}, "tags": [{"name": "b"}], "security": []}},
        {"target": "$.tags", "update": {"name": "c"}},
        {"target": "$.info.version", "update": "2"},
    ).content
    assert content["info"] == {"title": "ours", "version": "2"}
    assert [tag["name"] for tag in content["tags"]] == ["a", "b", "c"]
    assert DOCUMENT["info"]["title"] == "theirs"


def test_items_of_a_list_are_removed_together() -> None:
    tags = {"target": "$", "update": {"tags": [{"name": name} for name in "bcdefghijkl"]}}
    content = changed(tags, {"target": "$.tags[?@.name != 'c']", "remove": True}).content
    assert content["tags"] == [{"name": "c"}]


def test_a_node_is_copied() -> None:
    made = overlay({"target": "$.webhooks.ping.post", "copy": "$.webhooks.push.post.responses"}, overlay="1.1.0")
    made["actions"].insert(0, {"target": "$.webhooks.push.post.responses", "update": {"description": "of push"}})
    made["actions"].append({"target": "$.webhooks.*.post.responses.description", "remove": True})
    made["actions"].append({"target": "$.webhooks.ping.post['200']", "remove": True})
    content = load(DOCUMENT, overlays=read_overlays([made])).content
    assert content["webhooks"]["ping"]["post"]["description"] == "of push"


def test_an_overlay_is_for_the_document_that_it_extends(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(DOCUMENT))
    (tmp_path / "overlay.json").write_text(
        json.dumps(overlay({"target": "$.webhooks.ping", "remove": True}, extends="a.json"))
    )
    overlays = read_overlays([tmp_path / "overlay.json"])
    assert [len(names(load(tmp_path / name, overlays=overlays))) for name in ("a.json", "b.json")] == [1, 2]


def test_a_mistake_of_an_overlay_is_told_with_its_own_place(tmp_path: Path) -> None:
    file = tmp_path / "overlay.yaml"
    file.write_text(
        "overlay: 1.0.0\ninfo: {title: t, version: '1'}\nactions:\n- target: $.webhooks.*.*\n  update:\n"
        "    x-funcatron:\n      timeuot: 3\n"
    )
    with pytest.raises(SpecError) as caught:
        load(DOCUMENT, overlays=read_overlays([file]))
    told = f"{file}:7 #/actions/0/update/x-funcatron/timeuot: is not a known property; did you mean 'timeout'?"
    assert {str(mistake) for mistake in caught.value.mistakes} == {told}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, ["overlay is required", "info is required", "actions is required"]),
        ([], [" must be an object, not []"]),
        (overlay({"target": "$.a["}), ["actions/0/target '$.a[' is no JSONPath (RFC 9535): unexpected end of query"]),
        (overlay({"taget": "$"}), ["actions/0/target is required", "actions/0/taget is not a known property"]),
        (overlay({"target": "$"}) | {"overlay": "2.0.0"}, [r"overlay must match the pattern ^1\.[01]\.[0-9]+$"]),
    ],
)
def test_what_is_no_overlay(tmp_path: Path, content: Any, told: list[str]) -> None:
    file = tmp_path / "overlay.json"
    file.write_text(json.dumps(content))
    with pytest.raises(SpecError) as caught:
        read_overlays([file])
    found = [f"{mistake.pointer.lstrip('/')} {mistake.message}" for mistake in caught.value.mistakes]
    assert all(any(one.startswith(wanted) for one in found) for wanted in told), found


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ({"target": "$", "remove": True}, "selects the whole document"),
        ({"target": "$.info", "update": "text"}, "must be an object, to be merged into info"),
        ({"target": "$.info.title", "update": {}}, "cannot be merged into info/title"),
        ({"target": "$.info", "copy": "$.webhooks.*"}, "must select one node, and selects 2"),
    ],
)
def test_what_cannot_be_changed_so(action: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        changed(action)


def test_what_selects_nothing_is_told_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "funcatron.spec"):
        assert names(changed({"target": "$.webhoks.*", "remove": True})) == ["push", "ping"]
    assert "$.webhoks.* selects nothing in " in caplog.text


def test_a_kept_document_is_not_that_of_another_overlay(tmp_path: Path) -> None:
    spec, file = tmp_path / "a.json", tmp_path / "overlay.json"
    spec.write_text(json.dumps(DOCUMENT))
    cache = DocumentCache.at(tmp_path / "cache")

    def loaded(*actions: dict[str, Any]) -> list[str]:
        file.write_text(json.dumps(overlay(*actions)))
        return names(load(spec, cache, read_overlays([file])))

    nothing, remove = {"target": "$", "update": {}}, {"target": "$.webhooks.ping", "remove": True}
    for _ in range(2):
        assert loaded(nothing) == ["push", "ping"]
        assert loaded(remove) == ["push"]
        assert names(load(spec, cache)) == ["push", "ping"]


def test_an_application_takes_overlays_of_its_own_and_of_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "overlay.json"
    file.write_text(json.dumps(overlay({"target": "$.webhooks.ping", "remove": True})))
    queue = overlay({"target": "$.webhooks.push.post", "update": {"x-funcatron": {"queue": "q"}}})
    app = Funcatron(
        DOCUMENT, handlers={"push": print}, overlays=[queue], settings=Settings(overlay=(str(file),), cache=False)
    )
    assert [(function.name, function.operation.extension.queue) for function in app.registry] == [("push", "q")]
