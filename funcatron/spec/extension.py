"""``x-funcatron``: how an operation is run. Checked against openapi/funcatron_openapi/x-funcatron.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from funcatron.retry import RetryPolicy
from funcatron.spec.explain import Finding, findings
from funcatron.spec.operation import Extension, TriggerBinding
from funcatron.spec.pointer import join

__all__ = ["KEY", "check", "make"]

KEY = "x-funcatron"


def check(value: Any) -> Iterator[Finding]:
    """Yield what is wrong with one ``x-funcatron``, wherever it stands."""
    schema, validator = _compiled()
    if not validator.is_valid(value):
        yield from findings(validator.iter_errors(value), schema, value)


def make(layers: list[tuple[str, Mapping[str, Any]]]) -> Extension:
    """Return the settings of an operation; ``layers`` are (pointer, valid x-funcatron), the outermost first."""
    merged: dict[str, Any] = {}
    triggers: tuple[TriggerBinding, ...] = ()
    for pointer, layer in layers:
        for key, value in layer.items():
            merged[key] = {**merged.get(key, {}), **value} if isinstance(value, Mapping) else value
        if "triggers" in layer:
            triggers = tuple(_triggers(layer["triggers"], pointer + "/triggers"))
    timeout = merged.get("timeout")
    return Extension(
        mode=merged.get("mode", "sync"),
        queue=merged.get("queue", "funcatron"),
        timeout=30.0 if timeout is None else float(timeout),
        async_timeout=300.0 if timeout is None else float(timeout),
        retry=RetryPolicy(**merged.get("retry", {})),
        record=merged.get("record", False),
        ordering=merged.get("ordering") if "ordering" in merged else _usual_ordering(triggers),
        concurrency=merged.get("concurrency"),
        idempotency_ttl=float(merged.get("idempotency", {}).get("ttl", 86_400)),
        triggers=triggers,
        cloud=merged.get("openstack", {}).get("cloud"),
        trust=merged.get("openstack", {}).get("trust"),
    )


def _usual_ordering(triggers: tuple[TriggerBinding, ...]) -> Any:
    """Changes of one object are taken in order unless the document says otherwise."""
    return "subject" if any(trigger.kind == "swift" for trigger in triggers) else None


def _triggers(entries: list[dict[str, Any]], pointer: str) -> Iterator[TriggerBinding]:
    for index, entry in enumerate(entries):
        for kind, settings in entry.items():
            yield TriggerBinding(kind=kind, settings=settings, pointer=pointer + join((index, kind)))


@cache
def _compiled() -> tuple[dict[str, Any], jsonschema_rs.Validator]:
    text = (files("funcatron_openapi") / "x-funcatron.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    return schema, jsonschema_rs.Draft202012Validator(schema)
