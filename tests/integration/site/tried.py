"""Functions that leave a trace of each run in the file that TRACE names, and functions that misbehave."""

import asyncio
import json
import os
import signal
import sys
import threading
import time

from funcatron import Problem, Retry


def trace(**what):
    line = json.dumps({"pid": os.getpid(), "main": threading.current_thread() is threading.main_thread(), **what})
    file = os.open(os.environ["TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, line.encode() + b"\n")
    os.close(file)


def note(body, context):
    trace(n=body["n"], id=context.id, attempt=context.attempt, trigger=context.trigger)
    time.sleep(body.get("sleep", 0))
    return {"n": body["n"]}


async def anote(body, context):
    loop = asyncio.get_running_loop()
    await asyncio.sleep(body.get("sleep", 0))
    trace(n=body["n"], id=context.id, attempt=context.attempt, trigger=context.trigger, loop=id(loop))
    return {"n": body["n"]}


def behave(how, times, context):
    trace(how=how, id=context.id, attempt=context.attempt)
    if context.attempt > times:
        return {"attempt": context.attempt}
    return BEHAVIOURS[how]()


def heard(event):
    trace(type=event.type, source=event.source, id=event.id, data=event.data, subject=event.subject)


def swallow():
    while True:
        try:
            time.sleep(60)
        except Exception:  # noqa: BLE001 - that is the bad habit that is tried
            trace(swallowed=True)


def refuse():
    raise Problem(409, detail="taken")


def again():
    raise Retry("not yet", after=0.05)


def stick():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(60)


BEHAVIOURS = {
    "well": lambda: {"attempt": 0},
    "sleep": lambda: time.sleep(60),
    "swallow": swallow,
    "spin": lambda: sum(iter(lambda: 0, 1)),
    "raise": lambda: 1 // 0,
    "refuse": refuse,
    "again": again,
    "unserialisable": lambda: {"value": object()},
    "exit": lambda: sys.exit(3),
    "os_exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "stuck": stick,
}
