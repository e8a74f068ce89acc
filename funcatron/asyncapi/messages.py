"""What functions take, as the payloads of messages: the data of an event, a CloudEvent, a Celery task.

Source: CloudEvents 1.0.2 JSON event format; Celery's message protocol, version 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funcatron.asyncapi.schemas import Schemas
from funcatron.binding import find_media
from funcatron.event import STRUCTURED
from funcatron.ports import Form
from funcatron.registry import Function

__all__ = ["form_message", "task_message"]

JSON = "application/json"
ANY: dict[str, Any] = {}
EVENT: dict[str, Any] = {
    "specversion": {"type": "string", "const": "1.0"},
    "id": {"type": "string", "minLength": 1, "description": "With source the event's identity: sent twice it is one"},
    "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
    "type": {"type": "string", "minLength": 1},
    "subject": {"type": "string", "minLength": 1},
    "time": {"type": "string", "format": "date-time"},
    "datacontenttype": {"type": "string", "minLength": 1},
    "dataschema": {"type": "string", "format": "uri"},
}
"""The attributes of a CloudEvent, as the CloudEvents specification's own JSON Schema has them."""


def form_message(function: Function, form: Form, mapping: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    """Return the Message Object of one form of a trigger's messages; ``mapping`` is the trigger's ``input``."""
    payload: Any = form.payload
    if payload is None:
        payload = data = data_schema(function, mapping, schemas)
        if form.attributes is not None:
            payload = _event(form.attributes, data)
    summary = form.summary or function.operation.summary
    message = {"name": function.name, "contentType": form.content_type, "payload": payload}
    return {**message, "summary": summary} if summary else message


def task_message(function: Function, schemas: Schemas) -> dict[str, Any]:
    """Return the Message Object of a Celery client's call: ``send_task(name, kwargs={...})``."""
    kwargs = _parameters(function, {}, schemas) or _object({}, [])
    body, argument = function.operation.body, function.binder.body_argument
    if body is not None and argument is not None:
        required = [*kwargs.get("required", []), *([argument] if body.required else [])]
        kwargs = _object({**kwargs["properties"], argument: _body(function, schemas)}, required)
    headers = {
        "lang": {"type": "string", "description": "What the producer is written in", "examples": ["py"]},
        "task": {"type": "string", "const": function.name},
        "id": {"type": "string", "minLength": 1, "description": "The id of the execution"},
        "eta": {"type": ["string", "null"], "format": "date-time", "description": "Not before"},
        "expires": {"type": ["string", "null"], "format": "date-time", "description": "Not after"},
    }
    return {
        "name": function.name,
        "title": f"The Celery task {function.name}",
        **({"summary": function.operation.summary} if function.operation.summary else {}),
        "contentType": JSON,
        "correlationId": {"location": "$message.header#/id"},
        "headers": _object(headers, ["task", "id"]),
        "payload": {
            "type": "array",
            "description": "Positional arguments (none), keyword arguments, and what Celery adds",
            "items": [
                {"type": "array", "maxItems": 0},
                {**kwargs, "additionalProperties": False},
                {"type": "object"},
            ],
            "minItems": 3,
        },
        "bindings": {"amqp": {"contentEncoding": "utf-8", "messageType": function.name}},
    }


def data_schema(function: Function, mapping: Mapping[str, Any], schemas: Schemas) -> Any:
    """Return the schema of an event's data: the body is the data, parameters are members of it, but for those that the
    trigger's ``input`` gives.
    """
    parts = []
    if parameters := _parameters(function, mapping, schemas):
        parts.append(parameters)
    if function.operation.body is not None and not {function.binder.body_argument, "body"} & mapping.keys():
        parts.append(_body(function, schemas))
    return parts[0] if len(parts) == 1 else {"allOf": parts} if parts else dict(ANY)


def _parameters(function: Function, given: Mapping[str, Any], schemas: Schemas) -> dict[str, Any] | None:
    """Return the object that the parameters are members of, None where ``given`` has all of them, or there are none."""
    slots = [slot for slot in function.binder.slots if not {slot.name, slot.parameter.name} & given.keys()]
    if not slots:
        return None
    document = function.operation.document
    properties = {slot.name: schemas.of(document, slot.parameter.schema) for slot in slots}
    return _object(properties, [slot.name for slot in slots if slot.parameter.required])


def _body(function: Function, schemas: Schemas) -> Any:
    body = function.operation.body
    key = None if body is None else find_media(body.content, None)
    schema = None if body is None or key is None else body.content[key].schema
    return dict(ANY) if schema is None else schemas.of(function.operation.document, schema)


def _event(attributes: Mapping[str, Any], data: Any) -> dict[str, Any]:
    properties = {name: {**schema, **attributes.get(name, {})} for name, schema in EVENT.items()}
    demanded = [name for name in attributes if name not in ("id", "source", "type", "specversion")]
    needed = ["specversion", "id", "source", "type", *demanded]
    return {**_object({**properties, "data": data}, needed), "title": f"A CloudEvent ({STRUCTURED})"}


def _object(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    made = {"type": "object", "properties": dict(properties)}
    return {**made, "required": required} if required else made
