"""Operations: one shape for what 2.0 and 3.0 say in different words."""

from __future__ import annotations

from typing import Any

import pytest

from funcatron.errors import SpecError
from funcatron.spec.document import Document, load
from funcatron.spec.names import made_name
from funcatron.spec.operation import Body, Callback, Media, Operation, Parameter

OK = {"200": {"description": "ok"}}
INFO = {"title": "T", "version": "1"}


def load3(paths: dict[str, Any], **more: Any) -> Document:
    return load({"openapi": "3.0.3", "info": INFO, "paths": paths, **more})


def load2(paths: dict[str, Any], **more: Any) -> Document:
    return load({"swagger": "2.0", "info": INFO, "paths": paths, **more})


def operation3(operation: dict[str, Any], path: str = "/a", **more: Any) -> Operation:
    return load3({path: {"post": {"responses": OK, **operation}}}, **more).operations[0]


def operation2(operation: dict[str, Any], path: str = "/a", **more: Any) -> Operation:
    return load2({path: {"post": {"responses": OK, **operation}}}, **more).operations[0]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("get", "/items/{itemId}", "get_items_item_id"),
        ("get", "/", "get"),
        ("put", "/a-b/c.d/{x}-{y}", "put_a_b_c_d_x_y"),
        ("post", "newPet", "post_new_pet"),
        ("get", "/café/{größe}", "get_café_größe"),
    ],
)
def test_made_names(method: str, path: str, name: str) -> None:
    assert made_name(method, path) == name


def test_names_are_unique_and_given_ones_win() -> None:
    get = {"get": {"responses": OK}}
    document = load3({"/a/b": get, "/a-b": get, "/c": {"get": {"responses": OK, "operationId": "get_a_b"}}})
    assert [operation.name for operation in document.operations] == ["get_a_b_2", "get_a_b_3", "get_a_b"]


def test_targets_follow_the_nearest_router_controller() -> None:
    def item(operation: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"get": {"responses": OK, **operation}, **more}

    document = load3(
        {
            "/a": item({"operationId": "a", "x-openapi-router-controller": "near"}),
            "/b": item({"operationId": "b"}, **{"x-openapi-router-controller": "path"}),
            "/c": item({"operationId": "c.d"}),
            "/e": item({}),
        },
        **{"x-swagger-router-controller": "root"},
    )
    targets = [operation.target for operation in document.operations]
    assert targets == ["near.a", "path.b", "root.c.d", "root.get_e"]
    plain = load3({"/a": item({"operationId": "pkg.mod.fn"}), "/b": item({}), "/c": item({"operationId": ""})})
    assert [operation.target for operation in plain.operations] == ["pkg.mod.fn", None, None]
    assert [operation.name for operation in plain.operations] == ["pkg.mod.fn", "get_b", "get_c"]


@pytest.mark.parametrize(
    ("servers", "base_path"),
    [
        (None, ""),
        ([], ""),
        ([{"url": "/"}], ""),
        ([{"url": "/v1/"}, {"url": "/other"}], "/v1"),
        ([{"url": "https://api.example.com"}], ""),
        ([{"url": "https://api.example.com:8443/v1"}], "/v1"),
        ([{"url": "v1"}], "/v1"),
        ([{"url": "./v1/../v2/"}], "/v2"),
        ([{"url": "//host/a/b"}], "/a/b"),
        ([{"url": "/caf%C3%A9 x"}], "/café x"),
        ([{"url": "https://{h}/{v}/x", "variables": {"h": {"default": "a"}, "v": {"default": "v2"}}}], "/v2/x"),
        ([{"url": "{base}", "variables": {"base": {"default": "/b"}}}], "/b"),
    ],
)
def test_base_path_of_servers(servers: Any, base_path: str) -> None:
    more = {} if servers is None else {"servers": servers}
    document = load3({"/a": {"get": {"responses": OK}, "servers": [{"url": "/ignored"}]}}, **more)
    assert document.base_path == base_path
    assert document.operations[0].route == base_path + "/a"


@pytest.mark.parametrize(("given", "base_path"), [({}, ""), ({"basePath": "/"}, ""), ({"basePath": "/v1/"}, "/v1")])
def test_base_path_of_2_0(given: dict[str, str], base_path: str) -> None:
    assert load2({}, **given).base_path == base_path


def test_webhooks_have_no_route_and_come_last() -> None:
    hook = {"post": {"operationId": "placed", "responses": OK, "parameters": [{"$ref": "#/components/parameters/P"}]}}
    document = load3(
        {"/z": {"get": {"responses": OK}}},
        components={"parameters": {"P": {"name": "p", "in": "query", "schema": {"type": "string"}}}},
        **{"x-webhooks": {"orderPlaced": hook, "unnamed": {"post": {"responses": OK}}}},
    )
    routes = [(operation.name, operation.route, operation.path) for operation in document.operations]
    assert routes == [("get_z", "/z", "/z"), ("placed", None, "orderPlaced"), ("post_unnamed", None, "unnamed")]
    assert document.operations[1].parameters[0].name == "p"
    assert load2({}, **{"x-webhooks": {"h": {"post": {"responses": OK}}}}).operations[0].route is None


def test_webhooks_are_checked_like_paths() -> None:
    item = {"post": {"parameters": [{"name": "x", "in": "path", "required": True, "schema": {}}], "respones": OK}}
    with pytest.raises(SpecError) as caught:
        load3({}, **{"x-webhooks": {"hook": item}})
    assert [str(mistake) for mistake in caught.value.mistakes] == [
        "<dict> #/x-webhooks/hook/post/parameters/0: there is no path to take it from, so the path parameter 'x' can "
        "never be filled",
        "<dict> #/x-webhooks/hook/post/respones: is not a known property; did you mean 'responses'?",
        "<dict> #/x-webhooks/hook/post/responses: is required",
    ]


def test_parameters_of_the_path_are_merged_by_name_and_place() -> None:
    string, integer = {"type": "string"}, {"type": "integer"}
    item = {
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": integer},
            {"name": "q", "in": "query", "schema": string},
            {"name": "q", "in": "header", "schema": string},
        ],
        "get": {"responses": OK, "parameters": [{"name": "q", "in": "query", "schema": integer, "required": True}]},
    }
    found = load3({"/a/{id}": item}).operations[0].parameters
    assert [(p.name, p.location, p.schema["type"], p.required) for p in found] == [
        ("id", "path", "integer", True),
        ("q", "query", "integer", True),
        ("q", "header", "string", False),
    ]
    assert found[1].pointer == "/paths/~1a~1{id}/get/parameters/0"
    assert found[2].pointer == "/paths/~1a~1{id}/parameters/2"


@pytest.mark.parametrize(
    ("given", "style", "explode"),
    [
        ({"in": "query"}, "form", True),
        ({"in": "query", "explode": False}, "form", False),
        ({"in": "query", "style": "spaceDelimited"}, "spaceDelimited", False),
        ({"in": "query", "style": "deepObject", "explode": True}, "deepObject", True),
        ({"in": "header"}, "simple", False),
        ({"in": "header", "explode": True}, "simple", True),
        ({"in": "cookie"}, "form", True),
        ({"in": "path", "required": True}, "simple", False),
        ({"in": "path", "required": True, "style": "matrix"}, "matrix", False),
    ],
)
def test_styles_of_3_0(given: dict[str, Any], style: str, explode: bool) -> None:
    parameter = {"name": "p", "schema": {"type": "array"}, **given}
    (found,) = operation3({"parameters": [parameter]}, "/{p}" if given["in"] == "path" else "/a").parameters
    assert (found.style, found.explode) == (style, explode)


def test_content_parameters_and_ignored_headers() -> None:
    parameters = [
        {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
        {"name": "bare", "in": "query", "content": {"text/plain": {}}, "allowEmptyValue": True},
        *({"name": name, "in": "header", "schema": {}} for name in ("Accept", "content-type", "AUTHORIZATION", "X-A")),
    ]
    found = operation3({"parameters": parameters}).parameters
    assert [(p.name, p.media_type, p.schema) for p in found] == [
        ("filter", "application/json", {"type": "object"}),
        ("bare", "text/plain", {}),
        ("X-A", None, {}),
    ]
    assert found[1].allow_empty


@pytest.mark.parametrize(
    ("given", "style", "explode"),
    [
        ({"in": "query"}, "form", False),
        ({"in": "query", "collectionFormat": "csv"}, "form", False),
        ({"in": "query", "collectionFormat": "multi"}, "form", True),
        ({"in": "query", "collectionFormat": "ssv"}, "spaceDelimited", False),
        ({"in": "query", "collectionFormat": "tsv"}, "tabDelimited", False),
        ({"in": "query", "collectionFormat": "pipes"}, "pipeDelimited", False),
        ({"in": "header"}, "simple", False),
        ({"in": "path", "required": True}, "simple", False),
        ({"in": "path", "required": True, "collectionFormat": "pipes"}, "pipeDelimited", False),
    ],
)
def test_collection_formats_of_2_0(given: dict[str, Any], style: str, explode: bool) -> None:
    parameter = {"name": "p", "type": "array", "items": {"type": "string"}, "minItems": 1, **given}
    (found,) = operation2({"parameters": [parameter]}, "/{p}" if given["in"] == "path" else "/a").parameters
    assert (found.style, found.explode) == (style, explode)
    assert found.schema == {"type": "array", "items": {"type": "string"}, "minItems": 1}


def test_keywords_of_a_2_0_parameter_become_its_schema() -> None:
    parameter = {
        "name": "p", "in": "query", "description": "d", "type": "integer", "format": "int32", "default": 1,
        "enum": [1, 2], "x-nullable": True, "allowEmptyValue": True,
    }  # fmt: skip
    assert operation2({"parameters": [parameter]}).parameters == (
        Parameter(
            name="p",
            location="query",
            schema={"type": "integer", "format": "int32", "default": 1, "enum": [1, 2], "x-nullable": True},
            style="form",
            allow_empty=True,
            pointer="/paths/~1a/post/parameters/0",
        ),
    )


def test_body_of_3_0() -> None:
    schema = {"type": "object"}
    media = {"multipart/form-data": {"schema": schema, "encoding": {"a": {"contentType": "image/*"}}}, "text/*": {}}
    assert operation3({"requestBody": {"required": True, "content": media, "x-body-name": "order"}}).body == Body(
        name="order",
        required=True,
        content={
            "multipart/form-data": Media(schema=schema, encoding={"a": {"contentType": "image/*"}}),
            "text/*": Media(),
        },
        pointer="/paths/~1a/post/requestBody",
    )
    assert operation3({}).body is None
    assert operation3({"x-body-name": "b", "requestBody": {"content": {}}}).body == Body(
        name="b", pointer="/paths/~1a/post/requestBody"
    )


def test_body_of_2_0() -> None:
    schema = {"type": "object"}
    parameter = {"name": "order", "in": "body", "required": True, "schema": schema}
    body = operation2({"parameters": [parameter]}).body
    assert body == Body(
        name="order",
        required=True,
        content={"application/json": Media(schema=schema)},
        pointer="/paths/~1a/post/parameters/0",
    )
    given = {"consumes": ["application/xml", "text/json"], "parameters": [parameter]}
    body = operation2(given, consumes=["text/plain"]).body
    assert body is not None
    assert list(body.content) == ["application/xml", "text/json"]
    body = operation2({"parameters": [{**parameter, "x-nullable": True}]}, consumes=["text/plain"]).body
    assert body is not None
    assert body.content["text/plain"].schema == {"anyOf": [schema, {"enum": [None]}]}


def test_form_of_2_0() -> None:
    fields = [
        {"name": "file", "in": "formData", "type": "file", "required": True},
        {"name": "tags", "in": "formData", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"},
        {"name": "n", "in": "formData", "type": "integer", "default": 3},
    ]
    schema = {
        "type": "object",
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "n": {"type": "integer", "default": 3},
        },
        "required": ["file"],
    }
    media = Media(schema=schema, encoding={"tags": {"style": "form", "explode": True}})
    pointer = "/paths/~1a/post/parameters"
    assert operation2({"parameters": fields}).body == Body(
        required=True, content={"multipart/form-data": media}, unpacked=True, pointer=pointer
    )
    plain = operation2({"parameters": fields[2:]}, consumes=["application/json"]).body
    assert plain is not None
    assert list(plain.content) == ["application/x-www-form-urlencoded", "multipart/form-data"]
    assert not plain.required
    declared = operation2({"parameters": fields[2:], "consumes": ["multipart/form-data; charset=utf-8", "text/x"]}).body
    assert declared is not None
    assert list(declared.content) == ["multipart/form-data; charset=utf-8"]


def test_replies_of_3_0() -> None:
    responses = {
        "200": {"$ref": "#/components/responses/Ok"},
        "4XX": {"description": "no", "content": {"application/problem+json": {}}},
        "default": {"description": "else"},
        "x-mine": 1,
    }
    headers = {
        "X-Count": {"required": True, "schema": {"type": "integer"}},
        "X-Json": {"content": {"application/json": {"schema": {"type": "object"}}}},
        "Content-Type": {"schema": {"type": "string"}},
    }
    components = {"responses": {"Ok": {"description": "ok", "headers": headers}}}
    operation = operation3({"responses": responses}, components=components)
    assert list(operation.replies) == ["200", "4XX", "default"]
    assert operation.replies["200"].headers == {"x-count": {"type": "integer"}, "x-json": {"type": "object"}}
    assert operation.replies["200"].required_headers == {"x-count"}
    assert operation.reply(200) is operation.replies["200"]
    assert operation.reply(404) is operation.replies["4XX"]
    assert operation.reply(500) is operation.replies["default"]
    assert operation.replies["4XX"].content == {"application/problem+json": Media()}


def test_replies_of_2_0() -> None:
    responses = {
        "200": {"description": "", "schema": {"type": "object"}, "headers": {"X-A": {"type": "integer", "minimum": 1}}},
        "201": {"description": ""},
        "202": {"description": "", "schema": {"type": "file"}},
    }
    operation = operation2({"responses": responses})
    assert operation.replies["200"].content == {"application/json": Media(schema={"type": "object"})}
    assert operation.replies["200"].headers == {"x-a": {"type": "integer", "minimum": 1}}
    assert operation.replies["201"].content == {}
    assert operation.replies["202"].content == {"*/*": Media()}
    operation = operation2({"responses": responses, "produces": ["image/png"]}, produces=["text/plain"])
    assert operation.replies["200"].content == {"image/png": Media(schema={"type": "object"})}
    assert operation.replies["201"].content == {"image/png": Media()}
    assert operation.replies["202"].content == {"image/png": Media()}


def test_security_is_the_operations_or_the_documents() -> None:
    components = {"securitySchemes": {"a": {"type": "http", "scheme": "basic"}, "b": {"type": "oauth2", "flows": {}}}}
    more = {"components": components, "security": [{"a": []}]}
    assert operation3({}, **more).security == ({"a": ()},)
    assert operation3({"security": []}, **more).security == ()
    assert operation3({"security": [{"a": [], "b": ["x", "y"]}, {}]}, **more).security == (
        {"a": (), "b": ("x", "y")},
        {},
    )


def test_callbacks() -> None:
    callbacks = {
        "done": {"{$request.body#/url}": {"post": {"responses": OK}, "parameters": []}, "x-mine": 1},
        "other": {"$ref": "#/components/callbacks/Other"},
    }
    components = {"callbacks": {"Other": {"{$request.header.X-Url}": {"put": {"responses": OK}}}}}
    assert operation3({"callbacks": callbacks}, components=components).callbacks == (
        Callback(name="done", expression="{$request.body#/url}"),
        Callback(name="other", expression="{$request.header.X-Url}", method="put"),
    )


def test_the_rest() -> None:
    operation = operation3({"summary": "s", "tags": ["a", "b"]})
    assert (operation.summary, operation.tags, operation.method) == ("s", ("a", "b"), "post")
    assert operation.pointer == "/paths/~1a/post"
    assert operation.document.mistake(operation.pointer, "x").pointer == "/paths/~1a/post"
