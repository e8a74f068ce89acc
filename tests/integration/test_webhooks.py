"""Webhooks as a large provider has them: hundreds in one document, bound by one overlay, with a real server."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import yaml
from standardwebhooks.webhooks import Webhook

from tests.integration.provider import EVENTS, body_of, write_provider
from tests.integration.running import Program, running, until

SECRET = "It's a Secret to Everybody, and to nobody else"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TRIGGER = {"path": "/hooks/provider", "signature": "github", "secret": "PROVIDER_SECRET"}
OURS = {
    "openapi": "3.1.0",
    "info": {"title": "Our own", "version": "1"},
    "webhooks": {
        "paid": {
            "post": {
                "operationId": "ours.paid",
                "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"default": {"description": ""}},
                "x-funcatron": {"triggers": [{"webhook": {"path": "/hooks/paid", "secret": "PAYMENTS"}}]},
            }
        }
    },
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("webhooks")
    document, overlay, _ = write_provider(folder, TRIGGER)
    (folder / "ours.yaml").write_text(yaml.safe_dump(OURS))
    (folder / "ours.py").write_text("def paid(body, event):\n    return {'order': body['order'], 'id': event.id}\n")
    secrets = {"FUNCATRON_PROVIDER_SECRET": SECRET, "FUNCATRON_PAYMENTS": KEY, "FUNCATRON_LOG_LEVEL": "debug"}
    arguments = (document, folder / "ours.yaml", "--overlay", overlay)
    with running("run", *arguments, folder=folder, port=free_port(), extra=secrets) as program:
        yield program


def post(program: Program, event: str, value: Any, delivery: str, *, secret: str = SECRET) -> httpx.Response:
    """Post what GitHub would post."""
    content = json.dumps(value).encode()
    signature = "sha256=" + hmac.digest(secret.encode(), content, hashlib.sha256).hex()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Hookshot/1",
        "X-Hook-Id": "1",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": signature,
    }
    return program.http.post("/hooks/provider", content=content, headers=headers)


def ended(program: Program, count: int, **query: Any) -> list[dict[str, Any]]:
    """Return records once so many have ended."""

    def found() -> list[dict[str, Any]] | None:
        records = program.executions(**query)
        return records if len(records) == count and all(record["ended_at"] for record in records) else None

    return until(found, f"{count} executions of {query} to end")


def test_every_webhook_of_a_large_provider_reaches_its_function(program: Program) -> None:
    functions = program.http.get("/_funcatron/functions").json()["functions"]
    assert len(functions) == len(EVENTS) + 1 == 301
    assert (program.folder / "provider.json").stat().st_size > 2_000_000
    chosen = EVENTS[::29]
    with program.watched():
        for event, action in chosen:
            answer = post(program, event, body_of(action), f"{event}-{action}")
            assert (answer.status_code, answer.json()["functions"]) == (202, 1), answer.text
        for record in ended(program, len(chosen), trigger="webhook"):
            name = record["function"].removeprefix("receivers.")
            event, _, action = name.rpartition("_")
            assert record["state"] == "succeeded", record
            assert record["result"] == {"function": name, "action": action, "event": event}
            assert record["event_id"] == f"{event}-{action}"


def test_replays_and_what_is_not_signed_call_nothing(program: Program) -> None:
    with program.watched():
        event, action = EVENTS[1]
        function = f"receivers.{event}_{action}"
        assert post(program, event, body_of(action), "forged", secret="a guess").status_code == 401
        assert [post(program, event, body_of(action), "twice").status_code for _ in range(3)] == [202] * 3
        assert post(program, "unheard_of", body_of(action), "unwanted").status_code == 204
        [record] = ended(program, 1, function=function)
        assert (record["event_id"], record["state"]) == ("twice", "succeeded")
        bad = post(program, event, body_of(action, sender={"id": "no number"}), "bad")
        assert bad.status_code == 202
        invalid = next(one for one in ended(program, 2, function=function) if one["event_id"] == "bad")
        assert (invalid["state"], invalid["failure"]) == ("failed", "invalid")
        assert [error["pointer"] for error in invalid["problem"]["errors"]] == ["/body/sender/id"]


def test_standard_webhooks_by_their_own_library(program: Program) -> None:
    text = '{"order": "Ø-7"}'

    def send(delivery: str, *, age: float = 0.0, key: str = KEY) -> int:
        when = datetime.fromtimestamp(time.time() - age, UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery,
            "webhook-timestamp": str(int(when.timestamp())),
            "webhook-signature": Webhook(key).sign(delivery, when, text),
        }
        return program.http.post("/hooks/paid", content=text.encode(), headers=headers).status_code

    with program.watched():
        assert [send("msg_1"), send("msg_1")] == [202, 202]
        assert send("msg_2", age=600) == send("msg_2", age=-600) == 401
        assert send("msg_2", key="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD") == 401
        [record] = ended(program, 1, function="ours.paid")
        assert record["result"] == {"order": "Ø-7", "id": "msg_1"}


def test_no_secret_is_kept_or_told(program: Program) -> None:
    kept = [path for path in (program.folder / ".funcatron").rglob("*") if path.is_file()]
    assert kept
    for path in [*kept, program.log]:
        content = path.read_bytes()
        assert SECRET.encode() not in content, path
        assert KEY.removeprefix("whsec_").encode() not in content, path
