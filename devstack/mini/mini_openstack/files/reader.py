"""Wait until somebody reads a queue: reader.py AMQP_URL QUEUE. It waits for as long as it is let."""

import sys
import time

from amqp.exceptions import NotFound
from kombu import Connection

url, queue = sys.argv[1:]
with Connection(url) as connection:
    while True:
        try:
            with connection.channel() as channel:
                if channel.queue_declare(queue, passive=True).consumer_count:
                    break
        except NotFound:
            pass
        time.sleep(0.1)
