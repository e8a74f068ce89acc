from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from funcatron.spec.document import load
from funcatron_flask.deriving import derive
from funcatron_flask.names import names_of
from funcatron_flask.routes import routes_of
from tests.funcatron_flask.rough import make_app


def view(**parts: Any) -> str:
    """Say it.

    In many words.
    """
    return str(parts)


@pytest.mark.parametrize(
    ("variable", "schema"),
    [
        ("<x>", {"type": "string", "minLength": 1}),
        ("<string(length=2):x>", {"type": "string", "minLength": 1}),
        ("<int:x>", {"type": "integer", "minimum": 0}),
        ("<int(min=2, max=5):x>", {"type": "integer", "minimum": 2, "maximum": 5}),
        ("<int(signed=True):x>", {"type": "integer"}),
        ("<float(signed=True, max=1.5):x>", {"type": "number", "maximum": 1.5}),
        ("<uuid:x>", {"type": "string", "format": "uuid"}),
        ("<path:x>", {"type": "string", "format": "path"}),
        ("<any(b, 'a (c)', \"d:e\"):x>", {"type": "string", "enum": ["a (c)", "b", "d:e"]}),
    ],
)
def test_a_converter_is_a_schema(variable: str, schema: dict[str, Any]) -> None:
    app = Flask("one")
    app.add_url_rule(f"/a/{variable}/b", "one", view)
    ((template, item),) = derive(app)["paths"].items()
    assert template == "/a/{x}/b"
    assert item["get"]["parameters"][0] == {"name": "x", "in": "path", "required": True, "schema": schema}


def test_an_operation_says_what_the_view_does() -> None:
    app = Flask("one")
    app.add_url_rule("/a", "area.one", view, methods=["GET", "POST"])
    item = derive(app)["paths"]["/a"]
    assert [item[method]["operationId"] for method in ("get", "post")] == ["area.one.get", "area.one.post"]
    assert (item["get"]["summary"], item["get"]["description"]) == ("Say it.", "In many words.")
    assert item["get"]["tags"] == ["area"]
    assert "requestBody" in item["post"]
    assert "requestBody" not in item["get"]


def test_names_are_each_ones_own() -> None:
    routes = tuple(routes_of(make_app()))
    names = names_of(routes)
    assert len(set(names.values())) == len(routes)
    assert {str(route): name for route, name in names.items() if route.endpoint == "area.show"} == {
        "GET /area/{area}/": "area.show",
        "GET /area/{area}/{page}": "area.show_2",
    }


def test_files_and_rules_that_no_view_answers_are_left_out() -> None:
    app = Flask("one", static_folder="files", static_url_path="/files")
    app.add_url_rule("/built", "built", build_only=True)
    app.add_url_rule("/moved", "moved", redirect_to="/a")
    app.add_url_rule("/a", "a", view)
    assert list(derive(app)["paths"]) == ["/a"]


def test_a_derived_document_is_valid() -> None:
    assert len(load(derive(make_app())).operations) > 30
