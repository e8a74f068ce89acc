"""funcatron.http.trie: the same answers as starlette's router, with connexion's converters, on any table of routes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.convertors import CONVERTOR_TYPES
from starlette.routing import Match, Route

from funcatron.http.plan.route import Mount, Routes
from funcatron.http.trie import Trie

TEXTS = ["a", "b", "ab", "-", ".", ",", "a.b", "1", "-1", "1.5", "", "ä", "{", "{x-y}", "a+b", "(", "mine"]
PARAMETERS = ["{x}", "{y}", "{z}", "{x:int}", "{y:float}", "{z:path}", "{x:str}"]
SEGMENTS = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(PARAMETERS),
    st.lists(st.sampled_from([*TEXTS, *PARAMETERS]), min_size=2, max_size=4).map("".join),
)
METHODS = ["GET", "POST", "HEAD", "PUT"]
TABLES = st.lists(
    st.tuples(st.sampled_from(METHODS), st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda s: "/" + "/".join(s))),
    min_size=1,
    max_size=12,
)
VALUES = st.sampled_from([*TEXTS, "7", "+7", "1.", ".", "+", "a-b", "a-b-c", "1,2", "a.b.c", "%2F", "x\r", "mine"])
PATHS = st.lists(VALUES, max_size=5).map(lambda segments: "/" + "/".join(segments))


@pytest.fixture(scope="module", autouse=True)
def converters() -> Any:
    """connexion's converters, as its RoutingMiddleware registers them."""
    from connexion.frameworks.starlette import FloatConverter, IntegerConverter  # funcatron.http imported it quietly

    before = dict(CONVERTOR_TYPES)
    CONVERTOR_TYPES.update(int=IntegerConverter(), float=FloatConverter())
    yield
    CONVERTOR_TYPES.update(before)


def _endpoint() -> None: ...


class Stock:
    """starlette's way (Router.app): one route after another."""

    def __init__(self) -> None:
        self.routes: list[tuple[Route, int]] = []

    def add(self, method: str, template: str, value: int) -> None:
        self.routes.append((Route(template, _endpoint, methods=[method]), value))

    def find(self, method: str, path: str) -> tuple[int, dict[str, Any]] | None:
        for route, value in self.routes:
            match, scope = route.matches({"type": "http", "method": method, "path": path})
            if match is Match.FULL:
                return value, scope["path_params"]
        return None

    def methods(self, path: str) -> set[str]:
        return {method for route, _ in self.routes if route.path_regex.match(path) for method in (route.methods or ())}


def _tables(table: list[tuple[str, str]]) -> tuple[Trie[int], Stock]:
    trie, stock = Trie[int](), Stock()
    for value, (method, template) in enumerate(table):
        try:
            stock.add(method, template, value)
        except ValueError:
            with pytest.raises(ValueError, match="twice"):
                trie.add(method, template, value)
        else:
            trie.add(method, template, value)
    return trie, stock


def _answer(table: Trie[int] | Stock, method: str, path: str) -> Any:
    """Return what a table says, its values as text: starlette has converted them."""
    try:
        found = table.find(method, path)
    except ValueError:
        return "the converter fails"
    return found and (found[0], set(found[1]), isinstance(table, Trie) or found[1])


def _same(trie: Trie[int], stock: Stock, method: str, path: str) -> None:
    ours, theirs = _answer(trie, method, path), _answer(stock, method, path)
    if ours is None or theirs is None or isinstance(ours, str) or isinstance(theirs, str):
        assert ours == theirs, (method, path)
        return
    assert ours[:2] == theirs[:2], (method, path)
    found = trie.find(method, path)
    assert found is not None
    for name, value in theirs[2].items():
        assert type(value)(found[1][name]) == value, (method, path, name)


@settings(max_examples=400, deadline=None)
@given(TABLES, st.lists(PATHS, min_size=1, max_size=12))
@example([("GET", "/{x}"), ("GET", "/mine")], ["/mine", "/mine"])
@example([("GET", "/mine"), ("GET", "/{x}")], ["/mine", "/other", "/"])
@example([("POST", "/{x:float}"), ("GET", "/{y}")], ["/.", "/1", "/"])
@example([("GET", "/{x:path}"), ("GET", "/a/b")], ["/a/b", "/", "/a//"])
@example([("GET", "/{x}-{y}"), ("GET", "/{x}.{y}")], ["/a-b-c", "/a.b.c", "/-", "/a-b.c"])
def test_every_path_is_routed_as_by_starlette(table: list[tuple[str, str]], paths: list[str]) -> None:
    trie, stock = _tables(table)
    concrete = [template for _, template in table]
    for path in [*paths, *concrete, *concrete]:
        assert trie.methods(path) == stock.methods(path), path
        for method in [*METHODS, "DELETE"]:
            _same(trie, stock, method, path)


@settings(max_examples=400, deadline=None)
@given(TABLES, st.lists(PATHS, min_size=1, max_size=12))
@example([("GET", "/a/{x}"), ("GET", "/a/mine"), ("POST", "/a/{y}")], ["/a/mine", "/a/b", "/a/", "/a/b/"])
@example([("GET", "/a/{x}"), ("GET", "/{x}/b")], ["/a/b", "/a/a"])
@example([("GET", "/a/{x}"), ("GET", "/{z:path}")], ["/a/b", "/a/a"])
def test_routes_find_what_their_tables_find(table: list[tuple[str, str]], paths: list[str]) -> None:
    trie, _ = _tables(table)
    routes = Routes([Mount("/v1", trie, ()), Mount("", trie, ())])
    for path in [*paths, "/a/b\n"]:
        for method in METHODS:
            expected = _outcome(trie.find, method, path)
            assert _outcome(routes.find, method, path) == expected, (method, path)
            assert _outcome(routes.find, method, "/v1" + path) == expected, (method, path)


def _outcome(find: Callable[[str, str], Any], method: str, path: str) -> Any:
    try:
        return find(method, path)
    except ValueError:
        return "the converter fails"


def test_values_are_text_as_it_was_sent() -> None:
    trie = Trie[str]()
    trie.add("get", "/pets/{pet_id:int}/{size:float}", "pet")
    assert trie.find("GET", "/pets/+007/1.50") == ("pet", {"pet_id": "+007", "size": "1.50"})
    assert trie.find("HEAD", "/pets/+007/1.50") == ("pet", {"pet_id": "+007", "size": "1.50"})
    assert trie.find("POST", "/pets/7/1") is None
    assert trie.methods("/pets/7/1") == {"GET", "HEAD"}
    assert trie.methods("/pets/seven/1") == frozenset()


def test_a_number_too_long_for_python_fails_as_in_starlette() -> None:
    trie = Trie[str]()
    trie.add("GET", "/{n:int}", "n")
    with pytest.raises(ValueError, match="digits"):
        trie.find("GET", "/" + "1" * (sys.get_int_max_str_digits() + 1))


def test_a_line_feed_is_left_to_starlette() -> None:
    trie = Trie[str]()
    trie.add("GET", "/{name}", "n")
    assert trie.find("GET", "/Bob\n") is None
    assert trie.methods("/Bob\n") == frozenset()


def test_found_parameters_belong_to_who_found_them() -> None:
    trie = Trie[str]()
    trie.add("GET", "/{name}", "any")
    trie.add("GET", "/mine", "mine")
    for _ in range(2):
        found = trie.find("GET", "/mine")
        assert found == ("any", {"name": "mine"})
        found[1]["name"] = "changed"


def test_a_route_added_later_is_found() -> None:
    trie = Trie[str]()
    trie.add("GET", "/a", "first")
    assert trie.find("POST", "/a") is None
    trie.add("POST", "/a", "second")
    assert (trie.find("GET", "/a"), trie.find("POST", "/a"), len(trie)) == (("first", {}), ("second", {}), 2)


@pytest.mark.parametrize("template", ["pets", "/{x}/{x}", "/{x:uuid}"])
def test_a_template_that_cannot_be_routed_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="template"):
        Trie[str]().add("GET", template, "never")


def test_what_finding_looks_at_does_not_grow_with_the_table() -> None:
    """Counted in calls of Python and C functions, which no busy machine changes."""

    def calls(trie: Trie[int], path: str) -> int:
        count = 0

        def profile(*_event: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(profile)
        try:
            found = trie.find("GET", path)
        finally:
            sys.setprofile(None)
        assert found is not None
        return count

    trie = Trie[int]()
    for number in range(500):
        trie.add("GET", f"/things{number}/{{key}}/parts/{{part:int}}", number)
    assert calls(trie, "/things499/k/parts/7") == calls(trie, "/things0/k/parts/7")
