"""Where documents come from, what is refused, and that every mistake is told at once with its place."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import SpecError
from funcatron.spec import source
from funcatron.spec.document import Document, load

MINIMAL: dict[str, Any] = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {}}
YAML = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths: {}\n"


def refused(given: Any) -> list[str]:
    """Return the mistakes as ``file:line #pointer: message``, files without their folder."""
    with pytest.raises(SpecError) as caught:
        load(given)
    folder = f"{given.parent}/" if isinstance(given, Path) else ""
    return [str(mistake).replace(folder, "") for mistake in caught.value.mistakes]


def test_a_path_a_string_and_a_file_url_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "ünï code.yaml"
    file.write_text(YAML)
    for given in (file, str(file), file.as_uri()):
        document = load(given)
        assert document.title == "T"
        assert document.version == (3, 0)
        assert document.folder == tmp_path
        assert document.files == (file,)
        assert document.operations == ()
    assert load(str(file)).source == str(file)


def test_a_relative_path_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "api.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    document = load("api.yaml")
    assert document.source == "api.yaml"
    assert document.files == (tmp_path / "api.yaml",)


def test_json_with_a_byte_order_mark_and_tabs(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(MINIMAL, indent="\t").encode())
    assert load(file).title == "T"


def test_the_first_character_tells_json_from_yaml_where_the_name_does_not(tmp_path: Path) -> None:
    file = tmp_path / "api"
    file.write_text(json.dumps(MINIMAL))
    assert load(file).title == "T"
    file.write_text(YAML)
    assert load(file).title == "T"


def test_a_dict_is_copied_and_keys_become_strings() -> None:
    responses = {200: {"description": "ok"}}
    given = {**MINIMAL, "paths": {"/a": {"get": {"responses": responses}}}}
    document = load(given)
    assert document.source == "<dict>"
    assert document.folder is None
    assert document.files == ()
    assert list(document.operations[0].replies) == ["200"]
    assert given["paths"]["/a"]["get"]["responses"] is responses
    assert list(responses) == [200]


def test_what_a_dict_cannot_hold() -> None:
    assert refused({**MINIMAL, "x-a": {"b": [object()]}}) == ["<dict> #/x-a/b/0: object is not JSON"]
    assert refused({**MINIMAL, "x-a": float("nan")}) == ["<dict> #/x-a: float is not JSON"]
    endless: dict[str, Any] = {**MINIMAL}
    endless["x-self"] = endless
    assert "nested deeper" in refused(endless)[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "a.yaml: the file is empty"),
        (b"- a", "a.yaml:1: not an OpenAPI document: it must be an object"),
        (b"a: b: c", "a.yaml:1: not valid YAML: mapping values are not allowed in this context"),
        (b"a: 1\nb: \xff", "a.yaml:2: not UTF-8"),
        ("a: 1".encode("utf-16"), "a.yaml:1: not UTF-8"),
        (b"a: 1\na: 2", "a.yaml:2 #/a: the key 'a' stands twice"),
        (b"a: 1", "a.yaml:1: not an OpenAPI document: it has neither 'openapi: 3.0.x' nor 'swagger: \"2.0\"'"),
        (b"swagger: '2.0'\nopenapi: 3.0.0", "a.yaml:1: not an OpenAPI document: it has both 'swagger' and 'openapi'"),
        (
            b"\nopenapi: 3.2.0",
            "a.yaml:2 #/openapi: version '3.2.0' is not supported; 2.0, 3.0 and 3.1 are",
        ),
        (b"openapi: 4", "a.yaml:1 #/openapi: version 4 is not supported; 2.0, 3.0 and 3.1 are"),
        (
            b"swagger: '3.0'",
            "a.yaml:1 #/swagger: version '3.0' is not supported; 2.0, 3.0 and 3.1 are",
        ),
        (
            b"openapi: [3]",
            "a.yaml:1 #/openapi: version [3] is not supported; 2.0, 3.0 and 3.1 are",
        ),
    ],
)
def test_what_is_no_document(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    assert refused(file) == [told]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml") == ["none.yaml: cannot be read: No such file or directory"]
    assert "cannot be read: Is a directory" in refused(tmp_path)[0]
    assert refused("http://127.0.0.1:1/api.yaml") == ["http://127.0.0.1:1/api.yaml: cannot be read: Connection refused"]


def test_an_unquoted_version_number_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("swagger: 2.0\ninfo: {title: T, version: '1'}\npaths: {}\n")
    assert refused(file) == ['a.yaml:1 #/swagger: must be "2.0", not 2.0']


MISTAKEN = """\
openapi: 3.0.3
info: {title: T, versoin: "1"}
security: [{nobody: []}]
x-funcatron: {tiemout: 3}
paths:
  pets: {}
  /a/{x}:
    gett: {}
    get:
      operationId: twice
      parameters:
        - {name: x, in: path, schema: {type: integer}}
        - {name: y, in: path, required: true, schema: {type: strng}}
        - {name: q, in: qeury, schema: {type: string}}
        - {name: r, in: query}
        - {$ref: "#/components/parameters/None"}
        - {name: s, in: query, schema: {type: integer, default: x}}
        - {name: s, in: query, schema: {type: array, items: {typ: string}}}
      responses:
        200: {description: x}
        "20": {description: y}
        "404": {}
  /a/{z}:
    post:
      operationId: twice
      requestBody: {content: {application/json: {schema: {type: integer, minimum: abc}}}}
      responses: {default: {$ref: "#/components/responses/R"}}
components:
  schemas:
    A: {$ref: "#/components/schemas/A"}
    B: {type: string, pattern: "([a-z", example: {$ref: nothing}}
    C: {type: object, properties: {$ref: {type: string}, id: {$ref: "other.yaml#/X"}}}
  responses:
    R: {description: ok, headers: {X: {schema: {type: string}, content: {}}}}
  securitySchemes:
    k: {type: apiKey, in: body, name: x}
    h: {type: htttp}
"""


def test_every_mistake_at_once_each_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(MISTAKEN)
    types = '"array", "boolean", "integer", "number", "object" or "string"'
    assert refused(file) == [
        "a.yaml:2 #/info/version: is required",
        "a.yaml:2 #/info/versoin: is not a known property; did you mean 'version'?",
        "a.yaml:3 #/security/0/nobody: there is no security scheme 'nobody'",
        "a.yaml:4 #/x-funcatron/tiemout: is not a known property; did you mean 'timeout'?",
        "a.yaml:6 #/paths/pets: is not a known property; names must match ^\\/",
        "a.yaml:8 #/paths/~1a~1{x}/gett: is not a known property; did you mean 'get'?",
        "a.yaml:12 #/paths/~1a~1{x}/get/parameters/0/required: is required",
        "a.yaml:13 #/paths/~1a~1{x}/get/parameters/1: the path has no {y}, so the path parameter 'y' can never be "
        "filled",
        f'a.yaml:13 #/paths/~1a~1{{x}}/get/parameters/1/schema/type: must be {types}, not "strng"',
        'a.yaml:14 #/paths/~1a~1{x}/get/parameters/2/in: must be "path", "query", "header" or "cookie", not "qeury"',
        "a.yaml:15 #/paths/~1a~1{x}/get/parameters/3: fits no alternative: schema is required | content is required",
        "a.yaml:16 #/paths/~1a~1{x}/get/parameters/4/$ref: '#/components/parameters/None' leads to nothing",
        "a.yaml:17 #/paths/~1a~1{x}/get/parameters/5/schema/default: the default does not fit: must be an integer, "
        'not "x"',
        "a.yaml:18 #/paths/~1a~1{x}/get/parameters/6: the query parameter 's' stands twice",
        "a.yaml:18 #/paths/~1a~1{x}/get/parameters/6/schema/items/typ: is not a known property; did you mean 'type'?",
        "a.yaml:21 #/paths/~1a~1{x}/get/responses/20: is not a known property; names must match ^[1-5](?:\\d{2}|XX)$",
        "a.yaml:22 #/paths/~1a~1{x}/get/responses/404/description: is required",
        "a.yaml:23 #/paths/~1a~1{z}: is the same path as /a/{x}: only the parameters' names differ",
        "a.yaml:24 #/paths/~1a~1{z}/post: the path has {z}, but there is no path parameter 'z'",
        "a.yaml:25 #/paths/~1a~1{z}/post/operationId: 'twice' is the operationId of GET /a/{x} too",
        "a.yaml:26 #/paths/~1a~1{z}/post/requestBody/content/application~1json/schema/minimum: must be a number, "
        'not "abc"',
        "a.yaml:30 #/components/schemas/A/$ref: '#/components/schemas/A' leads to itself",
        "a.yaml:31 #/components/schemas/B/pattern: '([a-z' is not a regular expression",
        "a.yaml:32 #/components/schemas/C/properties/id/$ref: other.yaml cannot be read: No such file or directory",
        "a.yaml:34 #/components/responses/R/headers/X: Schema and content are mutually exclusive, at least one is "
        "required",
        "a.yaml:34 #/components/responses/R/headers/X: must fit exactly one alternative and fits several, not "
        '{"schema": {"type": "string"}, "content": {}}',
        "a.yaml:34 #/components/responses/R/headers/X/content: must have at least 1 property, not {}",
        'a.yaml:36 #/components/securitySchemes/k/in: must be "header", "query" or "cookie", not "body"',
        'a.yaml:37 #/components/securitySchemes/h/type: must be "apiKey", "http", "oauth2" or "openIdConnect", '
        'not "htttp"',
    ]


def test_mistakes_of_2_0(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        """\
swagger: "2.0"
info: {title: T, version: "1"}
basePath: v1
paths:
  /a:
    get:
      parameters:
        - {name: q, in: query}
        - {name: b, in: body}
        - {name: f, in: formData, type: strin}
        - {name: h, in: header, type: array, items: {type: string}, collectionFormat: multi}
      responses:
        201: {description: x, schema: {$ref: "#/definitions/X"}}
  /b/{x}:
    get: &b {responses: {200: {description: x}}, parameters: [{name: x, in: path, required: true, type: string}]}
  /b/{y}: {get: {<<: *b, parameters: [{name: y, in: path, required: true, type: string}]}}
"""
    )
    assert refused(file) == [
        'a.yaml:3 #/basePath: must match the pattern ^/, not "v1"',
        "a.yaml:6 #/paths/~1a/get: a body parameter and formData parameters exclude each other",
        "a.yaml:8 #/paths/~1a/get/parameters/0/type: is required",
        "a.yaml:9 #/paths/~1a/get/parameters/1/schema: is required",
        'a.yaml:10 #/paths/~1a/get/parameters/2/type: must be "string", "number", "boolean", "integer", "array" or '
        '"file", not "strin"',
        'a.yaml:11 #/paths/~1a/get/parameters/3/collectionFormat: must be "csv", "ssv", "tsv" or "pipes", not "multi"',
        "a.yaml:13 #/paths/~1a/get/responses/201/schema/$ref: '#/definitions/X' leads to nothing",
        "a.yaml:16 #/paths/~1b~1{y}: is the same path as /b/{x}: only the parameters' names differ",
    ]


def test_paths_that_differ_in_method_only_are_two_in_2_0() -> None:
    def operation(name: str) -> dict[str, Any]:
        parameter = {"name": name, "in": "path", "required": True, "type": "string"}
        return {"parameters": [parameter], "responses": {"200": {"description": ""}}}

    given = {
        "swagger": "2.0",
        "info": MINIMAL["info"],
        "paths": {"/a/{x}": {"get": operation("x")}, "/a/{y}": {"put": operation("y")}},
    }
    assert len(load(given).operations) == 2


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "string", "default": None}, "must be a string, not null"),
        ({"type": "string", "nullable": True, "default": None}, None),
        ({"type": "string", "enum": ["a"], "default": "b"}, 'must be "a", not "b"'),
        ({"type": "string", "format": "date", "default": "today"}, 'must be a date such as 2024-01-31, not "today"'),
        ({"allOf": [{"$ref": "#/components/schemas/N"}], "default": -1}, "must be at least 0, not -1"),
        ({"type": "object", "properties": {"default": {"type": "integer"}}}, None),
        ({"type": "object", "required": ["id"], "properties": {"id": {"readOnly": True}}, "default": {}}, None),
        ({"type": "integer", "format": "int32", "default": 2**31}, f"must be at most {2**31 - 1}, not {2**31}"),
    ],
)
def test_a_default_must_fit_its_schema(schema: dict[str, Any], told: str | None) -> None:
    given = {**MINIMAL, "components": {"schemas": {"S": schema, "N": {"type": "integer", "minimum": 0}}}}
    if told is None:
        load(given)
    else:
        assert refused(given) == [f"<dict> #/components/schemas/S/default: the default does not fit: {told}"]


@pytest.mark.parametrize("path", ["/a{b", "/a}b{", "/{a}}", "/{{a}}"])
def test_braces_must_match(path: str) -> None:
    assert any("braces" in mistake for mistake in refused({**MINIMAL, "paths": {path: {}}}))


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ({"url": "http://[nowhere"}, "Invalid IPv6 URL"),
        ({"url": "/{v}/x"}, "the variable {v} is not defined"),
        ({"url": "https://{host}/x"}, None),
    ],
)
def test_the_first_server_must_have_a_path(server: dict[str, Any], told: str | None) -> None:
    given = {**MINIMAL, "servers": [server]}
    if told is None:
        assert load(given).base_path == "/x"
    else:
        assert refused(given) == [f"<dict> #/servers/0/url: {told}"]


def test_names_of_components_are_free_but_what_they_hold_is_checked() -> None:
    """The official schema does not look at components whose names it does not like."""
    assert load({**MINIMAL, "components": {"schemas": {"List«Pet»": {"type": "array"}}}}).title == "T"
    assert 'not "arr"' in refused({**MINIMAL, "components": {"schemas": {"List«Pet»": {"type": "arr"}}}})[0]


def test_what_the_official_schema_forbids_wrongly() -> None:
    encoding = {"a": {"contentType": "text/plain", "x-mine": 1, "headers": {"X": {"$ref": "#/components/headers/X"}}}}
    media = {"multipart/form-data": {"schema": {"type": "object"}, "encoding": encoding}}
    responses = {"200": {"description": ""}}
    load(
        {
            **MINIMAL,
            "paths": {"/a": {"post": {"requestBody": {"content": media}, "responses": responses}}},
            "components": {
                "headers": {"X": {"schema": {"type": "string"}}},
                "securitySchemes": {"b": {"type": "http", "scheme": "Bearer", "bearerFormat": "JWT"}},
            },
        }
    )
    parameter = {"$ref": "#/parameters/p", "description": "ignored"}
    load(
        {
            "swagger": "2.0",
            "info": MINIMAL["info"],
            "paths": {"/a": {"get": {"parameters": [parameter], "responses": responses}}},
            "parameters": {"p": {"name": "p", "in": "query", "type": "string"}},
        }
    )


def test_mistake_finds_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(YAML)
    mistake = load(file).mistake("/info/title", "is dull")
    assert (mistake.file, mistake.line, mistake.pointer) == (str(file), 2, "/info/title")
    assert load(MINIMAL).mistake("/info", "x").line is None


def big_document(operations: int) -> dict[str, Any]:
    def item(number: int) -> dict[str, Any]:
        schema = {"$ref": f"#/components/schemas/M{number}"}
        media = {"application/json": {"schema": schema}}
        query = [{"name": f"q{k}", "in": "query", "schema": {"type": "string", "default": "a"}} for k in range(3)]
        path = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
        operation = {
            "operationId": f"big.operation{number}",
            "parameters": [path, *query],
            "requestBody": {"content": media},
            "responses": {"200": {"description": "ok", "content": media}},
        }
        return {"post": operation}

    models = {
        f"M{n}": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "integer"},
                "name": {"type": "string", "pattern": "^[a-z]+$"},
                "next": {"$ref": f"#/components/schemas/M{(n + 1) % operations}"},
            },
        }
        for n in range(operations)
    }
    return {
        **MINIMAL,
        "paths": {f"/things{n}/{{id}}": item(n) for n in range(operations)},
        "components": {"schemas": models},
    }


def test_500_operations_load(tmp_path: Path) -> None:
    file = tmp_path / "big.json"
    file.write_text(json.dumps(big_document(500)))
    document = load(file)
    assert len(document.operations) == 500


class Pages(BaseHTTPRequestHandler):
    """Answers with what the test put there."""

    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]]

    def do_GET(self) -> None:
        self.answers[self.path](self)

    def log_message(self, *args: Any) -> None:
        pass


def page(content: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(content)

    return answer


@pytest.fixture
def web() -> Iterator[tuple[str, dict[str, Any]]]:
    answers: dict[str, Any] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answering", (Pages,), {"answers": answers}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_document_from_a_url_with_references_to_others(web: tuple[str, dict[str, Any]]) -> None:
    url, answers = web
    given = {**MINIMAL, "components": {"schemas": {"A": {"$ref": "models/b.yaml#/B"}}}}
    answers["/v1/api"] = page(json.dumps(given).encode())
    answers["/v1/models/b.yaml"] = page(b"B: {type: object, properties: {self: {$ref: '#/B'}}}")
    document: Document = load(f"{url}/v1/api#fragment")
    assert document.resolve("#/components/schemas/A")["properties"]["self"] == {"$ref": "#/components/schemas/B"}
    assert document.folder is None
    assert document.files == ()


def test_what_a_url_may_not_do(
    web: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, answers = web
    answers["/missing"] = lambda request: request.send_error(404)
    assert "cannot be read" in refused(f"{url}/missing")[0]

    secret = tmp_path / "secret.yaml"
    secret.write_text("A: {type: string}")
    local = {**MINIMAL, "components": {"schemas": {"A": {"$ref": f"{secret.as_uri()}#/A"}}}}
    answers["/local"] = page(json.dumps(local).encode())
    assert "may not reach for local files" in refused(f"{url}/local")[0]

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", secret.as_uri())
        request.end_headers()

    answers["/redirect"] = redirect
    assert "cannot be read" in refused(f"{url}/redirect")[0]

    monkeypatch.setattr(source, "MAX_BYTES", 1 << 16)
    answers["/large"] = page(b"#" * (1 << 18))
    assert "larger than" in refused(f"{url}/large")[0]


def test_a_slow_url_is_given_up(web: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    url, answers = web
    given_up = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not given_up.wait(0.02):
            request.wfile.write(b"#")
            request.wfile.flush()

    answers["/slow"] = drip
    monkeypatch.setattr(source, "TIMEOUT", 0.2)
    try:
        assert "not here after 0.2 seconds" in refused(f"{url}/slow")[0]
    finally:
        given_up.set()
