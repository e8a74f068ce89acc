"""Which objects a trigger is for."""

from __future__ import annotations

import pytest

from funcatron_openstack.filter import ObjectFilter


@pytest.mark.parametrize(
    ("settings", "wanted", "unwanted"),
    [
        ({}, ["a", "é/😀", "/lead//x", "a/"], ["a/000000", "a/../b", ".", "a/./b"]),
        ({"prefix": "raw/"}, ["raw/a"], ["a", "raw"]),
        ({"suffix": [".jpg", ".png"]}, ["a.jpg", "b/.png"], ["a.JPG", "a.jpg/000000"]),
        ({"prefix": ["a/", "b/"], "suffix": ".x"}, ["a/1.x", "b/.x"], ["c/1.x", "a/1"]),
        ({"segments": True}, ["a/000000"], []),
    ],
)
def test_names(settings: dict[str, object], wanted: list[str], unwanted: list[str]) -> None:
    chosen = ObjectFilter.from_settings(settings)
    assert [name for name in wanted if not chosen.wants(name)] == []
    assert [name for name in unwanted if chosen.wants(name)] == []


def test_no_listing_within_another() -> None:
    assert ObjectFilter(prefixes=("b/", "a/", "a/b", "b/")).listings() == ("a/", "b/")
    assert ObjectFilter(prefixes=("", "a")).listings() == ("",)
