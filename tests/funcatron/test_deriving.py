"""Documents derived from handlers: what is in them, that they are valid, agree with the types, and serve."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from funcatron.cli.main import cli, main
from funcatron.deriving import derive, found_handlers
from funcatron.errors import FuncatronError
from funcatron.testing import assert_same_on_every_door

STORE = '''"""A store.

More of it.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Annotated, BinaryIO, Literal, TypedDict
from uuid import UUID

import msgspec
from marshmallow import EXCLUDE, Schema, fields, validate

__version__ = "2.1"


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Session:
    pass


class LineSchema(Schema):
    sku = fields.String(required=True, validate=validate.Length(1, 20))
    price = fields.Float(validate=validate.Range(min=0, max=9, min_inclusive=False, max_inclusive=False))
    at = fields.Time()


class OrderSchema(Schema):
    id = fields.Integer(dump_only=True)
    item = fields.String(required=True, metadata={"description": "What"})
    count = fields.Integer(strict=True, validate=validate.Range(min=1, max=10), load_default=1)
    due = fields.Date(allow_none=True, data_key="dueOn")
    colour = fields.Enum(Colour)
    colour_value = fields.Enum(Colour, by_value=True, allow_none=True)
    state = fields.String(validate=validate.OneOf(["new", "old"]))
    link = fields.URL()
    mail = fields.Email()
    key = fields.UUID()
    lines = fields.List(fields.Nested(LineSchema), validate=validate.Length(max=5))
    one = fields.Nested(LineSchema, allow_none=True)
    skus = fields.Pluck(LineSchema, "sku", many=True)
    secret = fields.String(load_only=True)
    tags = fields.Dict(keys=fields.String(), values=fields.String())
    total = fields.Decimal()
    ip = fields.IPv4()
    took = fields.TimeDelta()
    stamp = fields.DateTime(format="timestamp")
    rfc = fields.DateTime(format="rfc")
    year = fields.DateTime(format="%Y")
    when = fields.AwareDateTime()
    more = fields.Raw()
    code = fields.String(validate=validate.Regexp(r"^[A-Z]{3}$"))
    parent = fields.Nested(lambda: OrderSchema(only=("id",)))


class LooseSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    n = fields.Integer()


@dataclass
class Order:
    item: str
    count: int = 1
    due: date | None = None


class Query(TypedDict):
    text: str


class Hit(msgspec.Struct):
    id: UUID
    at: datetime
    score: float = 1.0


def create_order(body: Annotated[dict, OrderSchema], context) -> tuple[Annotated[dict, OrderSchema], int]:
    """Order something.

    It is sent at once.
    ---
    path: /orders
    post:
      tags: [orders]
      responses: {201: {description: Made}}
    """
    return {**body, "id": 1}, 201


def list_orders(
    session: Session, limit: int = 10, colour: Colour = Colour.RED, since: date | None = None
) -> list[Annotated[dict, OrderSchema]]:
    """List orders.
    ---
    path: /orders
    """
    return [{"item": f"{limit} {colour} {since}"}]


def get_order(order_id: int, verbose: bool = False) -> Annotated[dict, OrderSchema] | None:
    """---
    path: /orders/{orderId}
    get:
      parameters:
        - {name: verbose, in: query, schema: {type: boolean, default: false}, description: More of it}
    """
    return {"id": order_id, "item": "tea"} if order_id < 100 else None


def update_order(order_id: int, body: Annotated[dict, OrderSchema(partial=True)]) -> None:
    """
    ---
    path: /orders/{orderId}
    """


def remove_all(sure: Literal["yes"], body: LooseSchema) -> None: ...


def search(body: Query) -> list[Hit]:
    return []


def echo(body: Order) -> Order:
    return body


def receive(body: BinaryIO) -> bytes:
    return body.read()


def tell(body: Order) -> Iterator[str]:
    yield "a"


def helper(x):
    return x


def _private(body: Order): ...
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "store.py").write_text(STORE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("store", None)


def derived(target: str = "store") -> dict[str, Any]:
    _, handlers, _ = found_handlers(target)
    return derive(handlers, title="t", version="1")


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    return done.return_value or 0, done.stdout, done.stderr


def test_a_derived_document_has_no_mistake_and_no_difference(folder: Path) -> None:
    assert run("spec", "store", "--output", "openapi.yaml") == (
        0,
        "",
        "left out, for nothing of them has a type: helper\n",
    )
    text = (folder / "openapi.yaml").read_text()
    assert text.startswith("openapi: 3.1.0\ninfo:\n  title: A store\n  version: '2.1'\npaths:\n  /orders:\n    post:\n")
    document = yaml.safe_load(text)
    del document["paths"]["/orders"]["get"]  # which needs a service
    (folder / "openapi.json").write_text(json.dumps(document))
    code, out, _ = run("check", "openapi.json", "--json")
    assert (code, json.loads(out)) == (0, {"mistakes": [], "warnings": [], "planned": 8, "refused": []})


def test_json_and_a_title(folder: Path) -> None:
    code, out, _ = run("spec", "store:search", "--json", "--title", "Mine")
    document = json.loads(out)
    assert (code, document["info"], list(document["paths"])) == (0, {"title": "Mine", "version": "2.1"}, ["/search"])


def test_a_derived_document_serves_on_every_door(folder: Path) -> None:
    document = derived("store:create_order,get_order,echo")
    body = {"item": "tea", "count": 2, "dueOn": "2026-01-31", "lines": [{"sku": "a"}]}
    made = assert_same_on_every_door(document, "store.create_order", {"body": body})
    assert (made.status, made.body) == (201, {**body, "id": 1})
    wrong = assert_same_on_every_door(document, "store.create_order", {"body": {"count": 11, "lines": [{}]}})
    assert [error["pointer"] for error in wrong.body["errors"]] == ["/body/count", "/body/lines/0/sku", "/body/item"]
    assert assert_same_on_every_door(document, "store.get_order", {"orderId": 7}).body == {"id": 7, "item": "tea"}
    assert assert_same_on_every_door(document, "store.get_order", {"orderId": 100}).status == 204
    plain = assert_same_on_every_door(document, "store.echo", {"body": {"item": "tea"}})
    assert plain.body == {"item": "tea", "count": 1, "due": None}


def test_paths_and_methods(folder: Path) -> None:
    found = {
        (path, method): operation["operationId"].partition(".")[2]
        for path, item in derived()["paths"].items()
        for method, operation in item.items()
    }
    assert found == {
        ("/orders", "post"): "create_order",
        ("/orders", "get"): "list_orders",
        ("/orders/{orderId}", "get"): "get_order",
        ("/orders/{orderId}", "patch"): "update_order",
        ("/remove-all", "post"): "remove_all",
        ("/search", "post"): "search",
        ("/echo", "post"): "echo",
        ("/receive", "post"): "receive",
        ("/tell", "post"): "tell",
    }


def test_parameters(folder: Path) -> None:
    paths = derived()["paths"]
    assert paths["/orders"]["get"]["parameters"] == [
        {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "default": 10}},
        {
            "name": "colour",
            "in": "query",
            "required": False,
            "schema": {"$ref": "#/components/schemas/Colour", "default": "r"},
        },
        {"name": "since", "in": "query", "required": False, "schema": {"type": "string", "format": "date"}},
    ]
    assert [
        (one["name"], one["in"], one.get("required")) for one in paths["/orders/{orderId}"]["get"]["parameters"]
    ] == [
        ("verbose", "query", None),
        ("orderId", "path", True),
    ]
    assert paths["/remove-all"]["post"]["parameters"][0]["schema"] == {"enum": ["yes"]}


def test_answers(folder: Path) -> None:
    paths = derived()["paths"]
    made = paths["/orders"]["post"]["responses"]
    assert list(made) == ["201", "400"]
    assert made["201"]["description"] == "Made"
    assert made["201"]["content"]["application/json"]["schema"]["$ref"].startswith("#/components/schemas/Order")
    assert list(paths["/orders/{orderId}"]["get"]["responses"]) == ["200", "204", "400"]
    assert list(paths["/orders/{orderId}"]["patch"]["responses"]) == ["204", "400"]
    assert paths["/receive"]["post"]["requestBody"]["content"] == {"application/octet-stream": {}}
    assert paths["/receive"]["post"]["responses"]["200"]["content"] == {"application/octet-stream": {}}
    assert "content" not in paths["/tell"]["post"]["responses"]["200"]


def test_what_docstrings_say(folder: Path) -> None:
    post = derived()["paths"]["/orders"]["post"]
    assert (post["summary"], post["description"], post["tags"]) == (
        "Order something.",
        "It is sent at once.",
        ["orders"],
    )
    assert "summary" not in derived()["paths"]["/orders/{orderId}"]["patch"]


def test_every_type_has_a_name_of_its_own(folder: Path) -> None:
    document = derived("store:create_order,update_order,echo")
    components = document["components"]["schemas"]
    assert set(components) == {"Order", "Order2", "Order3", "Order4", "Line", "Problem"}
    assert list(components["Order"]["properties"]) == ["item", "count", "due"]  # the dataclass
    body = document["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = components[body.rpartition("/")[2]]
    parent = components[schema["properties"]["parent"]["$ref"].rpartition("/")[2]]
    assert (schema["required"], list(parent["properties"])) == (["item"], ["id"])
    assert components["Line"]["properties"]["price"] == {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 9}


BROKEN = [
    ("    ---\n    path: [", "the docstring of f has no YAML after ---"),
    ("    ---\n    - a", "the docstring of f has no mapping after ---"),
    ("    ---\n    get: {}\n    put: {}", "may have path and one method after ---, not get, put"),
    ("    ---\n    pth: /a", "may have path and one method after ---, not pth"),
]


@pytest.mark.parametrize(("docstring", "said"), BROKEN)
def test_docstrings_that_cannot_be_read(
    docstring: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_docs.py").write_text(f'def f():\n    """F.\n{docstring}\n    """\n')
    try:
        with pytest.raises(FuncatronError, match=said):
            derived("broken_docs:f")
    finally:
        sys.modules.pop("broken_docs", None)


def test_two_handlers_of_one_place(folder: Path) -> None:
    text = STORE.replace("path: /orders\n    post:", "path: /echo\n    post:")
    (folder / "store.py").write_text(text)
    with pytest.raises(FuncatronError, match=r"store.echo and store.create_order both have POST /echo: say path"):
        derived()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere", "Error: nowhere cannot be imported: there is no module 'nowhere' on the path\n"),
        ("store:nope", "Error: store.nope cannot be imported: store has no 'nope'\n"),
        ("textwrap", "Error: textwrap has no function whose body or answer has a type; name them: textwrap:function\n"),
    ],
)
def test_what_cannot_be_derived(folder: Path, target: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["spec", target])
    assert (ended.value.code, capsys.readouterr().err) == (1, said)


def test_a_document_that_a_docstring_spoils_is_not_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "store.py").write_text(STORE.replace("tags: [orders]", "tags: orders"))
    with pytest.raises(SystemExit) as ended:
        main(["spec", "store", "--output", "openapi.yaml"])
    assert ended.value.code == 1
    assert "#/paths/~1orders/post/tags: must be an array" in capsys.readouterr().err
    assert not (folder / "openapi.yaml").exists()


def test_what_a_module_prints_is_no_document(folder: Path) -> None:
    (folder / "store.py").write_text(STORE + "\nprint('hello')\n")
    code, out, err = run("spec", "store:search", "--json")
    assert (code, json.loads(out)["openapi"], err) == (0, "3.1.0", "hello\n")
