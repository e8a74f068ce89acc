from __future__ import annotations

import pytest

from funcatron.spec.pointer import find, join, split, split_fragment

TREE = {"": {"a/b": {"m~n": [10, {"": 20}]}}, "%25": 1, "é": 2}


@pytest.mark.parametrize(
    "parts", [(), ("",), ("", "a/b", "m~n", "0"), ("", "a/b", "m~n", "1", ""), ("%25",), ("~1",), ("/~",)]
)
def test_join_and_split_are_inverse(parts: tuple[str, ...]) -> None:
    assert split(join(parts)) == parts


def test_escapes_are_undone_in_the_right_order() -> None:
    assert split("/~01") == ("~1",)
    assert join(["~1", 5]) == "/~01/5"


def test_fragments_are_percent_decoded_before_they_are_taken_apart() -> None:
    assert split_fragment("/paths/~1a~1%7Bid%7D/%C3%A9") == ("paths", "/a/{id}", "é")
    assert split_fragment("/%2525") == ("%25",)


@pytest.mark.parametrize("fragment", ["a", "%ff"])
def test_what_is_no_pointer(fragment: str) -> None:
    with pytest.raises(ValueError):
        split_fragment(fragment)


def test_find() -> None:
    assert find(TREE, ("", "a/b", "m~n", "1", "")) == 20
    assert find(TREE, ()) is TREE


@pytest.mark.parametrize(
    "parts", [("x",), ("é", "deeper"), ("", "a/b", "m~n", "2"), ("", "a/b", "m~n", "-1"), ("", "a/b", "m~n", "00")]
)
def test_what_is_not_there(parts: tuple[str, ...]) -> None:
    with pytest.raises(LookupError):
        find(TREE, parts)
