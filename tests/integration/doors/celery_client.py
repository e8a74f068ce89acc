"""Sends tasks with nothing but Celery: [broker, calls] in, one on a line, the task ids out."""

import json
import sys

from celery import Celery
from kombu import pools

for line in sys.stdin:
    broker, calls = json.loads(line)
    client = Celery("client", broker=broker, set_as_current=False)
    if broker.startswith("sqlite"):
        client.conf.broker_transport = "funcatron_celery.sqlite:Transport"
    ids = [client.send_task(call.pop("name"), **call).id for call in calls]
    client.close()
    pools.reset()  # whoever calls next has a broker of his own
    assert "funcatron.app" not in sys.modules
    print(json.dumps(ids), flush=True)
