"""Random requests to the operations of a document: mostly good, often bad, sometimes broken."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, unquote

from tests.conformance.planned.documents import Api
from tests.conformance.planned.schemas import TEXTS, junk, value
from tests.conformance.planned.swagger import body_of, responses_of, schema_of

__all__ = ["Request", "request"]

SECRETS = (*["reader"] * 20, "good", "bad", "boom", "never", "")
EXTRA = ("key=reader", "key=reader", "extra=1", "", "=x", "q", "a[b]=1", "%zz=1", "q=%ff", "n=+7", "key=bad")
CHARSETS = (*[b""] * 24, b"; charset=utf-8", b";charset=utf-8", b"; charset=latin-1", b";charset=utf-16", b"; x=y")
BROKEN = (
    b"",
    b"{",
    b"[1,]",
    b"nul",
    b'{"a":1}x',
    b"\xff\xfe",
    b'"\\ud800"',
    b"NaN",
    b'{"a":1,"a":2}',
    b"1e400",
    b" null ",
    b"\xef\xbb\xbf{}",
)
FILE = b'; filename="f.txt"\r\nContent-Type: text/plain'


@dataclass(slots=True)
class Request:
    """A request as a server hands it to an application; the body comes in ``chunks``, then the client leaves."""

    method: str
    raw_path: str
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=lambda: [b""])
    truncated: bool = False
    operation: dict[str, Any] = field(default_factory=dict, repr=False)

    def scope(self) -> dict[str, Any]:
        """Return the ASGI scope."""
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": unquote(self.raw_path),
            "raw_path": self.raw_path.encode("ascii"),
            "query_string": self.query,
            "root_path": "",
            "headers": list(self.headers),
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
        }


def request(random: Random, api: Api) -> Request:
    """Return a request to one of the operations."""
    method, path, operation = random.choice(api.operations())
    parameters = operation["parameters"]
    made = Request(
        method.upper(),
        api.base_path + _path(random, api, path, parameters),
        operation=responses_of(api.document, operation),
    )
    made.query = _query(random, api, parameters)
    made.headers = [(b"host", b"testserver")] * (random.random() < 0.9)
    for parameter in parameters:
        _header(random, api, parameter, made)
    _credentials(random, made)
    body = body_of(api.document, operation)
    if body is not None:
        _body(random, api, body, made)
    elif random.random() < 0.1:
        made.headers.append((b"content-type", random.choice([b"application/json", b"text/plain", b"x"])))
    if random.random() < 0.04:
        made.method = random.choice(["GET", "POST", "HEAD", "OPTIONS", "PUT"])
    return made


def _path(random: Random, api: Api, path: str, parameters: list[dict[str, Any]]) -> str:
    for parameter in parameters:
        if parameter["in"] == "path":
            text = _text(random, api, schema_of(parameter)) or random.choice(["a", "7", "1.5", "-3", "+1", ".", "g"])
            path = path.replace("{" + parameter["name"] + "}", quote(text, safe=random.choice(["", "/"])))
    if random.random() < 0.03:
        path += random.choice(["/", "/x", "%0A", "%2F"])
    return random.choice(["/openapi.json", "/ui", "/nope", "/"]) if random.random() < 0.01 else path


def _text(random: Random, api: Api, schema: dict[str, Any]) -> str:
    if random.random() < 0.03:
        return random.choice([*TEXTS, "1_000", "1e3", "nan", "inf", " 7", "TRUE", "9" * 30])
    found = value(random, schema, api.schemas)
    if isinstance(found, list):
        return random.choice([",", ",", "|", " "]).join(str(one) for one in found)
    return str(found).lower() if isinstance(found, bool) else str(found)


def _query(random: Random, api: Api, parameters: list[dict[str, Any]]) -> bytes:
    parts = []
    for parameter in parameters:
        if parameter["in"] != "query" or random.random() > (0.98 if parameter.get("required") else 0.6):
            continue
        name = parameter["name"]
        if parameter.get("style") == "deepObject":
            parts += [f"{name}[{below}]={random.choice(['1', 'x', ''])}" for below in random.sample(["a", "b", "c"], 2)]
            continue
        for _ in range(random.choice([1, 1, 1, 2])):
            text = _text(random, api, schema_of(parameter))
            parts.append(f"{quote(name, safe=random.choice(['[]', '']))}={quote(text, safe=random.choice(['', ',|']))}")
    if random.random() < 0.15:
        parts.append(random.choice(EXTRA))
    random.shuffle(parts)
    return "&".join(parts).encode("latin-1", "replace")


def _header(random: Random, api: Api, parameter: dict[str, Any], made: Request) -> None:
    if parameter["in"] not in ("header", "cookie") or random.random() < 0.1:
        return
    text = _text(random, api, schema_of(parameter)).encode("utf-8").replace(b"\n", b"")
    if parameter["in"] == "header":
        made.headers.append((parameter["name"].lower().encode(), text))
    else:
        made.headers.append((b"cookie", parameter["name"].encode() + b"=" + text))


def _credentials(random: Random, made: Request) -> None:
    if random.random() < 0.95:
        made.headers.append((b"x-key", random.choice(SECRETS).encode()))
    if random.random() < 0.9:
        made.headers.append((b"cookie", b"key=" + random.choice(SECRETS).encode()))
    if random.random() < 0.95:
        secret = random.choice(SECRETS).encode()
        usual = [b"Bearer " + secret, b"Basic " + b64encode(b"ann:" + secret)] * 10
        made.headers.append((b"authorization", random.choice([*usual, b"Basic x", b"x"])))


def _body(random: Random, api: Api, body: dict[str, Any], made: Request) -> None:
    media, definition = random.choice(list(body["content"].items()))
    media = media.replace("*", "json")
    found = value(random, definition["schema"], api.schemas)
    content, content_type = _encoded(random, media, found)
    if random.random() < 0.05:
        content = random.choice(BROKEN)
    if random.random() < 0.97:
        more = random.choice(CHARSETS)
        made.headers.append((b"content-type", random.choice([content_type] * 40 + [b"text/plain", b"x"]) + more))
    if random.random() < 0.97:
        made.headers.append((b"content-length", str(len(content)).encode()))
    else:
        made.headers.append((b"transfer-encoding", b"chunked"))
    if len(content) > 2 and random.random() < 0.2:
        cut = random.randint(1, len(content) - 1)
        made.chunks = [content[:cut], b"", content[cut:]]
    else:
        made.chunks = [content]
    made.truncated = random.random() < 0.03


def _encoded(random: Random, media: str, found: Any) -> tuple[bytes, bytes]:
    if media == "application/x-www-form-urlencoded":
        return _form(random, found), media.encode()
    if media == "multipart/form-data":
        return _multipart(random, found), b"multipart/form-data; boundary=b"
    if media in ("application/octet-stream", "text/plain"):
        return random.choice(TEXTS).encode(), media.encode()
    return json.dumps(found, ensure_ascii=random.random() < 0.5).encode(), media.encode()


def _pairs(random: Random, found: Any) -> Iterator[tuple[str, str]]:
    for name, below in (found if isinstance(found, dict) else {"a": junk(random)}).items():
        for one in below if isinstance(below, list) and random.random() < 0.6 else [below]:
            yield name, ",".join(map(str, one)) if isinstance(one, list) else str(one)


def _form(random: Random, found: Any) -> bytes:
    return "&".join(f"{quote(name)}={quote(text)}" for name, text in _pairs(random, found)).encode()


def _multipart(random: Random, found: Any) -> bytes:
    parts = b""
    for name, text in _pairs(random, found):
        file = FILE if name.startswith("file") or random.random() < 0.1 else b""
        disposition = b'Content-Disposition: form-data; name="' + name.encode() + b'"' + file
        parts += b"--b\r\n" + disposition + b"\r\n\r\n" + text.encode() + b"\r\n"
    return parts + (b"--b--\r\n" if random.random() < 0.95 else b"")
