"""What is left of a document when its mistakes are cut out."""

import copy

import pytest

from funcatron.spec.pruning import prune

TREE = {
    "info": {"title": "T", "version": 1},
    "x-funcatron": {"mod": "async"},
    "paths": {
        "/a": {"get": {"operationId": "a", "x-funcatron": {"mode": "later"}}, "post": {"operationId": "b"}},
        "/b": {"parameters": [], "get": {"operationId": "c"}},
    },
    "components": {"schemas": {"S": {"type": "strin"}}},
}


def pruned(*places):
    tree = copy.deepcopy(TREE)
    return prune(tree, places), tree


def test_a_mistake_in_x_funcatron_takes_that_alone():
    sound, tree = pruned(("paths", "/a", "get", "x-funcatron", "mode"), ("x-funcatron", "mod"))
    assert sound
    assert tree["paths"]["/a"]["get"] == {"operationId": "a"}
    assert "x-funcatron" not in tree


def test_a_mistake_in_an_operation_takes_the_operation():
    sound, tree = pruned(("paths", "/a", "get", "responses"))
    assert sound
    assert list(tree["paths"]["/a"]) == ["post"]


def test_a_mistake_of_all_operations_takes_the_path():
    sound, tree = pruned(("paths", "/b", "parameters", "0"))
    assert sound
    assert list(tree["paths"]) == ["/a"]


def test_the_info_is_mended():
    sound, tree = pruned(("info", "version"))
    assert sound
    assert tree["info"] == {"title": "", "version": ""}


def test_mistakes_may_overlap():
    sound, tree = pruned(
        ("paths", "/a", "get", "x-funcatron"), ("paths", "/a", "get"), ("paths", "/a"), ("paths", "/a")
    )
    assert sound
    assert list(tree["paths"]) == ["/b"]


@pytest.mark.parametrize("place", [(), ("components", "schemas", "S", "type"), ("openapi",)])
def test_what_many_rely_on_cannot_be_cut_out(place):
    sound, _ = pruned(("paths", "/a"), place)
    assert not sound
