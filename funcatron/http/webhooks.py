"""The webhooks' paths: check who posts, read what was posted, find the functions that want it, answer once it is kept.

A delivery that a function wants is on record before it is answered (202), and calls each function once however often it
comes; one that nobody wants is answered 204, since senders take a refusal for a broken receiver. Refusals are problems.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from funcatron.codec import encode_json
from funcatron.errors import FuncatronError, InvalidInput, Problem, Violation
from funcatron.event import CloudEvent, now
from funcatron.execution import new_id
from funcatron.failures import refusal
from funcatron.http.admission import Admission
from funcatron.http.metrics import Metrics
from funcatron.http.posted import Posted, PostedReader, read_posted
from funcatron.http.request import header_map
from funcatron.http.respond import send_result
from funcatron.http.stream import RequestStream
from funcatron.invocation import Result
from funcatron.records import EventCall
from funcatron.redact import public_headers
from funcatron.triggers import BoundTrigger, bound_triggers
from funcatron.webhooks.matching import Delivery, Place
from funcatron.webhooks.trigger import WebhookTrigger

if TYPE_CHECKING:
    from funcatron.app import Funcatron

__all__ = ["WebhookEndpoint", "Webhooks"]

logger = logging.getLogger("funcatron.http")

Bound: TypeAlias = tuple[BoundTrigger, WebhookTrigger]

TYPE = "org.funcatron.webhook.delivery"
LONGEST_ID = 512


class Webhooks:
    """The paths of an application's webhooks; raises SettingsError where a path's secret is not set.

    ``others`` tells the methods that operations have at a path: there may be others than POST at a webhook's.
    """

    def __init__(
        self, funcatron: Funcatron, metrics: Metrics, admission: Admission, others: Callable[[str], Collection[str]]
    ) -> None:
        self._others = others
        paths: dict[str, list[Bound]] = {}
        for bound in bound_triggers(funcatron.registry, funcatron.settings, WebhookTrigger):
            if isinstance(bound.trigger, WebhookTrigger):  # they all are; a type checker wants to see it
                paths.setdefault(bound.trigger.path, []).append((bound, bound.trigger))
        self._endpoints = {path: WebhookEndpoint(funcatron, metrics, admission, bound) for path, bound in paths.items()}

    def find(self, method: str, path: str) -> WebhookEndpoint | None:
        """Return what answers a request, None where that is not a webhook's to do."""
        found = self._endpoints.get(path)
        return found if found is None or method == "POST" or not self._others(path) else None

    def methods(self, path: str) -> Collection[str]:
        """Return the methods that a path has, operations' and webhooks' alike."""
        return {*self._others(path), "POST"} if path in self._endpoints else self._others(path)


class WebhookEndpoint:
    """Serves one path for the triggers ``bound`` to it, which have one sender (``WebhookTrigger.check_all``)."""

    def __init__(self, funcatron: Funcatron, metrics: Metrics, admission: Admission, bound: Sequence[Bound]) -> None:
        trigger = bound[0][1]
        self._funcatron = funcatron
        self._metrics = metrics
        self._admission = admission
        self._bound = bound
        self._path = trigger.path
        self._scheme = trigger.sender.scheme(funcatron.settings)
        self._id = trigger.sender.id_place(self._scheme)
        self._readers: dict[str, PostedReader] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        try:
            result = await self._answer(scope, receive)
        except ClientDisconnect:
            return
        except (Problem, FuncatronError) as error:
            logger.info("%s %s is refused: %s", scope["method"], self._path, error)
            result = refusal(error, new_id(), f"the webhook {self._path}")
        await send_result(result, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Result:
        if scope["method"] != "POST":
            raise Problem(405, detail=f"{scope['method']} is not possible here", headers={"Allow": "POST"})
        headers = header_map(scope)
        self._scheme.examine(headers, self._funcatron.clock.time())
        content = await RequestStream(receive, headers, self._funcatron.settings.max_body).read()
        self._scheme.verify(headers, content)
        posted = read_posted(scope, headers, content)
        wanted = self._wanted(posted.delivery)
        if not wanted:
            return Result(status=204)
        delivery_id = _id_of(self._id, posted.delivery)
        with ExitStack() as files:
            calls = [await self._call(bound, posted, delivery_id, files) for bound in wanted]
            with self._admission.admitted(len(calls)):
                executions = await self._funcatron.acceptance.asubmit(calls)
        for execution in executions:
            self._metrics.accepted(execution.function, execution.trigger)
        body = {"delivery": delivery_id, "functions": len(executions)}
        return Result(value=body, status=202, body=encode_json(body), content_type="application/json")

    def _wanted(self, delivery: Delivery) -> Sequence[BoundTrigger]:
        """Return the triggers that want a delivery, the first one of each function."""
        found: dict[str, BoundTrigger] = {}
        for bound, trigger in self._bound:
            if bound.function.name not in found and trigger.wants(delivery):
                found[bound.function.name] = bound
        return list(found.values())

    async def _call(self, bound: BoundTrigger, posted: Posted, delivery_id: str, files: ExitStack) -> EventCall:
        """Return the call of one function: the delivery as its operation describes it."""
        function = bound.function
        reader = self._readers.get(function.name)
        if reader is None:
            reader = self._readers[function.name] = PostedReader(function, self._funcatron.settings.limits)
        decoded, data, headers = await reader.read(posted)
        files.callback(decoded.close)
        event = CloudEvent(
            id=delivery_id,
            source=f"/webhooks{self._path}",
            type=TYPE,
            time=now(),
            datacontenttype=headers.get("content-type"),
            data=data,
        )
        return EventCall(function, event, bound.kind, bound.mapping, decoded.arguments, self._public(headers))

    def _public(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that may be kept: neither credentials nor what a request could be repeated with."""
        return {name: text for name, text in public_headers(headers).items() if name not in self._scheme.headers}


def _id_of(place: Place | None, delivery: Delivery) -> str:
    """Return the sender's id of a delivery, a new one where it has none; raises InvalidInput where it is not there."""
    if place is None:
        return new_id()
    found = place.find(delivery)
    text = str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) else ""
    if not (0 < len(text) <= LONGEST_ID and text.isprintable()):
        said = f"is required, up to {LONGEST_ID} printable characters: it is the id by which the delivery is known"
        raise InvalidInput([Violation(place.pointer, said)])
    return text
