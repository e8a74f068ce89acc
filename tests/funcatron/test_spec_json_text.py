from __future__ import annotations

import pytest

from funcatron.spec import json_text
from funcatron.spec.syntax import Flaws

TEXT = """{
\t"a": {"x": 1, "y": [10,
    {"deep": "{[,:\\"}"}
  ]},
  "\\ud83d\\ude00\\/": null,
  "big": 123456789012345678901234567890
}"""


def test_tabs_escapes_and_big_integers() -> None:
    tree = json_text.parse(TEXT)
    assert tree["\U0001f600/"] is None
    assert tree["big"] == 123456789012345678901234567890


def test_lines() -> None:
    line = json_text.locator(TEXT)
    assert line(()) == 1
    assert line(("a", "y", "0")) == 2
    assert line(("a", "y", "1", "deep")) == 3
    assert line(("\U0001f600/",)) == 5
    assert line(("a", "nothing")) == 2
    assert line(("a", "y", "9", "x")) == 2


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{\n"a": 1,\n"b" 2}', 3, "not valid JSON"),
        ('{"a": 1}\n{', 2, "Extra data"),
        ("{'a': 1}", 1, "property name"),
        ('{"a": NaN}', None, "NaN is not JSON"),
        ('{"a": -Infinity}', None, "-Infinity is not JSON"),
        ('{"a": 1e999}', None, "out of a number's range"),
        ('{"a": "\n"}', 1, "control character"),
        ("[" * 121 + "]" * 121, None, "nested deeper"),
        ("[" * 100_000 + "]" * 100_000, None, "nested deeper"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, line: int | None, message: str) -> None:
    with pytest.raises(Flaws) as caught:
        json_text.parse(text)
    (flaw,) = caught.value.flaws
    assert flaw.line == line
    assert message in flaw.message


def test_every_duplicate_key_is_named_with_its_line() -> None:
    with pytest.raises(Flaws) as caught:
        json_text.parse('{"a": 1,\n"b": [{"c": 1,\n"c": 2}],\n"a": 3}')
    assert [(flaw.line, flaw.parts) for flaw in caught.value.flaws] == [(3, ("b", "0", "c")), (4, ("a",))]


def test_depth_counts_no_brackets_in_strings() -> None:
    assert json_text.parse('{"a": "' + "[" * 500 + '\\""}')["a"] == "[" * 500 + '"'
