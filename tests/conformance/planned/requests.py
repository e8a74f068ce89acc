"""Random requests to the operations of a document: mostly good, often bad, sometimes broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, unquote

from tests.conformance.planned.api import Api, Operation
from tests.conformance.planned.bodies import fill
from tests.conformance.planned.credentials import Line, credentials
from tests.conformance.planned.values import TEXTS, value

__all__ = ["Request", "request"]

EXTRA = ("key=reader", "key=reader", "extra=1", "", "=x", "q", "a[b]=1", "%zz=1", "q=%ff", "n=+7", "key=bad", "?",
         "q&q=", "q;n=1", "%71=1", "q=1&amp;n=2", "tag=a%26b", "%00", "q=%00", "ids%5B%5D=1",
         "q=" + "9" * 5000)  # fmt: skip
SUFFIXES = ("/", "/x", "%0A", "%2F", "//", "?x", ";a=1", "%20", ".", "/..", "%2e%2e", "%E4", "%C3%A4", "%zz")
ELSEWHERE = ("/openapi.json", "/ui", "/ui/", "/nope", "/", "//", "/openapi.yaml", "/swagger.json", "*", "/%2E")
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "TRACE", "PATCH", "DELETE", "get", "FOO")
DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|"}
ODD = (
    "1_000",
    "1e3",
    "nan",
    "inf",
    "-0",
    " 7",
    "7 ",
    "٣",
    "0x1",
    "TRUE",
    "False",
    "9" * 30,
    "+",
    "%41",
    "a%2Cb",
    "\x00",
)
HEADERS = (
    (b"transfer-encoding", b"chunked"),
    (b"content-length", b"0"),
    (b"content-length", b"x"),
    (b"content-encoding", b"gzip"),
    (b"expect", b"100-continue"),
    (b"accept", b"text/html"),
    (b"x-http-method-override", b"PUT"),
    (b"content-type", b"application/json"),
    (b"content-type", b"text/plain"),
    (b"content-type", b"x"),
    (b"content-type", b"application/x-www-form-urlencoded"),
    (b"authorization", b"Basic Og=="),
    (b"authorization", b"Bearer"),
    (b"cookie", b"key"),
    (b"cookie", b"key=reader; key=bad; a"),
    (b"x-count", b"\xff"),
    (b"x-key", b"reader, bad"),
)


@dataclass(slots=True)
class Request:
    """A request as a server hands it to an application; the body comes in ``chunks``, then the client leaves."""

    method: str
    raw_path: str
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=lambda: [b""])
    truncated: bool = False

    def is_text(self) -> bool:
        """Whether the body is UTF-8."""
        try:
            b"".join(self.chunks).decode()
        except UnicodeDecodeError:
            return False
        return True

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


def request(random: Random, api: Api, operation: Operation) -> Request:
    """Return a request to an operation; now and then it misses it."""
    base_path = random.choice([api.base_path, api.options.get("beside", api.base_path)])
    made = Request(operation.method.upper(), base_path + _path(random, api, operation))
    made.query = _query(random, api, operation)
    made.headers = [(b"host", b"testserver")] * (random.random() < 0.95)
    for parameter in operation.parameters:
        _header(random, api, parameter, made)
    _present(random, made, credentials(random, api, operation))
    if operation.content is not None:
        made.truncated = fill(random, api, operation.content, made.headers, made.chunks)
    if random.random() < 0.06:
        made.headers.insert(random.randint(0, len(made.headers)), random.choice(HEADERS))
    if random.random() < 0.03:
        made.method = random.choice(METHODS)
    return made


def _path(random: Random, api: Api, operation: Operation) -> str:
    path = operation.path
    for parameter in operation.parameters:
        if parameter["in"] == "path":
            usual = random.choice(["a", "7", "1.5", "-3", "+1", ".", "g"])
            text = _text(random, api, parameter) or usual
            path = path.replace("{" + parameter["name"] + "}", quote(text, safe=random.choice(["", "/", ",;="])))
    if random.random() < 0.02:
        path += random.choice(SUFFIXES)
    return random.choice(ELSEWHERE) if random.random() < 0.005 else quote(path, safe="/%:@!$&'()*+,;=~?{}")


def _text(random: Random, api: Api, parameter: dict[str, Any]) -> str:
    if random.random() < 0.02:
        return random.choice([*TEXTS, *ODD])
    found = value(random, api, _schema(parameter))
    if isinstance(found, list):
        usual = DELIMITERS.get(parameter.get("style", ""), ",")
        return (usual if random.random() < 0.9 else random.choice(",| ")).join(map(_written, found))
    if isinstance(found, dict):
        return ",".join(f"{name},{_written(below)}" for name, below in found.items())
    return _written(found)


def _schema(parameter: dict[str, Any]) -> Any:
    content = parameter.get("content")
    return next(iter(content.values())).get("schema", {}) if content else parameter.get("schema", {})


def _written(found: Any) -> str:
    return str(found).lower() if isinstance(found, bool) else str(found)


def _query(random: Random, api: Api, operation: Operation) -> bytes:
    parts: list[str] = []
    for parameter in operation.parameters:
        if parameter["in"] != "query" or random.random() > (0.99 if parameter.get("required") else 0.6):
            continue
        name = parameter["name"]
        if parameter.get("style") == "deepObject" and random.random() < 0.9:
            parts += [f"{quote(name)}[{below}]={quote(text)}" for below, text in _deep(random, api, parameter)]
            continue
        for _ in range(random.choice([1] * 12 + [2, 3])):
            text = _text(random, api, parameter)
            safe = random.choice(["", "", ",|", ",| /?:@!$'()*"])
            parts.append(f"{quote(name, safe=random.choice(['[]', '']))}={quote(text, safe=safe)}")
    if random.random() < 0.1:
        parts.append(random.choice(EXTRA))
    random.shuffle(parts)
    return "&".join(parts).encode("latin-1", "replace")


def _deep(random: Random, api: Api, parameter: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what stands in the brackets, and the values."""
    found = value(random, api, _schema(parameter))
    pairs: list[tuple[str, str]] = []
    for name, below in found.items() if isinstance(found, dict) else [("a", found)]:
        if isinstance(below, dict):
            pairs += [(f"{name}][{deeper}", _written(lowest)) for deeper, lowest in below.items()]
        else:
            pairs.append((name, _written(below)))
    return pairs + [(random.choice(["", "a", "b", "b][c", "b]["]), "1")] * (random.random() < 0.1)


def _header(random: Random, api: Api, parameter: dict[str, Any], made: Request) -> None:
    if parameter["in"] not in ("header", "cookie") or random.random() > (0.98 if parameter.get("required") else 0.7):
        return
    text = _text(random, api, parameter).encode("utf-8").replace(b"\n", b"").replace(b"\x00", b"")
    name = parameter["name"].encode()
    line = (name.lower(), text) if parameter["in"] == "header" else (b"cookie", name + b"=" + text)
    made.headers += [line] * random.choice([1] * 30 + [2])


def _present(random: Random, made: Request, lines: list[Line]) -> None:
    """Put credentials where they belong; cookies in one line, or in a line each."""
    for place, name, text in lines:
        pair = name + b"=" + text
        if place == "query":
            made.query += (b"&" if made.query else b"") + pair
        elif place == "header":
            made.headers.append((name, text))
        elif made.headers and made.headers[-1][0] == b"cookie" and random.random() < 0.5:
            made.headers[-1] = (b"cookie", made.headers[-1][1] + b"; " + pair)
        else:
            made.headers.append((b"cookie", pair))
