"""Handlers that prove from the inside who runs beside whom: a place is a file under ``flock``, which dies with us."""

import fcntl
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

from funcatron import Problem

FOLDER = Path(os.environ["GATED"])


def note(**what):
    line = json.dumps(what) + "\n"
    with (FOLDER / "notes").open("ab", buffering=0) as file:
        file.write(line.encode())


@contextmanager
def place(name, places):
    """Take one of so many places; notes where there is none left."""
    for number in range(places):
        with (FOLDER / f"{name}-{number}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    note(crowded=name)
    yield None


def work(context, name, places, n):
    with place(name, places) as taken:
        time.sleep(0.003)
        if places == 2:
            meet(taken)
        note(function=name, n=n, attempt=context.attempt, place=taken, worker=os.getpid())
        if n % 10 == 3 and context.attempt == 1:
            raise ValueError("once more")


def meet(taken):
    """Whoever has the first place waits, until the second one has been taken once."""
    both, end = FOLDER / "both", time.monotonic() + 20
    if taken == 1:
        both.touch()
    while not both.exists() and time.monotonic() < end:
        time.sleep(0.01)


def narrow(context, body):
    work(context, "narrow", 1, body["n"])


def wide(context, body):
    work(context, "wide", 2, body["n"])


def moved(context, event, body):
    """Events of a subject; some fail at first, some for good, and some take the worker along."""
    n, first = body["n"], context.attempt == 1
    with place(event.subject, 1):
        note(subject=event.subject, n=n, attempt=context.attempt, worker=os.getpid())
        if n == 7:
            raise Problem(409, detail="never")
        if n % 6 == 2 and context.attempt < 3:
            raise ValueError("once more")
        if event.subject in ("s3", "s4") and n == 11 and first:
            os.kill(os.getpid(), 9)


def flood(body):
    time.sleep(0.002)
    note(function="flood", n=body["n"])


def beside(body):
    note(function="beside", n=body["n"])
