"""Typed bodies: what an annotation asks for, and what is said of JSON that is not it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict
from uuid import UUID

import marshmallow
import msgspec
import pytest

from funcatron.annotations import typed_argument
from funcatron.codec import decode_json, encode_json
from funcatron.errors import FuncatronError, Violation
from funcatron.loading import Loader

if TYPE_CHECKING:
    from somewhere import Imported  # type: ignore[import-not-found]

    from funcatron.invocation import Context


@dataclass
class Line:
    sku: str
    count: int = 1


@dataclass
class Order:
    n: int
    lines: list[Line] = field(default_factory=list)
    placed: date | None = None

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError("n must not be negative")


class Point(TypedDict):
    x: int
    label: NotRequired[str]


class Fast(msgspec.Struct):
    when: datetime
    price: Decimal
    key: UUID


class OrderSchema(marshmallow.Schema):
    n = marshmallow.fields.Integer(required=True, strict=True)
    lines = marshmallow.fields.List(
        marshmallow.fields.Nested(marshmallow.Schema.from_dict({"sku": marshmallow.fields.String(required=True)}))
    )

    @marshmallow.post_load
    def make(self, data: dict[str, Any], **_: Any) -> Order:
        return Order(data["n"], [Line(**line) for line in data.get("lines", [])])

    @marshmallow.validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("n") == 13:
            raise marshmallow.ValidationError("unlucky")


def loader(handler: Callable[..., Any]) -> Loader:
    typed, complaint = typed_argument(handler, "body")
    assert complaint is None
    assert typed is not None
    return Loader(typed)


def loaded(handler: Callable[..., Any], value: Any) -> Any:
    result, violations = loader(handler).load(value, "/body")
    assert violations == []
    return result


def refused(handler: Callable[..., Any], value: Any) -> list[tuple[str, str]]:
    _, violations = loader(handler).load(value, "/body")
    return [(violation.pointer, violation.message) for violation in violations]


def dataclass_body(body: Order) -> None: ...
def optional_body(body: Order | None) -> None: ...
def list_body(body: list[Order]) -> None: ...
def annotated_body(body: Annotated[Order, "a note"]) -> None: ...
def typed_dict_body(body: Point) -> None: ...
def struct_body(body: Fast) -> None: ...
def schema_body(body: OrderSchema) -> None: ...
def annotated_schema(body: Annotated[Order, OrderSchema]) -> None: ...
def annotated_instance(body: Annotated[list[Order], OrderSchema(many=True)]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "value", "result"),
    [
        (dataclass_body, {"n": 1, "placed": "2024-02-29"}, Order(1, placed=date(2024, 2, 29))),
        (dataclass_body, {"n": 1, "lines": [{"sku": "a"}], "unknown": 1}, Order(1, [Line("a")])),
        (optional_body, {"n": 1}, Order(1)),
        (optional_body, None, None),
        (list_body, [{"n": 1}, {"n": 2}], [Order(1), Order(2)]),
        (annotated_body, {"n": 1}, Order(1)),
        (typed_dict_body, {"x": 1, "label": "a"}, {"x": 1, "label": "a"}),
        (
            struct_body,
            {"when": "2024-02-29T00:00:00Z", "price": "1.10", "key": "00000000-0000-0000-0000-000000000001"},
            Fast(datetime.fromisoformat("2024-02-29T00:00:00+00:00"), Decimal("1.10"), UUID(int=1)),
        ),
        (schema_body, {"n": 1}, Order(1)),
        (annotated_schema, {"n": 1, "lines": [{"sku": "a"}]}, Order(1, [Line("a")])),
        (annotated_instance, [{"n": 1}], [Order(1)]),
    ],
)
def test_json_becomes_what_the_annotation_says(handler: Callable[..., Any], value: Any, result: Any) -> None:
    assert loaded(handler, value) == result


@pytest.mark.parametrize(
    ("handler", "value", "found"),
    [
        (dataclass_body, {}, [("/body", "Object missing required field `n`")]),
        (dataclass_body, {"n": "1"}, [("/body/n", "Expected `int`, got `str`")]),
        (dataclass_body, {"n": -1}, [("/body", "n must not be negative")]),
        (dataclass_body, {"n": 1, "lines": [{"sku": 2}]}, [("/body/lines/0/sku", "Expected `str`, got `int`")]),
        (dataclass_body, [], [("/body", "Expected `object`, got `array`")]),
        (list_body, [{"n": 1}, {"n": None}], [("/body/1/n", "Expected `int`, got `null`")]),
        (typed_dict_body, {"label": "a"}, [("/body", "Object missing required field `x`")]),
        (schema_body, {"n": "x"}, [("/body/n", "Not a valid integer.")]),
        (schema_body, {"n": 1, "odd": 1}, [("/body/odd", "Unknown field.")]),
        (schema_body, {"n": 13}, [("/body", "unlucky")]),
        (
            annotated_schema,
            {"lines": [{"sku": "a"}, {"a/b": 1}]},
            [("/body/lines/1/sku", "Missing data for required field."), ("/body/lines/1/a~1b", "Unknown field."),
             ("/body/n", "Missing data for required field.")],
        ),
        (annotated_instance, [{"n": 1}, {}], [("/body/1/n", "Missing data for required field.")]),
        (schema_body, "text", [("/body", "Invalid input type.")]),
    ],
)  # fmt: skip
def test_every_mistake_has_its_place(handler: Callable[..., Any], value: Any, found: list[tuple[str, str]]) -> None:
    assert sorted(refused(handler, value)) == sorted(found)


@dataclass(frozen=True)
class Frozen:
    n: int = 3
    inner: list[Line] = field(default_factory=list)


class Holder(msgspec.Struct):
    frozen: Frozen
    by_name: dict[str, Line]


def struct_of_dataclasses(body: Holder) -> None: ...


def test_defaults_of_dataclasses_are_seen_by_whoever_looks_into_them() -> None:
    made = loaded(struct_of_dataclasses, {"frozen": {"inner": [{"sku": "a"}]}, "by_name": {"b": {"sku": "b"}}})
    told = {"frozen": {"n": 3, "inner": [{"sku": "a", "count": 1}]}, "by_name": {"b": {"sku": "b", "count": 1}}}
    assert decode_json(encode_json(made)) == told
    assert vars(made.by_name["b"]) == {"sku": "b", "count": 1}


@pytest.mark.parametrize("handler", [dataclass_body, schema_body, struct_of_dataclasses])
def test_whole_numbers_are_integers(handler: Callable[..., Any]) -> None:
    if handler is struct_of_dataclasses:
        assert loaded(handler, {"frozen": {"n": 5.0}, "by_name": {}}).frozen.n == 5
    else:
        assert loaded(handler, {"n": 5.0}).n == 5
        assert [pointer for pointer, _ in refused(handler, {"n": 5.5})] == ["/body/n"]


class Renaming(marshmallow.Schema):
    item = marshmallow.fields.String(required=True)

    @marshmallow.pre_load
    def rename(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data["item"] = data.pop("name")
        return data


def renaming(body: Renaming) -> None: ...


def test_a_hook_that_changes_the_body_changes_a_copy() -> None:
    body = {"name": "tea"}
    assert loaded(renaming, body) == {"item": "tea"}
    assert body == {"name": "tea"}


def test_the_place_is_below_what_it_is_told() -> None:
    _, violations = loader(dataclass_body).load({"n": None}, "/elsewhere")
    assert violations == [Violation("/elsewhere/n", "Expected `int`, got `null`")]


def untyped(body) -> None: ...  # type: ignore[no-untyped-def]
def dict_body(body: dict) -> None: ...  # type: ignore[type-arg]
def any_body(body: Any) -> None: ...
def mapping_body(body: dict[str, Any]) -> None: ...
def list_of_text(body: list[str]) -> None: ...
def text_body(body: str) -> None: ...


@pytest.mark.parametrize("handler", [untyped, dict_body, any_body, mapping_body, list_of_text, text_body, print])
def test_other_annotations_leave_the_json_as_it_is(handler: Callable[..., Any]) -> None:
    assert typed_argument(handler, "body") == (None, None)


class Callables:
    def method(self, body: Order) -> None: ...

    def __call__(self, body: Order) -> None: ...


@functools.wraps(dataclass_body)
def wrapped(*args: Any, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    "handler",
    [
        Callables().method,
        Callables(),
        functools.partial(dataclass_body),
        functools.partial(Callables().method),
        wrapped,
    ],
    ids=range(5),
)
def test_the_annotation_is_found_on_every_kind_of_callable(handler: Callable[..., Any]) -> None:
    assert loaded(handler, {"n": 1}) == Order(1)


def test_what_is_imported_for_type_checkers_elsewhere_in_the_signature_does_not_matter() -> None:
    def handler(body: Order, context: Context) -> None: ...

    assert loaded(handler, {"n": 1}) == Order(1)


def test_what_cannot_be_read_is_said() -> None:
    def handler(body: Imported) -> None: ...

    made, complaint = typed_argument(handler, "body")
    assert made is None
    assert complaint == "the annotation of the handler's argument 'body' cannot be read: name 'Imported' is not defined"


class Cat(msgspec.Struct):
    name: str


class Dog(msgspec.Struct):
    name: str


def either(body: Cat | Dog) -> None: ...


def test_a_type_that_nothing_can_be_loaded_into_is_said() -> None:
    made, complaint = typed_argument(either, "body")
    assert made is None
    assert complaint is not None
    assert complaint.startswith("no body can be loaded into the annotation of the handler's argument 'body': ")


@dataclass
class Failing:
    n: int

    def __post_init__(self) -> None:
        raise KeyError("secret")


class FailingSchema(marshmallow.Schema):
    @marshmallow.post_load
    def make(self, data: Any, **_: Any) -> None:
        raise KeyError("secret")


def failing_dataclass(body: Failing) -> None: ...
def failing_schema(body: FailingSchema) -> None: ...


@pytest.mark.parametrize("handler", [failing_dataclass, failing_schema])
def test_a_type_that_fails_is_no_fault_of_the_caller(handler: Callable[..., Any]) -> None:
    with pytest.raises(FuncatronError, match="the log has the reason") as failed:
        loader(handler).load({"n": 1} if handler is failing_dataclass else {}, "/body")
    assert isinstance(failed.value.__cause__, KeyError)
    assert "secret" not in str(failed.value)
