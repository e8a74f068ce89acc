"""A large provider's OpenAPI 3.1 document of its webhooks, with no paths, and an overlay that binds all of them.

Size and shape are those of GitHub's: each of hundreds of events has an action, a body of its own with large objects in
it, and the headers that are sent with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["EVENTS", "HEADERS", "body_of", "write_provider"]

NOUNS = ("branch", "check", "comment", "deployment", "issue", "label", "member", "milestone", "package", "project")
KINDS = ("", "_group", "_request", "_review", "_run", "_suite")
ACTIONS = ("created", "edited", "deleted", "completed", "requested")
EVENTS = [(noun + kind, action) for noun in NOUNS for kind in KINDS for action in ACTIONS]
"""300 pairs of an event's name and its action."""

HEADERS = ("User-Agent", "X-Hook-Id", "X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256")
OBJECTS = ("account", "installation", "organization", "repository", "sender")
TEXT = {"type": "string"}


def write_provider(folder: Path, trigger: Mapping[str, Any]) -> tuple[Path, Path, Path]:
    """Write into a folder the document, the overlay (each webhook's trigger is ``trigger`` with a ``match``) and the
    module of handlers, ``receivers``; returns their paths. A handler returns its name, the action and the event's name.
    """
    document, overlay, handlers = folder / "provider.json", folder / "overlay.json", folder / "receivers.py"
    document.write_text(json.dumps(_document()))
    overlay.write_text(json.dumps(_overlay(trigger)))
    functions = (
        f"def {event}_{action}(body, x_git_hub_event, context):\n"
        f"    return {{'function': '{event}_{action}', 'action': body['action'], 'event': x_git_hub_event}}\n"
        for event, action in EVENTS
    )
    handlers.write_text("\n\n".join(functions))
    return document, overlay, handlers


def body_of(action: str, **more: Any) -> dict[str, Any]:
    """Return a body that is valid for every event of this action."""
    account = {"id": 1, "url_0": "https://example.com", "created_at": "2026-01-31T12:00:00Z"}
    return {"action": action, "number": 7, **dict.fromkeys(OBJECTS, account), **more}


def _document() -> dict[str, Any]:
    schemas = {f"{event}-{action}": _body(action) for event, action in EVENTS}
    return {
        "openapi": "3.1.0",
        "info": {"title": "A provider's webhooks", "version": "1.1.4"},
        "servers": [{"url": "https://{host}/api/v3", "variables": {"host": {"default": "api.example.com"}}}],
        "webhooks": {f"{event}-{action}": {"post": _operation(event, action)} for event, action in EVENTS},
        "components": {"schemas": {**{name: _object(name) for name in OBJECTS}, **schemas}},
    }


def _operation(event: str, action: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{event}-{action}"}}}
    return {
        "summary": f"Sent when a {event} was {action}.",
        "operationId": f"{event}/{action}",
        "parameters": [{"name": name, "in": "header", "required": True, "schema": TEXT} for name in HEADERS],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "It was received."}},
    }


def _body(action: str) -> dict[str, Any]:
    """Return the schema of a body: about 12 KB, its own objects among what all have."""
    inner = {
        name: {"type": ["object", "null"], "properties": _properties(20)} for name in ("item", "changes", "previous")
    }
    shared = {name: {"$ref": f"#/components/schemas/{name}"} for name in OBJECTS}
    return {
        "type": "object",
        "required": ["action", "sender"],
        "properties": {
            "action": {"type": "string", "enum": [action]},
            "number": {"type": "integer"},
            **inner,
            **shared,
        },
    }


def _object(name: str) -> dict[str, Any]:
    return {
        "title": name,
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "integer"}, **_properties(60)},
    }


def _properties(count: int) -> dict[str, Any]:
    kinds: tuple[dict[str, Any], ...] = (
        {"type": "string", "format": "uri", "description": "Where it is found, in the provider's own words."},
        {"type": ["string", "null"], "format": "date-time", "examples": ["2026-01-31T12:00:00Z"]},
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "description": "How many there are."},
        {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}, "name": TEXT}}},
    )
    names = ("url", "changed_at", "count", "labels")
    return {f"{names[index % 4]}_{index}": kinds[index % 4] for index in range(count)}


def _overlay(trigger: Mapping[str, Any]) -> dict[str, Any]:
    actions = [{"target": "$.webhooks.*.post", "update": {"x-funcatron": {"retry": {"attempts": 1}}}}]
    actions += [
        {
            "target": f"$.webhooks['{event}-{action}'].post",
            "update": {
                "operationId": f"receivers.{event}_{action}",
                "x-funcatron": {
                    "triggers": [
                        {"webhook": {**trigger, "match": {"header.X-GitHub-Event": event, "body.action": action}}}
                    ]
                },
            },
        }
        for event, action in EVENTS
    ]
    return {"overlay": "1.0.0", "info": {"title": "Ours", "version": "1"}, "actions": actions}
