from __future__ import annotations

from typing import Any

import pytest

from funcatron.spec import yaml_text
from funcatron.spec.syntax import Flaws


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),  # YAML 1.1 makes these false, a date, ten, ninety and a number
        ("on", "on"),
        ("2024-01-31", "2024-01-31"),
        ("012", 12),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("=", "="),
        ("0o14", 12),
        ("0xfF", 255),
        ("-0x1", "-0x1"),
        ("~", None),
        ("NULL", None),
        ("True", True),
        ("tRUE", "tRUE"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+12", 12),
        ("1.2.3", "1.2.3"),
        ("'5'", "5"),
        ('"null"', "null"),
        ("!!str 5", "5"),
        ("!!int 5", 5),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("|\n  no\n", "no\n"),
        ('"\\U0001F600"', "\U0001f600"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    parsed = yaml_text.parse(f"a: {text}")["a"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_keys_are_the_text_as_written() -> None:
    tree = yaml_text.parse("200: a\n0200: b\ntrue: c\n~: d\nno: e\n2XX: f\n1.0: g")
    assert tree == {"200": "a", "0200": "b", "true": "c", "~": "d", "no": "e", "2XX": "f", "1.0": "g"}


def test_anchors_and_merge_keys_make_independent_copies() -> None:
    tree = yaml_text.parse(
        "base: &b {x: 1, y: [2]}\nover: {<<: *b, x: 3}\nmany: {<<: [{x: 4, z: 5}, *b]}\nagain: *b\nplain: {'<<': 1}"
    )
    assert tree["over"] == {"x": 3, "y": [2]}
    assert tree["many"] == {"x": 4, "z": 5, "y": [2]}
    assert tree["plain"] == {"<<": 1}
    tree["again"]["y"].append(9)
    assert tree["base"] == {"x": 1, "y": [2]}
    assert tree["over"]["y"] == [2]


def flaws(text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(Flaws) as caught:
        yaml_text.parse(text)
    return [(flaw.line, flaw.message) for flaw in caught.value.flaws]


def test_every_duplicate_key_is_named_with_its_line() -> None:
    assert flaws("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n'a': 4") == [
        (4, "the key 'c' stands twice"),
        (5, "the key 'a' stands twice"),
        (6, "the key 'a' stands twice"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: b: c", 1, "mapping values are not allowed"),
        ("a: 1\n\tb: 2", 2, "not valid YAML: a tab indents the line; YAML takes spaces alone"),
        ("a: [1,\nb: 2", 2, "not valid YAML"),
        ("a:\n  b: 1\n \tc: 1", 3, "not valid YAML: a tab indents the line; YAML takes spaces alone"),
        ("a: *nobody", 1, "undefined alias"),
        ("a: 1\n---\nb: 2", 2, "but found another document"),
        ("a: 1\nb: \x07", 2, "not valid YAML"),
        ("", None, "the file is empty"),
        ("# only a comment", None, "the file is empty"),
        ("a: &a [*a]", 1, "an alias contains itself"),
        ("? [1]\n: 2", 1, "a key must be a string"),
        ("a: !!set {b}", 1, "is not JSON"),
        ("a: !!binary aGk=", 1, "is not JSON"),
        ("a: !custom {}", 1, "!custom is not JSON"),
        ("a:\n  - .nan", 2, ".nan is not JSON"),
        ("a: -.inf", 1, "-.inf is not JSON"),
        ("a: 1e999", 1, "out of a number's range"),
        ("a: " + "9" * 5000, 1, "too long"),
        ("a: {<<: 5}", 1, "a merge key"),
        ("[" * 200 + "]" * 200, 1, "nested deeper"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, line: int | None, message: str) -> None:
    found = flaws(text)
    assert found[0][0] == line
    assert message in found[0][1]


def test_aliases_cannot_expand_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_EXPANSION", 10_000)
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))
    assert "expand to too much" in flaws(f"a0: &a0 x\n{levels}")[0][1]


def test_lines_are_found_through_merges_aliases_and_beyond_the_end() -> None:
    line = yaml_text.locator("a: &a\n  x: 1\n  list:\n    - one\n    - two\nb:\n  <<: *a\n  y: 2\n")
    assert line(()) == 1
    assert line(("a", "x")) == 2
    assert line(("a", "list", "1")) == 5
    assert line(("b", "y")) == 8
    assert line(("b", "x")) == 2  # where it is written
    assert line(("b", "missing", "deeper")) == 6  # the nearest that is there
    assert line(("a", "list", "7")) == 3
