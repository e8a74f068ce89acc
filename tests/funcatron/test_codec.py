from __future__ import annotations

import asyncio
import enum
import io
import json
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers, UploadFile

from funcatron.codec import StoredUpload, Upload, decode_input, decode_json, encode_input, encode_json

# encode_json


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int
    y: Any = 0
    tags: set[str] = field(default_factory=set)


class Named(msgspec.Struct):
    name: str
    when: datetime


class Boxed(msgspec.Struct):
    inside: int


Pair = namedtuple("Pair", "a b")
MOMENT = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({"ü": [1, 2.5, True, None, "€"]}, '{"ü":[1,2.5,true,null,"€"]}'),
        (MOMENT, '"2024-02-29T12:30:00Z"'),
        (date(2024, 2, 29), '"2024-02-29"'),
        (time(12, 30), '"12:30:00"'),
        (timedelta(minutes=1, milliseconds=500), "60.5"),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Colour.RED, '"red"'),
        ({"level": Level.HIGH}, '{"level":3}'),
        (Point(1, tags={"a"}), '{"x":1,"y":0,"tags":["a"]}'),
        (Named("a", MOMENT), '{"name":"a","when":"2024-02-29T12:30:00Z"}'),
        (Pair(1, 2), "[1,2]"),
        (frozenset([1]), "[1]"),
        (PurePosixPath("a/b"), '"a/b"'),
        (OrderedDict(a=1), '{"a":1}'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        ({1: 2, None: 3, MOMENT: 4}, '{"1":2,"null":3,"2024-02-29T12:30:00Z":4}'),
        (
            [float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")],
            "[null,null,null,null,null]",
        ),
        ("\u2028", '"\u2028"'),
    ],
)
def test_python_values_become_json(value: Any, text: str) -> None:
    assert encode_json(value).decode() == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.1", "0.1"),
        ("1.10", "1.1"),
        ("3", "3"),
        ("3.000", "3"),
        ("-0", "0"),
        (str(2**63 - 1), str(2**63 - 1)),
        ("0.1000000000000000000000000001", '"0.1000000000000000000000000001"'),
        ("1E+400", '"1E+400"'),
        ("1E-400", '"1E-400"'),
    ],
)
def test_decimals_are_numbers_where_that_is_exact(value: str, text: str) -> None:
    assert encode_json(Decimal(value)).decode() == text


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_decimal_loses_anything(value: Decimal) -> None:
    assert Decimal(json.loads(encode_json(value), parse_float=Decimal, parse_int=Decimal)) == value


@pytest.mark.parametrize("value", [2**63, -(2**63), 2**64, 2**70, -(2**70), 10**400])
def test_integers_of_any_size_are_exact(value: int) -> None:
    assert encode_json(value).decode() == str(value)
    around = [MOMENT, Decimal("0.5"), Decimal("NaN"), {Colour.RED}, timedelta(1), Boxed(value), 0.5, "\u2028"]
    assert json.loads(encode_json({1: Point(value, y=around)})) == {
        "1": {
            "x": value,
            "y": ["2024-02-29T12:30:00Z", 0.5, None, ["red"], 86400.0, {"inside": value}, 0.5, "\u2028"],
            "tags": [],
        }
    }
    assert decode_json(encode_json([value])) == [value]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "the value: object does not serialise as JSON"),
        ({"a": [1, {"b": b"x"}]}, "/a/1/b: bytes does not serialise as JSON"),
        (Point(1, y=(1, object())), "/y/1: object does not serialise as JSON"),
        ({"a": {object()}}, "/a: set does not serialise as JSON"),
        ([2**70, object()], "/1: object does not serialise as JSON"),
        ([object(), 2**70], "/0: object does not serialise as JSON"),
        ({"a": "\ud800"}, "/a: the string has a lone surrogate, which is no valid Unicode"),
        ([2**70, "\ud800"], "/1: the string has a lone surrogate, which is no valid Unicode"),
        ([2**70, b""], "/1: bytes does not serialise as JSON"),
        ({2**70: 1, "a": object()}, "/a: object does not serialise as JSON"),
        ({(1, 2): 3}, "the value: (1, 2) (tuple) cannot be a key of a JSON object"),
        ({"a": [{b"x": 1}]}, "/a/0: b'x' (bytes) cannot be a key of a JSON object"),
    ],
)
def test_what_does_not_serialise_is_named(value: Any, said: str) -> None:
    with pytest.raises(TypeError) as raised:
        encode_json(value)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    "value", [{(1, 2): 3}, {"\ud800": 1}, {"a": {b"k": 1}}, {(1,): 2**70}, {2**70: 1}, {1: 1, "1": 2**70}]
)
def test_keys_that_json_has_not_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"(?i)key|utf-8|zip"):
        encode_json(value)


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [endless(), [2**70, endless()], deep(100_000), {"a": deep(300)}], ids=range(4))
def test_what_never_ends_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="nested too deeply"):
        encode_json(value)


def test_decoding_json() -> None:
    assert decode_json(b'{"a":[1,123456789012345678901234567890]}') == {"a": [1, 123456789012345678901234567890]}
    for bad in (b"", b"{", b"NaN", b'"\\ud800"', b"1e400"):
        with pytest.raises(msgspec.DecodeError):
            decode_json(bad)


# encode_input, decode_input

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(texts | st.sampled_from(["$bytes", "$file", "$", "$$", "$$bytes", "a$"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(texts.filter(bool), values))
def test_a_record_gives_the_arguments_again(arguments: dict[str, Any]) -> None:
    stored = encode_input(arguments)
    kept = msgspec.json.decode(msgspec.json.encode(stored))
    assert kept == stored
    assert decode_input(kept) == arguments


def test_users_members_are_not_mistaken_for_ours() -> None:
    body = {"$bytes": "AA==", "$file": {"$$x": 1}, "a": b"\x00"}
    stored = encode_input({"body": body})
    assert stored == {"body": {"$$bytes": "AA==", "$$file": {"$$$x": 1}, "a": {"$bytes": "AA=="}}}
    assert decode_input(stored) == {"body": body}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ((1, 2), [1, 2]),
        (bytearray(b"a"), {"$bytes": "YQ=="}),
        (memoryview(b"a"), {"$bytes": "YQ=="}),
        (MOMENT, "2024-02-29T12:30:00Z"),
        (Decimal("1.5"), 1.5),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        ({1: {MOMENT}}, {"1": ["2024-02-29T12:30:00Z"]}),
        (Point(2**70), {"x": 2**70, "y": 0, "tags": []}),
        (MappingProxyType({"$a": 1}), {"$$a": 1}),
    ],
)
def test_other_values_are_kept_as_json_has_them(value: Any, kept: Any) -> None:
    assert encode_input({"body": value}) == {"body": kept}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "/body: nan is not a finite number"),
        ({"a": [float("-inf")]}, "/body/a/0: -inf is not a finite number"),
        ({"a": "\ud800"}, "/body/a: the string has a lone surrogate, which is no valid Unicode"),
        ({"\udfff": 1}, "the key '\\udfff' has a lone surrogate, which is no valid Unicode"),
        ([object()], "/body/0: object cannot be kept in a record"),
        ([b"", {"a": lambda: None}], "/body/1/a: function cannot be kept in a record"),
        (endless(), "the value is nested too deeply, or holds itself"),
    ],
    ids=range(7),
)
def test_what_a_record_cannot_keep_is_named(value: Any, said: str) -> None:
    with pytest.raises(TypeError) as raised:
        encode_input({"body": value})
    assert str(raised.value) == said


def test_what_was_refused_is_kept_as_well_as_it_can_be() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    given_ = {"a\ud800": float("nan"), "$b": [Odd(), {"$c\ud800": "x\udfff"}, b"\x00", 1], "d": endless()}
    stored = encode_input(given_, strict=False)
    assert stored["a\\ud800"] == "nan"
    assert "nested too deeply" in str(encode_input({"a": deep(100_000)}, strict=False))
    assert stored["$b"] == ["odd", {"$$c\\ud800": "x\\udfff"}, {"$bytes": "AA=="}, 1]
    assert msgspec.json.decode(msgspec.json.encode(stored)) == stored
    assert encode_input({"a": {"$b": b""}}, strict=False) == encode_input({"a": {"$b": b""}})


def test_an_upload_is_read_whole_and_left_at_its_beginning() -> None:
    upload = UploadFile(io.BytesIO(b"\x89PNG"), filename="ü.png", headers=Headers({"content-type": "image/png"}))
    upload.file.read(2)
    stored = encode_input({"body": {"files": [upload]}})
    assert stored["body"]["files"] == [{"$file": "iVBORw==", "filename": "ü.png", "content_type": "image/png"}]
    assert upload.file.read() == b"\x89PNG"

    again = decode_input(stored)["body"]["files"][0]
    assert isinstance(again, Upload)
    assert isinstance(again, StoredUpload)
    assert (again.filename, again.content_type, again.size) == ("ü.png", "image/png", 4)
    assert encode_input({"body": {"files": [again]}}) == stored


def test_a_stored_upload_is_read_as_starlettes_is() -> None:
    async def use() -> None:
        upload = StoredUpload(b"abc", "a", None)
        assert await upload.read(2) == b"ab"
        assert await upload.read() == b"c"
        await upload.seek(1)
        assert await upload.read() == b"bc"
        await upload.close()
        assert upload.file.closed

    asyncio.run(use())
