"""The conformance functions as an application: what each handler is given is noted in the file ``seen``."""

import functools
import inspect
import json
import os
from pathlib import Path

from funcatron import Funcatron
from funcatron.codec import encode_input
from funcatron.importing import import_handler

SEEN = os.open("seen", os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(**what):
    os.write(SEEN, (json.dumps(what) + "\n").encode())


def observed(name):
    """Return the handler of this name, with the same signature and a context, noting its arguments."""
    handler = import_handler(name)
    signature = inspect.signature(handler)
    wants_context = "context" in signature.parameters

    def watch(given):
        context = given["context"] if wants_context else given.pop("context")
        plain = {key: value for key, value in given.items() if key not in ("context", "ledger")}
        call = {"id": context.id, "attempt": context.attempt, "trigger": context.trigger, "function": context.function}
        note(**call, arguments=encode_input(plain))

    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def watched(**given):
            watch(given)
            return await handler(**given)

    else:

        @functools.wraps(handler)
        def watched(**given):
            watch(given)
            return handler(**given)

    if not wants_context:
        context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY)
        parameters = list(signature.parameters.values())
        rest = [p for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]
        watched.__signature__ = signature.replace(
            parameters=[*(p for p in parameters if p not in rest), context, *rest]
        )
    return watched


app = Funcatron(Path("openapi.json"), handlers=observed)


@app.service("ledger")
def ledger():
    """A unit of work that notes its end."""
    try:
        yield "a ledger"
    except BaseException:
        note(ledger="rolled back")
        raise
    note(ledger="committed")
