"""The AsyncAPI 3 document of an application: what others may send to its functions, where, and what it must look like.

A trigger whose messages others send tells of its channel (``ports.Described``); a clock has none. Any Celery client may
call any function, so each is on the channel of its queue too.

Source: AsyncAPI 3.0.0 (https://www.asyncapi.com/docs/reference/specification/v3.0.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from funcatron.asyncapi.messages import form_message, task_message
from funcatron.asyncapi.schemas import Schemas, key_of
from funcatron.asyncapi.servers import Servers
from funcatron.ports import Channel, Described
from funcatron.registry import Function, Registry
from funcatron.settings import Settings
from funcatron.triggers import BoundTrigger

__all__ = ["describe"]

VERSION = "3.0.0"


def describe(
    registry: Registry, triggers: Sequence[BoundTrigger], settings: Settings, *, control: str = "/_funcatron"
) -> dict[str, Any]:
    """Return the AsyncAPI document; ``control`` is the URL path of the control API, where the events door is."""
    return _Description(settings, control).of(registry, triggers)


class _Description:
    def __init__(self, settings: Settings, control: str) -> None:
        self._settings = settings
        self._servers = Servers(settings, control)
        self._schemas = Schemas()
        self._channels: dict[str, Any] = {}
        self._operations: dict[str, Any] = {}

    def of(self, registry: Registry, triggers: Sequence[BoundTrigger]) -> dict[str, Any]:
        for bound in triggers:
            if isinstance(bound.trigger, Described):
                self._trigger(bound, bound.trigger.channel())
        for function in registry:
            if not function.operation.secrets:  # a call with credentials is never kept for later
                self._task(function)
        self._schemas.complete()
        components = {"schemas": self._schemas.components, "securitySchemes": self._servers.schemes}
        return {
            "asyncapi": VERSION,
            "info": _info(registry),
            "defaultContentType": "application/json",
            "servers": self._servers.objects,
            "channels": self._channels,
            "operations": self._operations,
            "components": {name: made for name, made in components.items() if made},
        }

    def _trigger(self, bound: BoundTrigger, channel: Channel) -> None:
        function = bound.function
        messages = {form.name: form_message(function, form, bound.mapping, self._schemas) for form in channel.forms}
        self._add(f"{function.name}.{bound.kind}.{bound.index}", function, channel, messages)

    def _task(self, function: Function) -> None:
        queue, broker = function.extension.queue, self._settings.broker_url
        declared = {"name": queue, "durable": True, "exclusive": False, "autoDelete": False}
        channel = Channel(
            address=queue,
            url=broker,
            forms=(),
            bindings={"amqp": {"is": "queue", "queue": declared}} if broker.startswith(("amqp", "pyamqp")) else {},
            description="Celery tasks, for workers",
        )
        self._add(f"{function.name}.celery", function, channel, {"task": task_message(function, self._schemas)})

    def _add(self, name: str, function: Function, channel: Channel, messages: dict[str, Any]) -> None:
        """Add an operation of a function, which receives these messages from a channel; the channel may be there."""
        operation = key_of(name)
        at = self._channel(channel)
        own = self._channels[at]["messages"]
        keys = [key_of(f"{operation}.{form}") for form in messages]
        own.update(zip(keys, messages.values(), strict=True))
        described = function.operation
        made: dict[str, Any] = {
            "action": "receive",
            "title": function.name,
            "channel": {"$ref": f"#/channels/{at}"},
            "messages": [{"$ref": f"#/channels/{at}/messages/{key}"} for key in keys],
        }
        if described.summary:
            made["summary"] = described.summary
        if described.tags:
            made["tags"] = [{"name": tag} for tag in described.tags]
        if channel.operation:
            made["bindings"] = dict(channel.operation)
        self._operations[operation] = made

    def _channel(self, channel: Channel) -> str:
        """Return the key of a channel: one for each address, server and way to get there."""
        server = self._servers.name_of(channel.url)
        made: dict[str, Any] = {"address": channel.address, "servers": [{"$ref": f"#/servers/{server}"}]}
        if channel.description:
            made["description"] = channel.description
        if channel.bindings:
            made["bindings"] = dict(channel.bindings)
        wanted = key = key_of(f"{server}.{channel.address.strip('/')}")
        number = 1
        while key in self._channels and {**self._channels[key], "messages": {}} != {**made, "messages": {}}:
            number += 1
            key = f"{wanted}_{number}"
        self._channels.setdefault(key, {**made, "messages": {}})
        return key


def _info(registry: Registry) -> dict[str, Any]:
    """Return the Info Object: that of the first document, or a name where there are several."""
    documents = {id(function.operation.document): function.operation.document for function in registry}
    infos = [document.content["info"] for document in documents.values()]
    if not infos:
        return {"title": "funcatron", "version": "0"}
    titles = [str(info["title"]) for info in infos]
    made = {"title": ", ".join(titles), "version": str(infos[0]["version"])}
    if len(infos) == 1 and infos[0].get("description"):
        made["description"] = infos[0]["description"]
    return made
