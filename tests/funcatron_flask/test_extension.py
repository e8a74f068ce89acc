from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, current_app, g

from funcatron.errors import FuncatronError, SpecError
from funcatron.settings import load_settings
from funcatron.store.memory import MemoryStore
from funcatron.testing.doors import CeleryDoor, InlineDispatcher, Outcome
from funcatron_flask import FuncatronFlask

ONE = {"200": {"description": "ok"}}


def document(path: str = "/sums/{n}", **operation: Any) -> dict[str, Any]:
    number = {"name": "n", "in": "path", "required": True, "schema": {"type": "integer"}}
    described = {"operationId": "add", "parameters": [number], "responses": ONE, **operation}
    return {"openapi": "3.0.3", "info": {"title": "Sums", "version": "1"}, "paths": {path: {"get": described}}}


def add(n: int) -> dict[str, Any]:
    g.setdefault("numbers", []).append(threading.get_ident())
    return {"app": current_app.name, "n": n + 1, "numbers": len(g.numbers)}


async def add_async(n: int) -> dict[str, Any]:
    return {"app": current_app.name, "n": n + 1}


def add_streaming(n: int) -> Iterator[str]:
    for number in range(n):
        yield f"{current_app.name} {number}\n"


def site(handler: Any = add, described: dict[str, Any] | None = None) -> tuple[Flask, FuncatronFlask]:
    app = Flask("outer")
    store = MemoryStore()
    functions = FuncatronFlask(
        None,
        described or document(),
        handlers={"add": handler},
        settings=load_settings(environ={}),
        store=store,
        dispatcher=InlineDispatcher(store),
    )

    @app.teardown_appcontext
    def closed(_error: BaseException | None) -> None:
        assert set(g.pop("numbers", [threading.get_ident()])) == {threading.get_ident()}, "closed where it was opened"

    @app.get("/")
    def index() -> str:
        return "outer"

    functions.init_app(app)
    return app, functions


@pytest.mark.parametrize("handler", [add, add_async])
def test_functions_stand_before_views(handler: Any) -> None:
    app, _ = site(handler)
    client = app.test_client()
    assert client.get("/").text == "outer"
    assert client.get("/nowhere").status_code == 404
    answer = client.get("/sums/1").json
    assert answer is not None
    assert (answer["app"], answer["n"]) == ("outer", 2)
    assert client.get("/sums/one").json["errors"][0]["pointer"] == "/path/n"  # type: ignore[index]
    assert client.head("/sums/1").status_code == 200
    assert client.post("/sums/1").status_code == 405
    assert client.get("/openapi.json").json["info"]["title"] == "Sums"  # type: ignore[index]
    assert client.get("/_funcatron/health/live").status_code == 200


def test_a_stream_is_in_the_applications_context() -> None:
    reply = {"200": {"description": "lines", "content": {"text/plain": {}}}}
    app, _ = site(add_streaming, document(responses=reply))
    assert app.test_client().get("/sums/2").text == "outer 0\nouter 1\n"


@pytest.mark.anyio
async def test_on_workers_too() -> None:
    _, functions = site()
    made = functions.funcatron
    outcome = await CeleryDoor().call(made, made.registry.get("add"), {"n": 4})
    assert outcome == Outcome(200, {"app": "outer", "n": 5, "numbers": 1})
    await made.stop()


def test_services_are_registered_on_the_extension() -> None:
    def with_service(n: int, base: int) -> int:
        return n + base

    app, functions = site(with_service)

    @functions.service("base")
    def base() -> Iterator[int]:
        yield 40

    assert app.test_client().get("/sums/2").json == 42


SEEN = "seen"


def noted(what: str) -> int:
    """Note in the call's ``g`` that this happened in the application's context; returns how much has."""
    seen: list[str] = g.setdefault(SEEN, [])
    seen.append(f"{what} of {current_app.name}")
    return len(seen)


@contextlib.contextmanager
def held() -> Iterator[int]:
    yield noted("open")
    noted("close")


def generated() -> Iterator[int]:
    yield noted("open")
    noted("close")


async def generated_async() -> AsyncIterator[int]:
    yield noted("open")
    noted("close")


def plain(n: int, base: int) -> int:
    return noted("handler") + base + n


async def plain_async(n: int, base: int) -> int:
    return noted("handler") + base + n


def streaming(n: int, base: int) -> Iterator[str]:
    for number in range(n):
        yield f"{noted('chunk') + base + number}\n"


CALLED = [f"{what} of outer" for what in ("open", "handler", "close")]


@pytest.mark.parametrize("factory", [held, generated, generated_async])
@pytest.mark.parametrize(
    ("handler", "text", "happened"),
    [
        (plain, "5\n", CALLED),
        (plain_async, "5\n", CALLED),
        (streaming, "3\n5\n", [CALLED[0], *["chunk of outer"] * 2, CALLED[2]]),
    ],
)
def test_a_service_shares_the_context_of_its_handler(
    handler: Any, text: str, happened: list[str], factory: Any
) -> None:
    media = {"text/plain": {}} if handler is streaming else {"application/json": {}}
    app, functions = site(handler, document(responses={"200": {"description": "ok", "content": media}}))
    torn_down: list[list[str]] = []
    app.teardown_appcontext(lambda _error: torn_down.append(g.get(SEEN, [])))
    assert functions.service("base")(factory) is factory
    answer = app.test_client().get("/sums/2")
    assert (answer.status_code, answer.text.strip()) == (200, text.strip())
    assert happened in torn_down


def test_a_service_that_fails_to_commit_fails_the_call() -> None:
    app, functions = site(plain)

    @functions.service("base")
    def base() -> Iterator[int]:
        yield 1
        raise LookupError(current_app.name)

    assert app.test_client().get("/sums/2").status_code == 500


def test_services_need_each_other_and_classes_are_left_alone() -> None:
    class Two:
        def __enter__(self) -> int:
            return 2

        def __exit__(self, *error: object) -> None:
            pass

    def base(two: int) -> Any:
        return contextlib.nullcontext(noted("open") + two)

    app, functions = site(plain)
    functions.service("two")(Two)
    functions.service("base")(base)
    assert app.test_client().get("/sums/2").json == 2 + 3 + 2


def test_a_function_that_would_hide_a_view_is_refused() -> None:
    app = Flask("outer")
    app.add_url_rule("/sums/<int:number>", "mine", lambda number: "")
    with pytest.raises(FuncatronError, match=r"GET /sums/\{number\} is add and the view mine"):
        FuncatronFlask(app, document(), handlers={"add": add})


def test_mistakes_of_a_document_are_said_at_once() -> None:
    with pytest.raises(SpecError, match="is required"):
        FuncatronFlask(Flask("outer"), {"openapi": "3.0.3", "info": {"title": "t"}, "paths": {}})


def test_a_stream_that_breaks_off_is_not_taken_for_whole() -> None:
    def breaking(n: int) -> Iterator[str]:
        yield "more\n"
        raise LookupError(n)

    reply = {"200": {"description": "lines", "content": {"text/plain": {}}}}
    app, _ = site(breaking, document(responses=reply))
    answer = app.test_client().get("/sums/2")
    chunks = iter(answer.response)
    assert next(chunks) == b"more\n"
    with pytest.raises(RuntimeError, match="ended before its end"):
        next(chunks)
    answer.close()


def test_a_stream_that_is_given_up_ends() -> None:
    ended = threading.Event()

    def endless(n: int) -> Iterator[str]:
        try:
            while True:
                yield "more\n"
        finally:
            ended.set()

    reply = {"200": {"description": "lines", "content": {"text/plain": {}}}}
    app, _ = site(endless, document(responses=reply))
    answer = app.test_client().get("/sums/2")
    assert next(iter(answer.response))
    answer.close()
    assert ended.wait(30)


UNREAD = """
import gc
from flask import Flask
from funcatron_flask import FuncatronFlask


def ask() -> None:
    app = Flask("outer")
    FuncatronFlask(app, {document!r}, handlers={{"add": lambda n: n}})
    for path in ("/openapi.json", "/sums/2", "/_funcatron/functions"):
        assert app.test_client().get(path).status_code == 200


for _ in range(3):
    ask()
    gc.collect()
ask()
"""


def test_a_program_that_leaves_answers_unread_runs_and_ends_without_a_word(tmp_path: Path) -> None:
    program = UNREAD.format(document=document())
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
