"""Signatures at load: who may be named, and what is said of each mistake."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import pytest

from funcatron.registry import Function
from tests.funcatron.functions import complaints, json_body, make, parameter

BINARY = {"type": "string", "format": "binary"}
ANYTHING = json_body({"type": "object"})


def keywords_of(function: Function) -> dict[str, str]:
    return dict(function.binder._plan.keywords)


# What fits


def test_only_what_is_named_is_wanted() -> None:
    def handler() -> None: ...

    function = make(handler, parameters=[parameter("q")], requestBody=ANYTHING)
    plan = function.binder._plan
    assert (dict(plan.keywords), plan.context, plan.event, plan.everything) == ({}, False, False, False)


def test_keyword_only_arguments_and_positional_leftovers_are_fine() -> None:
    def handler(*args: Any, q: str, **kwargs: Any) -> None: ...

    function = make(handler, parameters=[parameter("q"), parameter("r")])
    assert keywords_of(function) == {"q": "q"}
    assert function.binder._plan.everything


def test_a_name_of_the_document_wins_over_a_service_and_connexions_extras() -> None:
    def handler(db: str, user: str) -> None: ...

    function = make(handler, services=["db"], parameters=[parameter("db"), parameter("user")])
    assert keywords_of(function) == {"db": "db", "user": "user"}
    assert function.binder.services == ()


def test_an_exact_name_wins_over_another_spelling() -> None:
    def handler(id_: Any, id: Any, item_id: Any) -> None: ...

    function = make(handler, parameters=[parameter("id"), parameter("id_"), parameter("itemId"), parameter("item_id")])
    assert keywords_of(function) == {"id": "id", "id_": "id_query", "item_id": "item_id"}


@pytest.mark.parametrize("name", ["body", "theOrder", "the_order"])
def test_the_body_has_three_names(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def handler({name}): pass", namespace)
    function = make(namespace["handler"], requestBody=ANYTHING | {"x-body-name": "theOrder"})
    assert keywords_of(function) == {name: "the_order"}


def test_events_have_a_body_where_the_document_describes_none() -> None:
    def handler(body: Any, event: Any) -> None: ...

    function = make(handler, method="get", extension={"triggers": [{"event": {"type": "t"}}]})
    assert function.binder.body_argument == "body"


class Callables:
    def method(self, q: str) -> None: ...

    @staticmethod
    def static(q: str) -> None: ...

    @classmethod
    def of_class(cls, q: str) -> None: ...

    def __call__(self, q: str) -> None: ...


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "handler",
    [
        Callables().method,
        Callables.static,
        Callables.of_class,
        Callables(),
        functools.partial(lambda extra, q: None, 1),
        decorated(Callables().method),
        lambda q: None,
    ],
    ids=range(7),
)
def test_any_callable_is_a_handler(handler: Callable[..., Any]) -> None:
    assert keywords_of(make(handler, parameters=[parameter("q")])) == {"q": "q"}


def test_what_has_no_signature_takes_everything() -> None:
    function = make(operator.itemgetter(1), parameters=[parameter("q")])
    assert function.binder._plan.everything


# Mistakes


def test_an_argument_that_nobody_can_fill() -> None:
    def handler(body: Any, itm_id: int, color: str, size: int = 1) -> None: ...

    found = complaints(
        handler, services=["db"], parameters=[parameter("itemId", "path"), parameter("X-y", "header")],
        requestBody=ANYTHING,
    )  # fmt: skip
    offers = "f offers body, context, db, event, item_id, x_y"
    assert found == [
        f"the handler's argument 'color' can be filled by nothing: {offers}",
        f"the handler's argument 'itm_id' can be filled by nothing: {offers}",
    ]


def test_a_body_that_the_document_does_not_have() -> None:
    def handler(body: Any) -> None: ...

    assert complaints(handler, method="get") == [
        "the handler's argument 'body' can be filled by nothing: f offers context, event"
    ]


@pytest.mark.parametrize("name", ["context", "event", "Event", "x-event"])
def test_reserved_names_are_no_parameters(name: str) -> None:
    def handler() -> None: ...

    if name == "x-event":
        make(handler, parameters=[parameter(name)])
        return
    (found,) = complaints(handler, parameters=[parameter(name)])
    assert found.startswith(f"the query parameter '{name}' would be the argument '{name.lower()}', which is reserved")


def test_positional_only_arguments() -> None:
    def handler(q: str, r: str = "", /) -> None: ...

    assert complaints(handler, parameters=[parameter("q"), parameter("r")]) == [
        "the handler's argument 'q' is positional-only; arguments are passed by name"
    ]


def test_a_service_that_is_not_registered() -> None:
    def handler(db: Any) -> None: ...

    assert complaints(handler) == ["the handler's argument 'db' can be filled by nothing: f offers context, event"]


def test_all_mistakes_of_a_handler_are_listed() -> None:
    def handler(a: Any, /, b: Any, body: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    found = complaints(handler, parameters=[parameter("context")], requestBody=ANYTHING)
    assert len(found) == 4
    for said in ("'a' is positional-only", "'b' can be filled by nothing", "'body' cannot be read", "'context', which"):
        assert any(said in message for message in found), said


# Forms, as connexion hands them over


def form(properties: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"multipart/form-data": {"schema": {"type": "object", "properties": properties}}}}


def test_files_of_a_form_may_be_named_but_not_its_fields() -> None:
    def files(photo: Any, pages: Any) -> None: ...

    properties = {"title": {"type": "string"}, "photo": BINARY, "pages": {"type": "array", "items": BINARY}}
    assert make(files, requestBody=form(properties)).binder._plan.unpacked == ("photo", "pages")

    def fields(title: str) -> None: ...

    assert "'title' can be filled by nothing" in complaints(fields, requestBody=form(properties))[0]


def test_all_fields_of_a_2_0_form_may_be_named() -> None:
    def handler(title: str, photo: Any) -> None: ...

    fields = [
        {"name": "title", "in": "formData", "type": "string", "default": "none"},
        {"name": "photo", "in": "formData", "type": "file"},
    ]
    function = make(handler, parameters=fields, consumes=["multipart/form-data"], more={"swagger": "2.0"})
    assert function.binder.check({}) == {"body": {"title": "none"}}
