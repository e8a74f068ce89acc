from __future__ import annotations

from typing import Any

import pytest

from funcatron.expressions import evaluate, point
from funcatron.types import MISSING

# The example of OpenAPI 3.0.3, section 4.7.18.2 (Key Expression); its table counts successUrls from 1, RFC 6901 from 0.
BODY = {
    "failedUrl": "http://clientdomain.com/failed",
    "successUrls": ["http://clientdomain.com/fast", "http://clientdomain.com/medium", "http://clientdomain.com/slow"],
    "user": {"uuid": "u-1", "a/b": {"m~n": 8}, "": "empty"},
    "callback.url": "http://clientdomain.com/dotted",
    "flags": {"yes": True, "none": None, "half": 0.5},
}
VALUES = {
    ("url", ""): "http://example.org/subscribe/myevent?queryUrl=http://clientdomain.com/stillrunning",
    ("method", ""): "POST",
    ("statusCode", ""): 201,
    ("request.path", "eventType"): "myevent",
    ("request.query", "queryUrl"): "http://clientdomain.com/stillrunning",
    ("request.query", "filter.name"): "dotted",
    ("request.header", "content-Type"): "application/json",
    ("response.header", "Location"): "http://example.org/subscription/1",
}


def lookup(source: str, name: str) -> Any:
    if source == "request.body":
        return point(BODY, name)
    if source == "response.body":
        return point({"status": "ok"}, name)
    return VALUES.get((source, name))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$url", "http://example.org/subscribe/myevent?queryUrl=http://clientdomain.com/stillrunning"),
        ("$method", "POST"),
        ("$statusCode", "201"),
        ("$request.path.eventType", "myevent"),
        ("$request.query.queryUrl", "http://clientdomain.com/stillrunning"),
        ("$request.query.filter.name", "dotted"),
        ("$request.header.content-Type", "application/json"),
        ("$request.body#/failedUrl", "http://clientdomain.com/failed"),
        ("$request.body#/successUrls/1", "http://clientdomain.com/medium"),
        ("$request.body#/user/uuid", "u-1"),
        ("$request.body#/user/a~1b/m~0n", "8"),
        ("$request.body#/user/", "empty"),
        ("$request.body#/callback.url", "http://clientdomain.com/dotted"),
        ("$request.body#/flags/yes", "true"),
        ("$request.body#/flags/half", "0.5"),
        ("$response.body#/status", "ok"),
        ("$response.header.Location", "http://example.org/subscription/1"),
        ("{$request.body#/failedUrl}", "http://clientdomain.com/failed"),
        ("http://x/{$request.path.eventType}?u={$request.body#/user/uuid}#f", "http://x/myevent?u=u-1#f"),
        ("http://fixed.example/{plain}", "http://fixed.example/{plain}"),
        ("", ""),
    ],
)
def test_what_an_expression_names(expression: str, value: str) -> None:
    assert evaluate(expression, lookup) == value


@pytest.mark.parametrize(
    "expression",
    [
        "$request.body#/absent",
        "$request.body#/successUrls/3",
        "$request.body#/successUrls/-1",
        "$request.body#/successUrls/²",
        "$request.body#/successUrls/x",
        "$request.body#/failedUrl/deeper",
        "$request.body#/flags/none",
        "$request.body#/user",
        "$request.body",
        "$request.query.absent",
        "$request.bodyguard",
        "$request",
        "$nonsense",
        "$",
        "http://x/{$request.body#/absent}/{$method}",
    ],
)
def test_what_is_missing_or_no_scalar_makes_no_url(expression: str) -> None:
    assert evaluate(expression, lookup) is None


def test_a_whole_body_may_be_the_value() -> None:
    def whole(source: str, name: str) -> Any:
        return point("http://x", name) if source == "request.body" else None

    assert evaluate("$request.body", whole) == "http://x"
    assert evaluate("$request.bodyguard", whole) is None


def test_a_pointer_tells_null_from_nothing() -> None:
    assert point({"a": [None]}, "/a/0") is None
    assert point({"a": [None]}, "/a/1") is MISSING
    assert point({"a": 1}, "") == {"a": 1}
