"""Functions of uploads; each call leaves a line in the file ``seen``."""

import json
import os
import time
from pathlib import Path


def note(body, context, event):
    line = {
        "at": time.time(),
        "id": context.id,
        "attempt": context.attempt,
        "event": event.id,
        "subject": event.subject,
        "type": event.type,
        **body,
    }
    with Path("seen").open("ab", buffering=0) as seen:
        seen.write(json.dumps(line).encode() + b"\n")
    return {"object": body["object"]}


def main(context, container, object):
    """A function as Qinling would have called it, but for where its arguments are declared."""
    with Path("main").open("ab", buffering=0) as seen:
        seen.write(json.dumps([container, object, os.getpid()]).encode() + b"\n")


def echo(body, context):
    """Write into the container that this is called from."""
    context.openstack.object_store.put(f"/{body['container']}/{body['object']}-echo", data=b"echo")
    with Path("echo").open("ab", buffering=0) as seen:
        seen.write(json.dumps(body["object"]).encode() + b"\n")
