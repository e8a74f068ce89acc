"""A function that notes every run, and has one effect per execution: its id is the key."""

import contextlib
import json
import os
import time

RUNS = os.open("runs", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
SECONDS = 0.01


def count(body, context):
    number = body["number"]
    os.write(RUNS, (json.dumps([number, context.id, context.attempt]) + "\n").encode())
    time.sleep(SECONDS)
    with contextlib.suppress(FileExistsError):  # an earlier attempt came this far
        os.close(os.open(f"effects/{number}~{context.id}", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return number
