"""Whoever posts to webhooks, and the secrets that stand in where a test has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from funcatron.app import Funcatron
from funcatron.codec import encode_json
from funcatron.errors import Problem
from funcatron.execution import Execution, new_id
from funcatron.settings import Settings
from funcatron.triggers import bound_triggers
from funcatron.webhooks.trigger import Sender, WebhookTrigger

if TYPE_CHECKING:
    from funcatron.testing.bench import Bench

__all__ = ["WebhookClient", "with_secrets"]

STAND_IN = "whsec_c2VjcmV0cyBvZiB0ZXN0cyBhcmUgbm9uZQ=="
"""A secret that any scheme takes."""


def with_secrets(app: Funcatron) -> Settings:
    """Return an application's settings with a secret for each name that its webhooks have, unless one is given."""
    bindings = [
        binding
        for document in app.documents
        for operation in document.operations
        for binding in operation.extension.triggers
    ]
    names = [name for one in bindings if one.kind == WebhookTrigger.kind for name in Sender.of(one.settings).secrets]
    if not names:
        return app.settings
    return msgspec.structs.replace(
        app.settings, secrets={**dict.fromkeys(names, STAND_IN), **(app.settings.secrets or {})}
    )


class WebhookClient:
    """A service that posts to webhooks' paths, signing what it posts as each path asks for."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def post(
        self,
        path: str,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        delivery: str | None = None,
    ) -> list[Execution]:
        """Post to a path; return the executions that it makes, or made when it was posted first.

        Bytes and text are sent as they are, all else as JSON. ``delivery`` is the sender's id of it, a new one by
        default. Raises LookupError where no webhook has this path, Problem for a refusal.
        """
        registry, settings = self._bench.app.registry, self._bench.app.settings
        triggers = [bound.trigger for bound in bound_triggers(registry, settings, WebhookTrigger)]
        sender = next((one.sender for one in triggers if isinstance(one, WebhookTrigger) and one.path == path), None)
        if sender is None:
            raise LookupError(f"no webhook has the path {path}")
        said = {} if isinstance(body, bytes | str) else {"content-type": "application/json"}
        content = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else encode_json(body)
        signed = sender.scheme(settings).signed(delivery or new_id(), content, self._bench.clock.time())
        answer = self._bench.http.post(path, content=content, headers={**said, **signed, **(headers or {})})
        if answer.status_code >= 400:
            refused = answer.json()
            raise Problem(answer.status_code, refused["title"], refused.get("detail"), errors=refused.get("errors"))
        if answer.status_code == 204:
            return []
        made, source = answer.json()["delivery"], f"/webhooks{path}"
        return [one for one in self._bench.executions() if (one.event_id, one.event_source) == (made, source)]
