"""Messages that are none: what tests throw at whoever takes messages. Every one is to be dead-lettered, with a reason.

``MALFORMED`` are Celery messages that cannot be run, ``REFUSED`` calls whose input the function refuses, ``EVENTS``
messages for queue triggers, ``ROWS`` what may stand in the embedded broker's file or a Redis list instead of a
message, ``PROPERTIES`` AMQP property tables that a client library stumbles over. The function meant is ``tried.note``.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["BOMB", "EVENTS", "MALFORMED", "PROPERTIES", "REFUSED", "ROWS", "Malformed", "Refused", "good", "head"]

TASK = "tried.note"
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
JSON = "application/json"
BOMB = 16 * 1024 * 1024
"""Bytes that a few kilobytes inflate to."""
LONGEST_ID = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """One message as it travels. ``reason`` is what its dead letter says."""

    name: str
    reason: str = "malformed"
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b"[[], {}, {}]"
    content_type: str = JSON
    content_encoding: str = "utf-8"
    properties: Mapping[str, Any] = field(default_factory=dict)
    json_only: bool = False
    """Whether AMQP has no way to say this in a table."""

    @property
    def record(self) -> str | None:
        """The id of the failed execution that is to show it; None where the message has none."""
        found = [self.headers.get(name) for name in ("id", "task")]
        readable = (isinstance(each, str) and 0 < len(each) <= LONGEST_ID and each.isprintable() for each in found)
        return str(found[0]) if all(readable) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A call in good form with arguments that the function cannot take."""

    name: str
    args: Any = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The body as it travels."""
        return json.dumps([self.args, self.kwargs, EMBED]).encode()


def head(**changed: Any) -> dict[str, Any]:
    """Return the headers of a call as Celery's own client sends them, with changes."""
    return {
        "lang": "py", "task": TASK, "shadow": None, "eta": None, "expires": None, "group": None, "group_index": None,
        "retries": 0, "timelimit": [None, None], "root_id": None, "parent_id": None, "argsrepr": "()",
        "kwargsrepr": "{}", "origin": "tests", "ignore_result": True, "replaced_task_nesting": 0,
        "stamped_headers": None, "stamps": {}, **changed,
    }  # fmt: skip


def good(number: int) -> bytes:
    """Return the body of a call that succeeds."""
    return json.dumps([[], {"body": {"n": number}}, EMBED]).encode()


def deep(levels: int) -> Any:
    """Return lists in lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def body(args: Any = (), kwargs: Any = None, embed: Any = None) -> bytes:
    return json.dumps(
        [args, {"body": {"n": 1}} if kwargs is None else kwargs, EMBED if embed is None else embed]
    ).encode()


GOOD = body()
LONG = "x" * 300
NUMBERS_AND_SUCH: dict[str, list[Any]] = {
    "task": [None, True, 7, 1.5, [], {}, "", LONG, "a\nb", "a\0b", "\x7f"],
    "id": [None, True, 7, 1.5, [], {}, "", "y" * 5000, "a\nb", "a\0b", "\u202e"],
    "retries": ["many", "", {}, [], 1.5, -1, 2**40],
    "timelimit": ["fast", 5, {}, [1], ["a", "b"], [1, 2, 3], [[], []], [{}, 1]],
    "eta": ["tomorrow", "", "\0", [], {}, True, "2026-13-45T00:00:00", "2026-01-01T25:00:00", 1e300, -1e300, "9" * 400],
    "expires": ["never", "", "\0", [], {}, True, "2026-13-45T00:00:00", "12 o'clock", 1e300, "P1D"],
    "group": [7, [1], {}, True],
    "root_id": [7, [1], {}],
    "parent_id": [7, [1], {}],
    "shadow": [7, [1], {}],
    "stamped_headers": ["x", 5, {}, [1], [[]]],
    "stamps": [3, [], "x"],
    "compression": ["application/x-snappy", "\0", 7, ["gzip"], {"a": 1}],
}
UNKNOWN_TASKS = [
    "no.such.function", "celery.nothing", "tried", "TRIED.NOTE", "tried.note ", "tried.note()", "__import__('os')",
    "../../etc/passwd", "tried\u2024note", "\u540d\u524d", "*", "#", "tried.*", "None",
]  # fmt: skip
BODIES: dict[str, bytes] = {
    "empty": b"",
    "space": b" ",
    "brace": b"{",
    "null": b"null",
    "true": b"true",
    "number": b"1",
    "text": b'"text"',
    "no items": b"[]",
    "one item": b"[1]",
    "one list": b"[[]]",
    "two items": b"[[], {}]",
    "four items": b"[[], {}, {}, {}]",
    "args an object": b"[{}, {}, {}]",
    "args text": b'["x", {}, {}]',
    "args a number": b"[1, {}, {}]",
    "kwargs a list": b"[[], [], {}]",
    "kwargs text": b'[[], "x", {}]',
    "kwargs null": b"[[], null, {}]",
    "kwargs a number": b"[[], 0, {}]",
    "embed a list": b"[[], {}, []]",
    "embed text": b'[[], {}, "x"]',
    "embed a number": b"[[], {}, 7]",
    "protocol 1, args a number": b'{"args": 1}',
    "protocol 1, kwargs a number": b'{"args": [], "kwargs": 5}',
    "protocol 1, kwargs a list": b'{"args": [], "kwargs": []}',
    "protocol 1, task a list": b'{"task": []}',
    "protocol 1, id an object": b'{"task": "tried.note", "id": {}, "args": [], "kwargs": {}}',
}
UNDECODABLE: dict[str, bytes] = {
    "truncated": GOOD[:-3],
    "truncated in a string": GOOD[: GOOD.index(b"body") + 2],
    "followed by junk": GOOD + b"]",
    "twice": GOOD + GOOD,
    "single quotes": GOOD.replace(b'"', b"'"),
    "a comma too many": b"[[], {}, {},]",
    "comment": b"[[], {}, {}] // well",
    "not UTF-8": b"\xff\xfe\x00",
    "a byte of Latin-1": b'[[], {"body": "\xe9"}, {}]',
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "an encoded surrogate": b'[[], {"body": "\xed\xa0\x80"}, {}]',
    "NUL": b"\0" * 10,
    "NUL at the end": GOOD + b"\0",
    "base64": base64.b64encode(GOOD),
    "gzip without saying so": gzip.compress(GOOD),
    "XML": b"<?xml version='1.0'?><call/>",
    "YAML": b"- []\n- {a: 1}\n- {}\n",
    "msgpack": b"\x93\x90\x80\x80",
    "pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00]q\x00.",
    "HTTP": b"POST /notes HTTP/1.1\r\n\r\n",
    "lists without end": b"[" * 20_000,
    "objects without end": b'{"a":' * 20_000,
    "digits without end": b"[[], {}, " + b"9" * 5000 + b"]",
    "a date that is none": b'{"__type__": "datetime", "__value__": "x"}',
    "a type that is none": b'[[], {"a": {"__type__": "nonsense", "__value__": 1}}, {}]',
    "a decimal that is none": b'[[], {"a": {"__type__": "decimal", "__value__": "x"}}, {}]',
    "a UUID that is none": b'[[], {"a": {"__type__": "uuid", "__value__": {"hex": 5, "version": []}}}, {}]',
    "bytes that are none": b'[[], {"a": {"__type__": "bytes", "__value__": 7}}, {}]',
}  # fmt: skip
CANVAS: dict[str, Any] = {
    name: [5, "x", {}, True, [5], ["x"], [None], [[]], [{}], [{"task": 1}], [{"task": ""}]]
    for name in ("callbacks", "errbacks", "chain")
} | {"chord": [5, "x", [], True, {}, {"task": 1}, {"task": None}]}
CONTENT_TYPES = [
    "application/x-python-serialize", "application/x-yaml", "application/x-msgpack", "application/data", "text/plain",
    "application/json; charset=utf-8", "APPLICATION/JSON", "application/xml", "image/png", "json", "*/*", "a\nb",
    "application/" + "j" * 200,
]  # fmt: skip
ENCODINGS = ["latin-7", "rot13", "undefined", "utf-64", "a\nb", "x" * 200]
COMPRESSED: dict[str, tuple[str, bytes]] = {
    "not gzip at all": ("application/x-gzip", GOOD),
    "not bzip2 at all": ("application/x-bz2", GOOD),
    "not xz at all": ("application/x-lzma", GOOD),
    "truncated": ("application/x-gzip", zlib.compress(GOOD)[:-4]),
    "truncated bzip2": ("bzip2", bz2.compress(GOOD)[:-4]),
    "bzip2 that says gzip": ("application/x-gzip", bz2.compress(GOOD)),
    "zlib of nothing": ("zlib", b""),
}
BOMBS: dict[str, tuple[str, bytes]] = {
    "zlib": ("application/x-gzip", zlib.compress(b" " * BOMB, 9)),
    "bzip2": ("application/x-bz2", bz2.compress(b" " * BOMB)),
    "xz": ("application/x-lzma", lzma.compress(b" " * BOMB, preset=0)),
    "zlib, and a good message in it": ("zlib", zlib.compress(b" " * BOMB + GOOD, 9)),
}
NESTED: dict[str, Any] = {
    "a header of lists in lists": {"deep": deep(150)},
    "a huge header": {"huge": "h" * 60_000},
    "thousands of headers": {f"h{number}": number for number in range(3000)},
}


def _malformed() -> Iterator[Malformed]:
    yield Malformed(name="no headers at all", body=GOOD)
    yield Malformed(name="no headers, a text", body=b'"text"')
    yield Malformed(name="no id", headers={"task": TASK}, body=GOOD)
    yield Malformed(name="no task", headers={"id": "bad-no-task"}, body=GOOD)
    for name, values in NUMBERS_AND_SUCH.items():
        for number, value in enumerate(values):
            headers = {**head(id=f"bad-{name}-{number}"), name: value}
            reason = "undecodable" if name == "compression" else "malformed"
            yield Malformed(name=f"{name} {number}", reason=reason, headers=headers, body=GOOD)
    for number, task in enumerate(UNKNOWN_TASKS):
        headers = head(id=f"bad-unknown-{number}", task=task)
        yield Malformed(name=f"unknown {number}", reason="unknown-function", headers=headers, body=GOOD)
    for number, headers in enumerate(NESTED.values()):
        headers = head(id=f"bad-nested-{number}", task="no.such.function", **headers)
        yield Malformed(name=f"nested {number}", reason="unknown-function", headers=headers, body=GOOD)
    yield from _bodies()
    yield from _contents()


def _bodies() -> Iterator[Malformed]:
    for name, content in BODIES.items():
        headers = {} if name.startswith("protocol 1") else head(id=f"bad-body-{name}")
        reason = "undecodable" if name in {"space", "brace"} else "malformed"
        yield Malformed(name=f"body: {name}", reason=reason, headers=headers, body=content)
    for name, content in UNDECODABLE.items():
        headers = head(id=f"bad-undecodable-{name}")
        yield Malformed(name=f"undecodable: {name}", reason="undecodable", headers=headers, body=content)
    for name, values in CANVAS.items():
        for number, value in enumerate(values):
            headers = head(id=f"bad-{name}-{number}")
            yield Malformed(name=f"{name} {number}", headers=headers, body=body(embed={**EMBED, name: value}))
    named_self = body(kwargs={"body": {"n": 1}, "self": 1})
    yield Malformed(name="an argument self", headers=head(id="bad-self"), body=named_self)
    too_large = {"spaces": b" " * 2_000_000, "a text": body(kwargs={"body": {"n": "x" * 1_500_000}})}
    for name, content in too_large.items():
        yield Malformed(name=f"oversize: {name}", reason="too-large", headers=head(id=f"bad-{name}"), body=content)


def _contents() -> Iterator[Malformed]:
    for number, content_type in enumerate(CONTENT_TYPES):
        headers = head(id=f"bad-type-{number}")
        yield Malformed(
            name=f"type {number}", reason="content-type", headers=headers, body=GOOD, content_type=content_type
        )
    for number, encoding in enumerate(ENCODINGS):
        headers = head(id=f"bad-encoding-{number}")
        yield Malformed(
            name=f"encoding {number}", reason="undecodable", headers=headers, body=GOOD, content_encoding=encoding
        )
    for kind, of_kind in (("compressed", COMPRESSED), ("bomb", BOMBS)):
        for number, (compression, content) in enumerate(of_kind.values()):
            headers = head(id=f"bad-{kind}-{number}", compression=compression)
            yield Malformed(name=f"{kind} {number}", reason="undecodable", headers=headers, body=content)


MALFORMED = list(_malformed())

REFUSED = [
    Refused(name="nothing"),
    Refused(name="positional", args=[1]),
    Refused(name="positional object", args=[{"n": 1}]),
    Refused(name="both", args=[1], kwargs={"body": {"n": 1}}),
    Refused(name="body null", kwargs={"body": None}),
    Refused(name="body a list", kwargs={"body": [1]}),
    Refused(name="body a text", kwargs={"body": "n"}),
    Refused(name="body empty", kwargs={"body": {}}),
    Refused(name="member of a wrong type", kwargs={"body": {"n": "1"}}),
    Refused(name="member null", kwargs={"body": {"n": None}}),
    Refused(name="a fraction", kwargs={"body": {"n": 1.5}}),
    Refused(name="not a number", kwargs={"body": {"n": float("nan")}}),
    Refused(name="infinite", kwargs={"body": {"n": float("inf")}}),
    Refused(name="unknown argument", kwargs={"body": {"n": 1}, "count": 1}),
    Refused(name="reserved argument", kwargs={"body": {"n": 1}, "context": {}}),
    Refused(name="argument without a name", kwargs={"body": {"n": 1}, "": 1}),
    Refused(name="a name with NUL", kwargs={"body": {"n": 1}, "a\0b": 1}),
    Refused(name="half a character", kwargs={"body": {"n": "\ud800"}}),
    Refused(name="half a character as a name", kwargs={"body": {"n": 1}, "\udfff": 1}),
    Refused(name="deep", kwargs={"body": {"n": deep(300)}}),
    Refused(name="wide", kwargs={"body": {"n": list(range(2000))}}),
]

EVENT = {"specversion": "1.0", "id": "e", "source": "/tests", "type": "org.example.tested", "data": {"a": 1}}
STRUCTURED = "application/cloudevents+json"


def _events() -> Iterator[Malformed]:
    def structured(name: str, event: Any, content_type: str = STRUCTURED) -> Malformed:
        raw = event if isinstance(event, bytes) else json.dumps(event).encode()
        return Malformed(name=f"event: {name}", body=raw, content_type=content_type)

    for attribute in ("specversion", "id", "source", "type"):
        yield structured(f"no {attribute}", {k: v for k, v in EVENT.items() if k != attribute})
        for number, value in enumerate([None, "", 7, True, [], {}]):
            yield structured(f"{attribute} {number}", {**EVENT, attribute: value})
        headers = {f"ce-{name}": value for name, value in EVENT.items() if name not in ("data", attribute)}
        yield Malformed(name=f"binary event: no {attribute}", headers=headers, body=b"{}")
        yield Malformed(name=f"binary event: {attribute} empty", headers={**headers, f"ce-{attribute}": ""}, body=b"{}")
    for attribute in ("subject", "time", "datacontenttype", "dataschema"):
        for number, value in enumerate([7, True, [], {}]):
            yield structured(f"{attribute} {number}", {**EVENT, attribute: value})
    for version in ("0.3", "2.0", "one", "10"):
        yield structured(f"version {version}", {**EVENT, "specversion": version})
    others: dict[str, Any] = {
        "a list": [EVENT], "a text": "event", "null": None, "a number": 7, "truncated": json.dumps(EVENT).encode()[:-4],
        "nothing": b"", "not UTF-8": b"\xff\xfe", "UTF-16": json.dumps(EVENT).encode("utf-16"),
        "lists without end": b"[" * 20_000, "data twice": {**EVENT, "data_base64": "YQ=="},
        "data_base64 that is none": {**{k: v for k, v in EVENT.items() if k != "data"}, "data_base64": "%%%"},
        "data_base64 a number": {**{k: v for k, v in EVENT.items() if k != "data"}, "data_base64": 7},
    }  # fmt: skip
    for name, event in others.items():
        yield structured(name, event)
    yield structured("JSON that is none", b"{", JSON)
    yield structured("+JSON that is none", b"[1,", "application/vnd.example+json")
    yield Malformed(name="event: oversize", reason="too-large", body=b" " * 2_000_000, content_type=JSON)
    for number, (compression, content) in enumerate([*COMPRESSED.values(), *BOMBS.values()]):
        headers = {"compression": compression}
        yield Malformed(name=f"event: compressed {number}", headers=headers, body=content)


EVENTS = list(_events())

ROWS: list[bytes] = [
    b"",
    b"not json",
    b"[]",
    b"{}",
    b"null",
    b'{"properties": {}}',
    b'{"properties": {"body_encoding": "base64"}, "body": "%%%", "headers": {"task": "tried.note", "id": "r1"}}',
    b'{"properties": {"body_encoding": "rot13"}, "body": "x", "headers": {}}',
    b'{"properties": {}, "body": {"a": 1}, "headers": {"task": "tried.note", "id": "r2"},'
    b' "content-type": "application/json", "content-encoding": "utf-8"}',
    b'{"properties": {}, "body": 5, "headers": [], "content-type": 5, "content-encoding": []}',
    b'{"properties": {"delivery_info": 5}, "body": null, "headers": null}',
    b"\xff\xff\xff",
    b'{"properties": {}, "body": "", "headers": {"x": {"__type__": "decimal", "__value__": "no number"}}}',
    b'{"properties": {"body_encoding": 5}, "body": "x", "headers": {}}',
    b"[" * 20_000,
    b"x" * 5_000_000,
    b"true",
    b'"text"',
    b"17",
    b'{"body": "", "properties": {"delivery_tag": 7, "delivery_info": {"exchange": "", "routing_key": "funcatron"}}}',
    b'{"body": "x", "properties": {"delivery_tag": "t1", "body_encoding": "rot13",'
    b' "delivery_info": {"exchange": "", "routing_key": "funcatron"}}}',
    b'{"body": "x", "headers": [1], "properties": {"delivery_tag": "t2",'
    b' "delivery_info": {"exchange": "", "routing_key": "funcatron"}}}',
    b'{"body": {}, "properties": {"delivery_tag": "t3",'
    b' "delivery_info": {"exchange": "", "routing_key": "funcatron"}}}',
    b'{"body": "%%%", "headers": {"task": "tried.note", "id": "r3"}, "content-type": "application/json",'
    b' "properties": {"delivery_tag": "t4", "body_encoding": "base64", "delivery_info": {"exchange": "",'
    b' "routing_key": "funcatron"}}}',
    b'{"body": "", "headers": null, "content-type": [], "content-encoding": {}, "properties": {"delivery_tag": "t5",'
    b' "delivery_info": {"exchange": "", "routing_key": "funcatron"}}}',
]


def _table(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _tables_in_tables(levels: int) -> bytes:
    content = b""
    for _ in range(levels):
        content = b"\x01aF" + _table(content)
    return _table(content)


_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _CORRELATION_ID = (1 << bit for bit in (15, 14, 13, 10))
PROPERTIES: dict[str, tuple[int, bytes]] = {
    "content type not UTF-8": (_CONTENT_TYPE, b"\x02\xff\xfe"),
    "content encoding not UTF-8": (_CONTENT_ENCODING, b"\x02\xff\xfe"),
    "correlation id not UTF-8": (_CORRELATION_ID, b"\x02\xff\xfe"),
    "tables in tables": (_HEADERS, _tables_in_tables(900)),
    "more tables in tables": (_HEADERS, _tables_in_tables(5000)),
    "tables to the brim": (_HEADERS, _tables_in_tables(15_000)),
    "a time beyond the calendar": (_HEADERS, _table(b"\x01tT" + struct.pack(">Q", 2**62))),
    "a decimal beyond measure": (_HEADERS, _table(b"\x01dD\xff" + struct.pack(">i", 5))),
    "a name not UTF-8": (_HEADERS, _table(b"\x02\xff\xfet\x01")),
}
"""AMQP 0-9-1 property flags and the bytes that follow them; RabbitMQ takes and delivers them all."""
