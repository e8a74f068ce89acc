"""Sends orders with nothing but a Celery client: a task's name is the function's name.

    python producer_celery.py ORDER AMOUNT CARD

FUNCATRON_BROKER names the broker, as it does for the workers.
"""

from __future__ import annotations

import argparse
import os

from celery import Celery


def main() -> None:
    """Send one order; the broker has it when this returns."""
    parser = argparse.ArgumentParser(description="Send one order as the task 'orders.charge'.")
    parser.add_argument("order")
    parser.add_argument("amount", type=int, help="in cents")
    parser.add_argument("card", help="the last four digits")
    given = parser.parse_args()
    client = make_client(os.environ.get("FUNCATRON_BROKER", "sqlite:///.funcatron/funcatron.db"))
    order = {"order": given.order, "amount": given.amount, "card": given.card}
    sent = client.send_task("orders.charge", kwargs={"body": order}, queue="funcatron")
    print(sent.id)


def make_client(broker: str) -> Celery:
    """Return a Celery client whose sending waits until the broker has the message."""
    client = Celery("producer", broker=broker)
    if broker.startswith("sqlite:"):
        client.conf.broker_transport = "funcatron_celery.sqlite:Transport"  # Celery itself has none for SQLite
    else:
        client.conf.broker_transport_options = {"confirm_publish": True}
    return client


if __name__ == "__main__":
    main()
