"""Handlers that do what they must not."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import tempfile
import threading
import time


class Odd(BaseException):
    """Not an Exception, so that what catches those does not catch it."""


def well():
    return {"threads": threading.active_count()}


def call(how):
    return CALLS[how]()


async def wait_for(how):
    return await AWAITS[how]()


def crash(how):
    return CRASHES[how]()


def promise():
    return {"n": "seven"}


def endless(kind):
    while True:
        if kind == "slow":
            time.sleep(0.05)
        yield b"x" * (65536 if kind == "fast" else 1)


def body(body):
    return {"n": body["n"]}


def fail():
    raise ValueError("the secret reason")


def throw(error):
    raise error


def recurse():
    return recurse()


def nested():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


def shout():
    print("to stdout: grüezi \ud800".encode("utf-8", "replace").decode(), flush=True)
    sys.stderr.write("to stderr\n" * 1000)
    os.write(1, b"\xff\xfe raw\n")
    return "said"


def wander():
    os.chdir(tempfile.gettempdir())
    return tempfile.gettempdir()


def leak():
    never = threading.Event()
    for number in range(20):
        threading.Thread(target=never.wait, daemon=number % 2 == 0).start()
    return "leaked"


def crash_in_a_thread():
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    return "the thread failed alone"


CALLS = {
    "sleep": lambda: time.sleep(30),
    "spin": lambda: sum(iter(lambda: 0, 1)),
    "fail": fail,
    "recurse": recurse,
    "nested": nested,
    "assert": lambda: throw(AssertionError()),
    "memory": lambda: throw(MemoryError()),
    "odd": lambda: throw(Odd("very odd")),
    "interrupt": lambda: throw(KeyboardInterrupt()),
    "close": lambda: throw(GeneratorExit()),
    "cancel": lambda: throw(asyncio.CancelledError()),
    "stop": lambda: throw(StopIteration("enough")),
    "stop-async": lambda: throw(StopAsyncIteration("enough")),
    "timeout": lambda: throw(TimeoutError("of its own")),
    "object": lambda: {"at": [object()]},
    "cycle": lambda: (value := {}, value.update(value=value))[0],
    "keys": lambda: {(1, 2): 3},
    "surrogate": lambda: "\ud800",
    "four": lambda: ({}, 200, {}, "more"),
    "words": lambda: ({}, "OK"),
    "far": lambda: ({}, 999),
    "header": lambda: ({}, 200, {"X-A": "a\r\nSet-Cookie: b"}),
    "coroutine": lambda: asyncio.sleep(0),
    "exit": lambda: sys.exit(3),
    "quit": lambda: throw(SystemExit()),
    "shout": shout,
    "wander": wander,
    "leak": leak,
    "thread": crash_in_a_thread,
}
CRASHES = {
    "os-exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: ctypes.string_at(0),
}


async def stubborn():
    for _ in range(3):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.6)
    return "in the end"


async def forget():
    asyncio.create_task(asyncio.sleep(3600))  # noqa: RUF006 - nobody keeps it
    asyncio.get_running_loop().call_soon(fail)
    return "forgotten"


async def direct(what):
    return what()


AWAITS = {
    "sleep": lambda: asyncio.sleep(30),
    "block": lambda: direct(lambda: time.sleep(1.5)),
    "stubborn": stubborn,
    "forget": forget,
    **{
        name: lambda what=CALLS[name]: direct(what)
        for name in ("fail", "recurse", "odd", "interrupt", "cancel", "stop", "object", "exit", "coroutine")
    },
}
