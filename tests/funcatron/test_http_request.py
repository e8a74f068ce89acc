"""From raw requests to arguments: one decoder per operation, each location, each kind of body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from funcatron.errors import InvalidInput, Problem
from funcatron.http.forms import UrlencodedForm
from funcatron.http.paths import PathTemplate
from funcatron.http.request import Decoded, RequestDecoder, cookie_pairs, header_map
from funcatron.http.shapes import ANY
from funcatron.http.stream import Again, Replay, RequestStream
from funcatron.settings import Limits
from funcatron.testing import application

pytestmark = pytest.mark.anyio

LIMIT = 1000
TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
INTEGERS = {"type": "array", "items": INTEGER}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def decoder(
    parameters: list[dict[str, Any]] | None = None, body: dict[str, Any] | None = None, path: str = "/x", **more: Any
) -> RequestDecoder:
    operation: dict[str, Any] = {
        "operationId": "f",
        "parameters": parameters or [],
        "responses": {"200": {"description": ""}},
        **more,
    }
    if body is not None:
        operation["requestBody"] = {"content": body}
    spec = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {path: {"post": operation}}}

    def handler(**arguments: Any) -> None: ...

    return RequestDecoder(application(spec, handlers={"f": handler}).registry.get("f"), Limits(LIMIT, LIMIT))


async def decode(
    made: RequestDecoder,
    path: str = "/x",
    query: str = "",
    headers: Iterable[tuple[str, str]] = (),
    chunks: Iterable[bytes] = (b"",),
    **scope: Any,
) -> Decoded:
    raw_headers = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": raw_headers,
        **scope,
    }
    pieces = list(chunks)
    messages = [
        {"type": "http.request", "body": piece, "more_body": index < len(pieces) - 1}
        for index, piece in enumerate(pieces)
    ]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return await made.decode(scope, receive, header_map(scope))


def parameter(name: str, location: str, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "schema": schema or TEXT, "required": location == "path", **more}


def said(decoded: Decoded) -> list[tuple[str, str]]:
    return [(violation.pointer, violation.message) for violation in decoded.violations]


async def test_every_location_is_decoded_and_cast() -> None:
    made = decoder(
        [
            parameter("itemId", "path", INTEGER),
            parameter("limit", "query", INTEGER),
            parameter("ids", "query", INTEGERS),
            parameter("X-Count", "header", INTEGER),
            parameter("X-Flags", "header", {"type": "array", "items": {"type": "boolean"}}),
            parameter("sid", "cookie", INTEGER),
        ],
        path="/items/{itemId}",
    )
    decoded = await decode(
        made,
        "/items/7",
        "limit=5&ids=1&ids=2&unknown=3",
        [("X-Count", "12"), ("X-Flags", "true, false"), ("Cookie", 'a=b; sid="9"')],
    )
    assert decoded.arguments == {
        "item_id": 7,
        "limit": 5,
        "ids": [1, 2],
        "x_count": 12,
        "x_flags": [True, False],
        "sid": 9,
    }
    assert decoded.violations == []


async def test_what_is_not_given_is_left_out() -> None:
    decoded = await decode(decoder([parameter("a", "query"), parameter("b", "header"), parameter("c", "cookie")]))
    assert decoded.arguments == {}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("/items/a%2Fb", "a/b"),
        ("/items/%E2%82%AC", "€"),
        ("/items/a+b", "a+b"),
        ("/items/a%20b", "a b"),
        ("/items/a%252Fb", "a%2Fb"),
        ("/items/..%2f..", "../.."),
    ],
)
async def test_a_path_parameter_is_decoded_from_the_raw_path(raw: str, value: str) -> None:
    made = decoder([parameter("id", "path")], path="/items/{id}")
    assert (await decode(made, raw)).arguments == {"id": value}


async def test_a_list_in_a_path_keeps_its_encoded_commas() -> None:
    made = decoder([parameter("ids", "path", {"type": "array", "items": TEXT})], path="/items/{ids}")
    assert (await decode(made, "/items/a%2Cb,c")).arguments == {"ids": ["a,b", "c"]}


@pytest.mark.parametrize(
    ("route", "raw", "found"),
    [
        ("/a/{b}/c/{d}", "/a/1/c/2", {"b": ["1"], "d": ["2"]}),
        ("/a/{b}.{c}", "/a/x.y.z", {"b": ["x"], "c": ["y.z"]}),
        ("/caf\u00e9/{b}", "/caf%C3%A9/1", {"b": ["1"]}),
        ("/a/{b}/", "/a/1/", {"b": ["1"]}),
        ("/a/v{b}", "/a/v2", {"b": ["2"]}),
        ("/a/{b}", "/mounted/below/a/1", {"b": ["1"]}),
    ],
)
def test_templates_find_raw_segments(route: str, raw: str, found: dict[str, list[str]]) -> None:
    assert PathTemplate(route, {}).match({"raw_path": raw.encode(), "path": raw}) == found


def test_a_parameter_that_spans_segments_is_the_routers() -> None:
    template = PathTemplate("/files/{the-path}", {"the_path": "the-path"}, spans=True)
    scope = {"raw_path": b"/files/a/b%20c", "path": "/files/a/b c", "path_params": {"the_path": "a/b c"}}
    assert template.match(scope) == {"the-path": ["a%2Fb%20c"]}


@pytest.mark.parametrize("spans", [False, True])
def test_a_path_parameter_that_stands_twice_has_one_value(spans: bool) -> None:
    template = PathTemplate("/a/{x}/b/{x}", {"x": "x", "x_2": "x"}, spans=spans)

    def match(raw: str, first: str, second: str) -> Any:
        scope = {"raw_path": raw.encode(), "path": unquote(raw), "path_params": {"x": first, "x_2": second}}
        return template.match(scope)

    assert match("/a/1/b/1", "1", "1") == {"x": ["1"]}
    assert match("/a/%41/b/A", "A", "A") in ({"x": ["%41"]}, {"x": ["A"]})
    with pytest.raises(Problem, match="stands twice") as caught:
        match("/a/1/b/2", "1", "2")
    assert caught.value.status == 404


def test_without_a_raw_path_the_decoded_one_serves() -> None:
    assert PathTemplate("/a/{b}", {}).match({"raw_path": None, "path": "/a/x y"}) == {"b": ["x%20y"]}


@pytest.mark.parametrize(("query", "place"), [("a=%FF", "/query/a"), ("%FF=1", "/query"), ("b=1&a=%C3%28", "/query/a")])
async def test_bytes_that_are_not_utf8_are_a_violation(query: str, place: str) -> None:
    decoded = await decode(decoder([parameter("a", "query"), parameter("b", "query")]), query=query)
    ((pointer, message),) = said(decoded)
    assert pointer == place
    assert message.startswith("is not UTF-8")


async def test_content_parameters_are_json() -> None:
    made = decoder([{"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}])
    assert (await decode(made, query="filter=%7B%22a%22%3A1%7D")).arguments == {"filter": {"a": 1}}
    decoded = await decode(made, query="filter=%7B")
    assert said(decoded) == [("/query/filter", "is not JSON: Input data was truncated")]
    assert decoded.arguments == {}


async def test_the_last_of_several_counts() -> None:
    assert (await decode(decoder([parameter("a", "query", INTEGER)]), query="a=1&a=2")).arguments == {"a": 2}


async def test_an_empty_flag_counts_as_not_given() -> None:
    made = decoder([parameter("a", "query", INTEGER, allowEmptyValue=True), parameter("b", "query", INTEGER)])
    assert (await decode(made, query="a&b=")).arguments == {"b": ""}


def test_headers_are_joined_and_decoded() -> None:
    scope = {
        "headers": [
            (b"X-A", b"1"),
            (b"x-a", b"2"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
            (b"x-utf", "ü".encode()),
            (b"x-latin", "ü".encode("latin-1")),
        ]
    }
    assert header_map(scope) == {"x-a": "1, 2", "cookie": "a=1; b=2", "x-utf": "ü", "x-latin": "ü"}


def test_cookies_are_pairs() -> None:
    assert cookie_pairs('a=1; b="x y"; junk; a=2; =3') == {"a": ["1", "2"], "b": ["x y"]}


JSON_BODY = {"application/json": {"schema": {"type": "object"}}}
JSON_HEADER = [("Content-Type", "application/json")]


@pytest.mark.parametrize(
    ("content_type", "content", "value"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/json; charset=utf-8", b'{"a": 1}', {"a": 1}),
        ("Application/JSON", b'{"a": 1}', {"a": 1}),
        ("application/json; charset=utf-16", '{"a": "ü"}'.encode("utf-16"), {"a": "ü"}),
        (None, b'{"a": 1}', {"a": 1}),
    ],
)
async def test_json_bodies(content_type: str | None, content: bytes, value: Any) -> None:
    headers = [] if content_type is None else [("Content-Type", content_type)]
    decoded = await decode(decoder(body=JSON_BODY), headers=headers, chunks=[content])
    assert decoded.arguments == {"body": value}
    assert decoded.media_type == "application/json"


async def test_a_chunked_body_needs_no_length() -> None:
    decoded = await decode(decoder(body=JSON_BODY), headers=JSON_HEADER, chunks=[b'{"a"', b"", b": 1}"])
    assert decoded.arguments == {"body": {"a": 1}}


async def test_malformed_json_is_a_violation() -> None:
    decoded = await decode(decoder(body=JSON_BODY), headers=JSON_HEADER, chunks=[b'{"a"'])
    assert said(decoded) == [("/body", "is not JSON: Input data was truncated")]


@pytest.mark.parametrize("headers", [JSON_HEADER, []])
async def test_an_empty_body_is_none(headers: list[tuple[str, str]]) -> None:
    assert (await decode(decoder(body=JSON_BODY), headers=headers)).arguments == {}


@pytest.mark.parametrize(
    ("accepted", "content_type", "says"),
    [
        (JSON_BODY, "text/plain", "'text/plain' is not accepted; accepted are: application/json"),
        ({"text/plain": {}}, None, "the body has no Content-Type; accepted are: text/plain"),
        (
            {**JSON_BODY, "text/plain": {}},
            None,
            "the body has no Content-Type; accepted are: application/json, text/plain",
        ),
        ({"image/*": {}}, "text/plain", "'text/plain' is not accepted; accepted are: image/*"),
    ],
)
async def test_other_media_types_are_415(accepted: dict[str, Any], content_type: str | None, says: str) -> None:
    headers = [] if content_type is None else [("Content-Type", content_type)]
    with pytest.raises(Problem) as caught:
        await decode(decoder(body=accepted), headers=headers, chunks=[b"x"])
    assert (caught.value.status, caught.value.detail) == (415, says)
    assert caught.value.headers == {"Accept": ", ".join(accepted)}


async def test_a_compressed_body_is_415() -> None:
    with pytest.raises(Problem) as caught:
        await decode(decoder(body=JSON_BODY), headers=[*JSON_HEADER, ("Content-Encoding", "gzip")], chunks=[b"x"])
    assert (caught.value.status, caught.value.headers) == (415, {"Accept-Encoding": "identity"})


async def test_an_unknown_charset_is_415_and_says_what_is_accepted() -> None:
    with pytest.raises(Problem, match="the charset 'klingon' is unknown; send UTF-8") as caught:
        await decode(
            decoder(body=JSON_BODY), headers=[("Content-Type", "application/json; charset=klingon")], chunks=[b"{}"]
        )
    assert (caught.value.status, caught.value.headers) == (415, {"Accept": "application/json"})


@pytest.mark.parametrize(
    ("accepted", "content_type", "value"),
    [
        ({"text/plain": {}}, "text/plain; charset=utf-8", b"\xc3\xbc"),
        ({"application/octet-stream": {}}, "application/octet-stream", b"\xc3\xbc"),
        ({"image/*": {}}, "image/png", b"\xc3\xbc"),
        ({"*/*": {}}, "application/xml", b"\xc3\xbc"),
    ],
)
async def test_everything_else_is_bytes(accepted: dict[str, Any], content_type: str, value: bytes) -> None:
    decoded = await decode(decoder(body=accepted), headers=[("Content-Type", content_type)], chunks=["ü".encode()])
    assert decoded.arguments == {"body": value}


async def test_a_json_suffix_is_json() -> None:
    made = decoder(body={"application/*": {}})
    decoded = await decode(made, headers=[("Content-Type", "application/vnd.x+json")], chunks=[b"[1]"])
    assert decoded.arguments == {"body": [1]}
    assert decoded.media_type == "application/vnd.x+json"


@pytest.mark.parametrize("headers", [[], [("Content-Length", str(LIMIT + 1))]])
async def test_a_body_beyond_the_limit_is_413(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as caught:
        await decode(decoder(body=JSON_BODY), headers=[*JSON_HEADER, *headers], chunks=[b" " * LIMIT, b" "])
    assert caught.value.status == 413
    assert caught.value.to_json()["limit"] == LIMIT


async def test_a_body_of_the_limit_is_read() -> None:
    content = b"[" + b" " * (LIMIT - 2) + b"]"
    assert (await decode(decoder(body=JSON_BODY), headers=JSON_HEADER, chunks=[content])).arguments == {"body": []}


async def test_a_client_that_goes_away_is_told() -> None:
    with pytest.raises(ClientDisconnect):
        await decode(decoder(body=JSON_BODY), headers=JSON_HEADER, chunks=[])


async def test_a_message_that_was_taken_comes_again() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    again = Again(receive, {"type": "http.request", "body": b"x"})
    assert [(await again())["type"] for _ in range(3)] == ["http.request", "http.disconnect", "http.disconnect"]


async def test_a_body_is_kept_for_those_who_read_it_again() -> None:
    messages = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c"},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    replay = Replay(receive)
    assert await RequestStream(replay, {}, LIMIT).read() == b"abc"
    assert [(await replay()).get("body") for _ in range(3)] == [b"ab", b"c", None]


FORM = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "age": INTEGER,
        "tags": {"type": "array", "items": TEXT},
        "ids": INTEGERS,
        "address": {"type": "object", "properties": {"zip": INTEGER}},
        "lines": {"type": "array", "items": {"type": "object"}},
        "photo": {"type": "string", "format": "binary"},
        "pages": {"type": "array", "items": {"type": "string", "format": "binary"}},
    },
    "additionalProperties": True,
}


async def urlencoded(content: str, encoding: dict[str, Any] | None = None) -> Decoded:
    media = {"schema": FORM, "encoding": encoding or {}}
    made = decoder(body={"application/x-www-form-urlencoded": media})
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    return await decode(made, headers=headers, chunks=[content.encode("latin-1")])


@pytest.mark.parametrize(
    ("content", "encoding", "fields"),
    [
        ("name=J+D&age=7&tags=a&tags=b", {}, {"name": "J D", "age": 7, "tags": ["a", "b"]}),
        ("age=old", {}, {"age": "old"}),
        ("ids=1,2", {"ids": {"style": "form", "explode": False}}, {"ids": [1, 2]}),
        ("ids=1%7C2", {"ids": {"style": "pipeDelimited", "explode": False}}, {"ids": [1, 2]}),
        ("address=%7B%22zip%22%3A1%7D", {}, {"address": {"zip": 1}}),
        ("address=nonsense", {}, {"address": "nonsense"}),
        ("address[zip]=1", {"address": {"style": "deepObject", "explode": True}}, {"address": {"zip": 1}}),
        ("lines=%7B%22a%22%3A1%7D&lines=%7B%7D", {}, {"lines": [{"a": 1}, {}]}),
        ("lines=%5B%7B%7D%5D", {}, {"lines": [{}]}),
        ("tags=%5B%22a%22%5D", {"tags": {"contentType": "application/json"}}, {"tags": ["a"]}),
        ("other=1&more=2&more=3", {}, {"other": "1", "more": ["2", "3"]}),
        ("name=%C3%BC", {}, {"name": "ü"}),
        ("name=", {}, {"name": ""}),
    ],
)
async def test_urlencoded_forms(content: str, encoding: dict[str, Any], fields: dict[str, Any]) -> None:
    decoded = await urlencoded(content, encoding)
    assert decoded.violations == []
    assert decoded.arguments == {"body": fields}


async def test_a_form_that_is_not_utf8_is_a_violation() -> None:
    assert said(await urlencoded("name=%FF")) == [("/body", "is not UTF-8: invalid start byte")]


def test_a_form_of_too_many_fields_is_a_violation() -> None:
    with pytest.raises(InvalidInput) as caught:
        UrlencodedForm(ANY, {}).read(b"a&" * 1000)
    assert [violation.message for violation in caught.value.violations] == ["has more than 1000 fields"]


BOUNDARY = "xXx"


def multipart(*parts: tuple[str, str | None, bytes]) -> bytes:
    lines = []
    for name, filename, content in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
        kind = b"Content-Type: image/png\r\n" if filename is not None else b""
        lines.append(
            b"--"
            + BOUNDARY.encode()
            + b"\r\nContent-Disposition: "
            + disposition.encode()
            + b"\r\n"
            + kind
            + b"\r\n"
            + content
            + b"\r\n"
        )
    return b"".join(lines) + b"--" + BOUNDARY.encode() + b"--\r\n"


async def posted(*parts: tuple[str, str | None, bytes], chunk: int = 7) -> Decoded:
    made = decoder(body={"multipart/form-data": {"schema": FORM}})
    content = multipart(*parts)
    chunks = [content[start : start + chunk] for start in range(0, len(content), chunk)]
    return await decode(made, headers=[("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")], chunks=chunks)


async def test_multipart_fields_are_cast_and_files_are_uploads() -> None:
    decoded = await posted(
        ("name", None, "ü+%20".encode()),
        ("age", None, b"7"),
        ("ids", None, b"1"),
        ("ids", None, b"2"),
        ("address", None, b'{"zip": 1}'),
        ("photo", "me.png", b"\x89PNG"),
        ("pages", "1", b"one"),
    )
    body = decoded.arguments["body"]
    photo, (page,) = body.pop("photo"), body.pop("pages")
    assert body == {"name": "ü+%20", "age": 7, "ids": [1, 2], "address": {"zip": 1}}
    assert isinstance(photo, UploadFile)
    assert (photo.filename, photo.content_type, await photo.read()) == ("me.png", "image/png", b"\x89PNG")
    assert await page.read() == b"one"
    assert decoded.files == [photo, page]
    decoded.close()
    assert photo.file.closed


async def test_several_files_of_one_name_are_a_list() -> None:
    decoded = await posted(("pages", "1", b"one"), ("pages", "2", b"two"), ("photo", "a", b"x"), ("photo", "b", b"y"))
    body = decoded.arguments["body"]
    assert [page.filename for page in body["pages"]] == ["1", "2"]
    assert [photo.filename for photo in body["photo"]] == ["a", "b"]  # no list is declared: validation refuses it
    decoded.close()


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("multipart/form-data", b"x"),
        (f"multipart/form-data; boundary={BOUNDARY}", b"nonsense"),
        (
            f"multipart/form-data; boundary={BOUNDARY}",
            b"--xXx\r\nContent-Disposition: form-data\r\n\r\nx\r\n--xXx--\r\n",
        ),
    ],
)
async def test_a_malformed_multipart_body_is_a_violation(content_type: str, content: bytes) -> None:
    made = decoder(body={"multipart/form-data": {"schema": FORM}})
    ((pointer, message),) = said(await decode(made, headers=[("Content-Type", content_type)], chunks=[content]))
    assert pointer == "/body"
    assert message.startswith("is not a multipart form: ")


async def test_a_range_accepts_forms_too() -> None:
    made = decoder(body={"*/*": {"schema": FORM}})
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    assert (await decode(made, headers=headers, chunks=[b"age=7"])).arguments == {"body": {"age": 7}}
