"""Handlers that need company, and handlers that do not end, in every way there is."""

import asyncio
import json
import os
import signal
import threading
import time

BARRIER = {"inside": 0}


def trace(**what):
    line = json.dumps({"pid": os.getpid(), "thread": threading.get_ident(), **what})
    file = os.open(os.environ["TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, line.encode() + b"\n")
    os.close(file)


async def together(many):
    """Return once so many are inside: one after another they would wait for ever."""
    opened = BARRIER.setdefault("opened", asyncio.Event())
    BARRIER["inside"] += 1
    trace(inside=BARRIER["inside"])
    if BARRIER["inside"] >= many:
        opened.set()
    await opened.wait()
    return {"inside": BARRIER["inside"]}


async def on_loop(how, context):
    trace(begins=context.id, attempt=context.attempt)
    try:
        await (ASYNC[how]() if how != "once" or context.attempt == 1 else well())
    except asyncio.CancelledError:
        trace(ends=context.id)
        raise
    return {"attempt": context.attempt}


def in_thread(how, context):
    trace(begins=context.id, attempt=context.attempt)
    try:
        SYNC[how]()
    except BaseException:
        trace(ends=context.id)
        raise
    return {"attempt": context.attempt}


on_loop_patiently = on_loop_again = on_loop
in_thread_patiently = in_thread


async def swallow():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            trace(swallowed=True)


async def block():
    stick()


async def kill():
    os.kill(os.getpid(), signal.SIGKILL)


async def well():
    pass


def stick():
    """Sleep as C code does that never looks for signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(60)


ASYNC = {
    "sleep": lambda: asyncio.sleep(60),
    "once": lambda: asyncio.sleep(60),
    "nap": lambda: asyncio.sleep(0.8),
    "swallow": swallow,
    "block": block,
    "kill": kill,
    "well": well,
}
SYNC = {"sleep": lambda: time.sleep(60), "late": lambda: time.sleep(1.3), "stick": stick, "well": lambda: None}
