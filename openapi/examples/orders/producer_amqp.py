"""Sends orders with nothing but an AMQP client: plain JSON, and CloudEvents in both of their forms.

    python producer_amqp.py ORDER AMOUNT CARD [--as json|structured|binary]

It knows the exchange and nothing of funcatron. FUNCATRON_BROKER names the RabbitMQ; without it, the one on this host.
"""

from __future__ import annotations

import argparse
import json
import os
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp

EXCHANGE, ROUTING_KEY = "orders", "order.placed"


def main() -> None:
    """Publish one order and wait until the broker has it."""
    parser = argparse.ArgumentParser(description="Send one order to the exchange 'orders'.")
    parser.add_argument("order")
    parser.add_argument("amount", type=int, help="in cents")
    parser.add_argument("card", help="the last four digits")
    parser.add_argument("--as", dest="form", choices=["json", "structured", "binary"], default="json")
    parser.add_argument("--id", default=str(uuid.uuid4()), help="the event's id; the same id again is a duplicate")
    given = parser.parse_args()
    message = make_message(given.form, given.id, {"order": given.order, "amount": given.amount, "card": given.card})
    with connect(os.environ.get("FUNCATRON_BROKER", "amqp://guest:guest@localhost:5672//")) as connection:
        channel = connection.channel()
        channel.exchange_declare(EXCHANGE, "topic", durable=True, auto_delete=False)
        # mandatory: a message that no queue takes comes back instead of vanishing
        channel.basic_publish(message, exchange=EXCHANGE, routing_key=ROUTING_KEY, mandatory=True)
    print(f"sent {given.order} as {given.form}")


def make_message(form: str, event_id: str, order: dict[str, Any]) -> amqp.Message:
    """Return the message: the order itself, a CloudEvent around it, or a CloudEvent in the headers beside it."""
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/shop",
        "type": "com.example.order.placed",
        "time": datetime.now(UTC).isoformat(),
    }
    if form == "structured":
        body = {**attributes, "datacontenttype": "application/json", "data": order}
        return _message(body, "application/cloudevents+json", {})
    if form == "binary":
        return _message(order, "application/json", {f"cloudEvents_{name}": value for name, value in attributes.items()})
    return _message(order, "application/json", {}, message_id=event_id)


def _message(body: Any, content_type: str, headers: dict[str, str], **properties: str) -> amqp.Message:
    text = json.dumps(body)
    return amqp.Message(
        text,
        content_type=content_type,
        application_headers=headers,
        delivery_mode=2,
        content_encoding="utf-8",
        **properties,
    )


def connect(url: str) -> amqp.Connection:
    """Return a connection, not yet open, whose publishing waits for the broker's confirmation."""
    parts = urlsplit(url)
    return amqp.Connection(
        host=f"{parts.hostname}:{parts.port or 5672}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path.removeprefix("/")) or "/",
        confirm_publish=True,
    )


if __name__ == "__main__":
    main()
