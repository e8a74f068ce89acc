"""The functions of the conformance suite: each does one thing that every door must do alike."""

import asyncio
import sys
import time

from funcatron import Problem, Result, Retry


def parameters(
    item_id,
    slug,
    limit,
    flag,
    ratio=None,
    tags=None,
    numbers=None,
    filter=None,
    when=None,
    class_=None,
    x_count=None,
    x_names=None,
    session=None,
):
    return {
        "item_id": item_id,
        "slug": slug,
        "limit": limit,
        "flag": flag,
        "ratio": ratio,
        "tags": tags,
        "numbers": numbers,
        "filter": filter,
        "when": when,
        "class": class_,
        "x_count": x_count,
        "x_names": x_names,
        "session": session,
    }


def body(body):
    return body, 201


async def async_body(body, context):
    await asyncio.sleep(0)
    return {"body": body, "function": context.function}, 201, {"X-Seen": "yes"}


def both(order_id, dry_run, body):
    return {"order_id": order_id, "dry_run": dry_run, "name": body["name"]}


def refuse(status):
    raise Problem(status, "Refused", "because", reason={"code": status})


def answer(form):
    return {
        "none": lambda: None,
        "status": lambda: ({"a": 1}, 202),
        "refusal": lambda: ({"error": "no"}, 409),
        "headers": lambda: ({"a": 1}, {"X-A": "1"}),
        "all": lambda: ({"a": 1}, 203, {"X-A": "1"}),
        "result": lambda: Result(value={"a": 1}, status=206, headers={"X-A": "1"}),
        "list": lambda: [1, 2.5, None, "ü", 2**63, -(2**70)],
        "string": lambda: ("plain", 200, {"Content-Type": "application/json"}),
        "generator": lambda: (piece for piece in [b'{"a":', b"1}"]),
    }[form]()


def text(text):
    return text


def binary():
    return bytes(range(256))


async def stream():
    for number in range(3):
        yield f"{number}\n"


def fail():
    raise ValueError("the secret reason")


def unserialisable():
    return {"a": [object()]}


def broken_promise():
    return {"not": "a number"}


def leave():
    sys.exit(3)


def slow():
    time.sleep(1.5)


async def slow_async():
    await asyncio.sleep(30)


async def flaky(key, context):
    if context.attempt < 3:
        raise Retry("not yet", after=0)
    return {"key": key}


class Ledger:
    """A service that notes what became of its units of work."""

    def __init__(self):
        self.ends = []

    def __call__(self):
        return Unit(self)


class Unit:
    def __init__(self, ledger):
        self.ledger = ledger

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.ledger.ends.append("rolled back" if kind else "committed")


def with_service(ledger, outcome):
    if outcome == "bad":
        raise Problem(422, "Bad")
    return {"outcome": outcome}


def everything(**given):
    return given
