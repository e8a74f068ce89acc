"""OpenAPI 3.0.3 section 4.7.12.5, every example of the style table, and what clients really send."""

from __future__ import annotations

from typing import Any

import pytest

from funcatron.http.shapes import Shape
from funcatron.http.styles import DECODERS, Pairs, compile_reader, pairs_of
from funcatron.types import MISSING

STRING = Shape(frozenset({"string"}))
INTEGER = Shape(frozenset({"integer"}))
ARRAY = Shape(frozenset({"array"}), items=STRING)
OBJECT = Shape(frozenset({"object"}), properties={"R": INTEGER, "G": INTEGER, "B": INTEGER})

COLORS = ["blue", "black", "brown"]
RGB = {"R": 100, "G": 200, "B": 150}

# style, explode, shape, what is on the wire, value
TABLE = [
    ("matrix", False, STRING, ";color", ""),
    ("matrix", False, STRING, ";color=blue", "blue"),
    ("matrix", False, ARRAY, ";color=blue,black,brown", COLORS),
    ("matrix", False, OBJECT, ";color=R,100,G,200,B,150", RGB),
    ("matrix", True, STRING, ";color", ""),
    ("matrix", True, STRING, ";color=blue", "blue"),
    ("matrix", True, ARRAY, ";color=blue;color=black;color=brown", COLORS),
    ("matrix", True, OBJECT, ";R=100;G=200;B=150", RGB),
    ("label", False, STRING, ".", ""),
    ("label", False, STRING, ".blue", "blue"),
    ("label", False, ARRAY, ".blue.black.brown", COLORS),
    ("label", False, OBJECT, ".R.100.G.200.B.150", RGB),
    ("label", True, STRING, ".", ""),
    ("label", True, STRING, ".blue", "blue"),
    ("label", True, ARRAY, ".blue.black.brown", COLORS),
    ("label", True, OBJECT, ".R=100.G=200.B=150", RGB),
    ("form", False, STRING, "color=", ""),
    ("form", False, STRING, "color=blue", "blue"),
    ("form", False, ARRAY, "color=blue,black,brown", COLORS),
    ("form", False, OBJECT, "color=R,100,G,200,B,150", RGB),
    ("form", True, STRING, "color=", ""),
    ("form", True, STRING, "color=blue", "blue"),
    ("form", True, ARRAY, "color=blue&color=black&color=brown", COLORS),
    ("form", True, OBJECT, "R=100&G=200&B=150", RGB),
    ("simple", False, STRING, "blue", "blue"),
    ("simple", False, ARRAY, "blue,black,brown", COLORS),
    ("simple", False, OBJECT, "R,100,G,200,B,150", RGB),
    ("simple", True, STRING, "blue", "blue"),
    ("simple", True, ARRAY, "blue,black,brown", COLORS),
    ("simple", True, OBJECT, "R=100,G=200,B=150", RGB),
    ("spaceDelimited", False, ARRAY, "color=blue%20black%20brown", COLORS),
    ("spaceDelimited", False, OBJECT, "color=R%20100%20G%20200%20B%20150", RGB),
    ("pipeDelimited", False, ARRAY, "color=blue|black|brown", COLORS),
    ("pipeDelimited", False, OBJECT, "color=R|100|G|200|B|150", RGB),
    ("deepObject", True, OBJECT, "color[R]=100&color[G]=200&color[B]=150", RGB),
]

# beyond the table: label as 3.1 and RFC 6570 have it, delimiters that a client encoded, 2.0's tsv
MORE = [
    ("label", False, ARRAY, ".blue,black,brown", COLORS),
    ("form", False, ARRAY, "color=blue%2Cblack%2Cbrown", COLORS),
    ("form", False, ARRAY, "color=a%2Cb,c", ["a,b", "c"]),
    ("form", False, ARRAY, "color=", []),
    ("form", True, ARRAY, "color=a,b", ["a,b"]),
    ("form", True, ARRAY, "color=", [""]),
    ("spaceDelimited", False, ARRAY, "color=blue+black+brown", COLORS),
    ("spaceDelimited", True, ARRAY, "color=blue&color=black", ["blue", "black"]),
    ("pipeDelimited", False, ARRAY, "color=blue%7Cblack%7Cbrown", COLORS),
    ("tabDelimited", False, ARRAY, "color=blue%09black", ["blue", "black"]),
    ("form", False, STRING, "color=a,b", "a,b"),
    ("form", True, STRING, "color=red&color=blue", "blue"),
    ("form", True, STRING, "color=bl%C3%BC+e", "blü e"),
    ("form", True, STRING, "other=1", MISSING),
    ("form", True, ARRAY, "other=1", MISSING),
    ("form", True, OBJECT, "other=1", MISSING),
    ("deepObject", True, OBJECT, "other=1", MISSING),
    ("form", False, OBJECT, "color=R,100,G", "R,100,G"),
    ("simple", True, OBJECT, "R=100,G", "R=100,G"),
    ("form", True, INTEGER, "color=ten", "ten"),
]


def on_the_wire(style: str, text: str) -> Pairs:
    """The location that a style belongs to: the query, or a path segment."""
    return {"color": [text]} if style in ("matrix", "label", "simple") else pairs_of(text)


@pytest.mark.parametrize(("style", "explode", "shape", "text", "value"), TABLE + MORE)
def test_reads_what_a_style_says(style: str, explode: bool, shape: Shape, text: str, value: Any) -> None:
    decode = DECODERS["path" if style in ("matrix", "label", "simple") else "query"]
    read = compile_reader("color", style, shape, explode=explode, decode=decode)
    assert read(on_the_wire(style, text)) == value


def test_a_header_list_may_have_spaces_after_its_commas() -> None:
    read = compile_reader(
        "x-ids", "simple", Shape(frozenset({"array"}), items=INTEGER), explode=False, decode=DECODERS["header"]
    )
    assert read({"x-ids": ["1, 2,3"]}) == [1, 2, 3]


def test_an_exploded_object_with_free_members_takes_what_no_other_parameter_is() -> None:
    shape = Shape(frozenset({"object"}), additional=INTEGER)
    read = compile_reader("filter", "form", shape, explode=True, decode=DECODERS["query"], others={"limit"})
    assert read(pairs_of("limit=5&a=1&b=x")) == {"a": 1, "b": "x"}
    assert read(pairs_of("limit=5")) is MISSING


def test_a_closed_exploded_object_takes_its_own_members_only() -> None:
    shape = Shape(frozenset({"object"}), properties={"R": INTEGER}, closed=True)
    read = compile_reader("color", "form", shape, explode=True, decode=DECODERS["query"])
    assert read(pairs_of("R=1&S=2")) == {"R": 1}


def test_all_pairs_in_a_matrix_segment_are_the_objects_own() -> None:
    shape = Shape(frozenset({"object"}), properties={"R": INTEGER}, closed=True)
    read = compile_reader("color", "matrix", shape, explode=True, decode=DECODERS["path"], others={"S"})
    assert read({"color": [";R=1;S=2"]}) == {"R": 1, "S": "2"}
    assert read({"other": [";R=1"]}) is MISSING


def test_deep_objects_nest_and_hold_lists() -> None:
    inner = Shape(frozenset({"object"}), properties={"ids": Shape(frozenset({"array"}), items=INTEGER), "n": INTEGER})
    shape = Shape(frozenset({"object"}), properties={"a": inner})
    read = compile_reader("f", "deepObject", shape, explode=True, decode=DECODERS["query"])
    pairs = pairs_of("f[a][ids]=1&f[a][ids]=2&f[a][n]=3&f%5Bb%5D=x&g[a]=9")
    assert read(pairs) == {"a": {"ids": [1, 2], "n": 3}, "b": "x"}
    assert read(pairs_of("f[a][ids][]=1&f[a][ids][]=2")) == {"a": {"ids": [1, 2]}}


@pytest.mark.parametrize("text", ["color=%FF", "color=a&color=%C3"])
def test_bytes_that_are_not_utf8_are_refused(text: str) -> None:
    read = compile_reader("color", "form", ARRAY, explode=True, decode=DECODERS["query"])
    with pytest.raises(UnicodeDecodeError):
        read(pairs_of(text))


def test_pairs_keep_values_as_they_are_and_decode_names() -> None:
    assert pairs_of("a%5Bb%5D=1%2C2&&c&a%5Bb%5D=") == {"a[b]": ["1%2C2", ""], "c": [""]}
