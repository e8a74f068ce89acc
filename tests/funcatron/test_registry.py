from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import FuncatronError, SpecError, UnknownFunction
from funcatron.importing import import_handler
from funcatron.registry import Registry, build_registry
from funcatron.spec.document import load
from tests.funcatron.functions import complaints, document, make, named

NAMES = iter(range(1000))


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    """A folder in which modules of names that no other test has may be written; they are forgotten afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


def write(folder: Path, text: str) -> str:
    """Write a module of its own name and return the name."""
    name = f"handlers_{next(NAMES)}"
    (folder / f"{name}.py").write_text(text)
    return name


def said(*documents: dict[str, Any] | Path, **given: Any) -> list[str]:
    with pytest.raises(SpecError) as raised:
        build_registry([load(one) for one in documents], **given)
    return [mistake.message for mistake in raised.value.mistakes]


# Finding handlers


def test_a_handler_is_imported_from_the_documents_folder(module: Path) -> None:
    name = write(module, "def create(): pass")
    (module / "openapi.yaml").write_text(
        f"openapi: 3.0.3\ninfo: {{title: t, version: '1'}}\npaths:\n  /f:\n    post:\n"
        f"      operationId: {name}.create\n      responses: {{'200': {{description: ok}}}}\n"
    )
    registry = build_registry([load(module / "openapi.yaml")])
    function = registry.get(f"{name}.create")
    assert function.handler is sys.modules[name].create
    assert function.handler_name == f"{name}.create"


def test_the_documents_folder_comes_before_the_current_one(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(module, "WHERE = 'current'\ndef f(): pass")
    inner = module / "inner"
    inner.mkdir()
    (inner / f"{name}.py").write_text("WHERE = 'document'\ndef f(): pass")
    (inner / "openapi.yaml").write_text(
        f"openapi: 3.0.3\ninfo: {{title: t, version: '1'}}\npaths:\n  /f:\n    post:\n"
        f"      operationId: f\n      x-openapi-router-controller: {name}\n"
        f"      responses: {{'200': {{description: ok}}}}\n"
    )
    monkeypatch.chdir(module)
    build_registry([load(inner / "openapi.yaml")])
    assert sys.modules[name].WHERE == "document"


@pytest.mark.parametrize("hides", ["json", "time"])
def test_a_module_beside_the_document_is_never_taken_for_another(module: Path, hides: str) -> None:
    (module / f"{hides}.py").write_text("def dumps(): pass\ndef sleep(): pass")
    with pytest.raises(FuncatronError, match=rf"{hides}\.py is hidden by .*; rename one of them"):
        import_handler(f"{hides}.{'dumps' if hides == 'json' else 'sleep'}", module)


def test_two_documents_may_not_have_handlers_of_one_name(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(module, "def f(): pass")
    monkeypatch.syspath_prepend(module)
    assert import_handler(f"{name}.f", module) is sys.modules[name].f
    other = module / "other"
    other.mkdir()
    (other / f"{name}.py").write_text("def f(): pass")
    with pytest.raises(FuncatronError, match=f"other/{name}.py is hidden by .*{name}.py"):
        import_handler(f"{name}.f", other)


def test_handlers_may_be_given_by_name() -> None:
    def handler() -> None: ...

    registry = build_registry([load(document())], handlers={"f": handler})
    assert registry.get("f").handler is handler
    registry = build_registry([load(document())], handlers=lambda name: handler if name == "f" else None)
    assert registry.get("f").handler is handler


def test_what_is_not_given_is_imported(module: Path) -> None:
    name = write(module, "def g(): pass")
    sys.path.insert(0, str(module))
    members: dict[str, Any] = {"x-openapi-router-controller": name, "operationId": "g"}
    assert (
        build_registry([load(document(**members))], handlers={"other": print}).get("g").handler is sys.modules[name].g
    )


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", "absent", "{name}.absent cannot be imported: {name} has no 'absent'"),
        ("class C:\n  pass", "C.m", "{name}.C.m cannot be imported: {name}.C has no 'm'"),
        ("def greet(): pass", "gret", "{name}.gret cannot be imported: {name} has no 'gret'; did you mean 'greet'?"),
        ("import no_such_module", "f", "{name}.f cannot be imported: {name} needs 'no_such_module' ({file}, line 1)"),
        ("a = 1\n1 / 0", "f", "{name}.f cannot be imported: ZeroDivisionError: division by zero ({file}, line 2)"),
        ("def f(:", "f", "{name}.f cannot be imported: SyntaxError: "),
        ("import sys; sys.exit(3)", "f", "{name}.f cannot be imported: SystemExit: 3"),
        ("f = 5", "f", "{name}.f is a int, not a function"),
    ],
)
def test_what_does_not_import_says_why(module: Path, text: str, target: str, message: str) -> None:
    name = write(module, text)
    sys.path.insert(0, str(module))
    (found,) = said(document(operationId=f"{name}.{target}"))
    assert found.startswith(message.format(name=name, file=module / f"{name}.py"))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_package.module.f", "there is no module 'no_such_package' on the path"),
        ("json.nothing.f", "json has no 'nothing'"),
        ("f", "names no module: write package.module.function, or give handlers"),
        ("a..b", "cannot be imported"),
        (".f", "cannot be imported"),
    ],
)
def test_what_is_not_there_says_where_it_ends(target: str, message: str) -> None:
    with pytest.raises(FuncatronError, match=message):
        import_handler(target)


def test_methods_and_nested_modules_are_found() -> None:
    assert import_handler("pathlib.Path.cwd") == Path.cwd
    assert import_handler("collections.abc.Iterator") is Iterator


def test_an_operation_without_a_name_needs_a_handler_given() -> None:
    whole = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"},
             "paths": {"/a/{b}": {"get": {"parameters": [{"name": "b", "in": "path", "required": True,
                                                          "schema": {"type": "string"}}],
                                          "responses": {"200": {"description": "ok"}}}}}}  # fmt: skip
    assert said(whole) == ["get_a_b has no operationId that names a handler, and none was given"]
    assert build_registry([load(whole)], handlers={"get_a_b": lambda b: b}).get("get_a_b").operation.route == "/a/{b}"


# Mistakes


def test_the_mistakes_of_all_documents_are_listed_with_their_places() -> None:
    def handler(color: str) -> None: ...

    one, two = document(), document(operationId="g")
    with pytest.raises(SpecError) as raised:
        build_registry([load(one), load(two)], handlers={"f": handler})
    assert [(m.pointer, m.message.partition(":")[0]) for m in raised.value.mistakes] == [
        ("/paths/~1f/post/operationId", "'g' names no module"),
        ("/paths/~1f/post/operationId", "the handler's argument 'color' can be filled by nothing"),
    ]


def test_two_functions_of_one_name_are_refused() -> None:
    found = said(document(), document(), handlers=lambda name: lambda: None)
    assert found == ["<dict> has a function called 'f' already"]


def test_an_unknown_trigger_is_refused_with_those_there_are() -> None:
    (found,) = complaints(lambda: None, extension={"triggers": [{"nonsense": {}}]})
    assert found.startswith("unknown trigger 'nonsense'; known are: event, queue, schedule")


def test_a_triggers_own_check_is_asked() -> None:
    found = complaints(lambda: None, extension={"triggers": [{"schedule": {"cron": "61 * * * *"}}]})
    assert len(found) == 1
    assert "61" in found[0]


# Kinds


async def coroutine() -> None: ...
def plain() -> None: ...
def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


class AsyncCall:
    async def __call__(self) -> None: ...


class InheritsAsyncCall(AsyncCall):
    async def method(self) -> None: ...


class GeneratorCall:
    def __call__(self) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize(
    ("handler", "is_async", "is_generator"),
    [
        (plain, False, False),
        (coroutine, True, False),
        (async_generator, True, False),
        (generator, False, True),
        (functools.partial(coroutine), True, False),
        (functools.partial(generator), False, True),
        (AsyncCall(), True, False),
        (InheritsAsyncCall(), True, False),
        (InheritsAsyncCall().method, True, False),
        (GeneratorCall(), False, True),
        (int, False, False),
    ],
    ids=named,
)
def test_which_handlers_are_called_on_the_loop(handler: Any, is_async: bool, is_generator: bool) -> None:
    function = make(handler)
    assert (function.is_async, function.is_generator) == (is_async, is_generator)


# The registry itself


def test_a_registry_is_its_functions_in_the_order_of_the_documents() -> None:
    registry = build_registry(
        [load(document(operationId=name)) for name in ("b", "a")], handlers=lambda name: lambda: None
    )
    assert [function.name for function in registry] == ["b", "a"]
    assert len(registry) == 2
    with pytest.raises(UnknownFunction, match="no function is called 'c'"):
        registry.get("c")


def test_internal_functions_are_callable_but_not_shown() -> None:
    own = build_registry([load(document())], handlers=lambda name: lambda: None)
    internal = build_registry([load(document(operationId="hidden"))], handlers=lambda name: lambda: None)
    joined = own.with_internal(internal)
    assert [function.name for function in joined] == ["f"]
    assert len(joined) == 1
    assert joined.get("hidden") is internal.get("hidden")
    assert joined.documents == own.documents
    assert isinstance(joined, Registry)


def test_handlers_are_named_for_people() -> None:
    assert make(plain).handler_name == f"{__name__}.plain"
    assert make(AsyncCall()).handler_name == f"{__name__}.AsyncCall"
    assert make(functools.wraps(plain)(lambda: None)).handler_name == f"{__name__}.plain"


# What can never be filled


def scheduled(**given: Any) -> dict[str, Any]:
    return {"triggers": [{"schedule": {"cron": "* * * * *", **given}}]}


LIMIT: dict[str, Any] = {
    "parameters": [{"name": "maxItems", "in": "query", "required": True, "schema": {"type": "integer"}}]
}


def test_a_schedule_that_could_never_call_its_function_is_refused() -> None:
    with pytest.raises(SpecError) as raised:
        make(lambda max_items: None, extension=scheduled(), **LIMIT)
    (mistake,) = raised.value.mistakes
    assert mistake.message == "this schedule can never call f: /query/maxItems is required"
    assert mistake.pointer == "/paths/~1f/post/x-funcatron/triggers/0/schedule"
    (found,) = complaints(lambda max_items: None, extension=scheduled(input={"maxItems": "many"}), **LIMIT)
    assert found.startswith("this schedule can never call f: /query/maxItems ")


@pytest.mark.parametrize("given", [{"maxItems": 5}, {"max_items": 5, "more": 1}])
def test_a_schedule_may_fill_what_is_required(given: dict[str, Any]) -> None:
    function = make(lambda max_items: None, extension=scheduled(input=given), **LIMIT)
    assert function.extension.triggers


def test_what_only_an_event_can_tell_is_not_asked_for() -> None:
    make(lambda max_items: None, extension={"triggers": [{"event": {"type": "t"}}]}, **LIMIT)


@pytest.mark.parametrize(("where", "name"), [("cookie", "theme"), ("header", "X-Auth-Token"), ("header", "x-api-key")])
def test_what_may_not_be_kept_for_later_is_refused(where: str, name: str) -> None:
    secret = {"name": name, "in": where, "schema": {"type": "string"}}
    later = document(parameters=[secret], extension={"mode": "async"})
    assert said(later, handlers=lambda _: lambda **_: None) == [
        f"the {where} parameter {name!r} carries a credential, which is not kept for later: declare a security scheme, "
        "or let the mode be sync"
    ]
    assert make(lambda **_: None, parameters=[secret]).operation.secrets
    plain = {"name": "X-Page-Token", "in": "header", "schema": {"type": "string"}}
    assert not make(lambda **_: None, parameters=[plain], extension={"mode": "async"}).operation.secrets
