"""Publishes messages with nothing but kombu: {queue, body, ...} in, one on a line, their message ids out."""

import json
import sys

from kombu import Connection

with Connection(sys.argv[1], transport="funcatron_celery.sqlite:Transport") as connection:
    producer = connection.Producer()
    for line in sys.stdin:
        message = json.loads(line)
        producer.publish(
            json.dumps(message["body"]),
            routing_key=message["queue"],
            message_id=message["id"],
            content_type=message.get("content_type", "application/json"),
            content_encoding="utf-8",
            headers=message.get("headers", {}),
        )
        print(message["id"], flush=True)
