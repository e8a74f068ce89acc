"""Sends tasks with nothing but Celery: [name, keyword arguments] in, one on a line, task ids out."""

import json
import sys

from celery import Celery

client = Celery("client", broker=sys.argv[1])
client.conf.broker_transport = "funcatron_celery.sqlite:Transport"

for line in sys.stdin:
    name, kwargs = json.loads(line)
    print(client.send_task(name, kwargs=kwargs, queue="funcatron").id, flush=True)
