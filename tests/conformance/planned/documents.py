"""Random documents of OpenAPI 3.0 and 2.0."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.conformance.planned.api import Api
from tests.conformance.planned.options import serving_options
from tests.conformance.planned.parameters import parameter, path_parameter
from tests.conformance.planned.schemas import parameter_schema, schema
from tests.conformance.planned.swagger import swagger

__all__ = ["SCHEMES", "api"]

HANDLERS = "tests.conformance.planned.handlers"
PATHS = ("/a", "/a/{p}", "/b/{p}/{q}", "/{p}", "/c/{p}.json", "/d/{p-x}", "/e/{p}/f", "/e/g/f", "/h/{p}/{tail}")
METHODS = ("get", "get", "post", "post", "put", "delete", "patch", "head", "options")
NAMES = ("q", "n", "limit", "item-id", "userId", "id", "ids[]", "type", "X-Count", "class", "tag")
MEDIA = ("application/json", "application/json", "application/vnd.x+json", "application/x-www-form-urlencoded",
         "multipart/form-data", "application/octet-stream", "text/plain", "application/*")  # fmt: skip
ODD_MEDIA = ("*/*", "image/*", "text/json", "application/xml", "application/JSON", "application/json; charset=utf-8",
             "application/problem+json", "text/plain; charset=utf-8")  # fmt: skip
PRODUCED = (*["application/json"] * 60, "text/plain", "application/problem+json", "application/vnd.x+json", "image/png")


def _info(name: str) -> str:
    return f"{HANDLERS}.{name}"


SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key", "x-apikeyInfoFunc": _info("key")},
    "query": {"type": "apiKey", "in": "query", "name": "key", "x-apikeyInfoFunc": _info("key")},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "key", "x-apikeyInfoFunc": _info("akey")},
    "basic": {"type": "http", "scheme": "basic", "x-basicInfoFunc": _info("basic")},
    "bearer": {"type": "http", "scheme": "bearer", "x-bearerInfoFunc": _info("bearer")},
    "oauth": {"type": "oauth2", "flows": {}, "x-tokenInfoFunc": _info("oauth")},
}


def api(random: Random, name: str = "random") -> Api:
    """Return a random document, one in four of OpenAPI 2.0."""
    document = _document(random)
    told = swagger(random, document) if random.random() < 0.25 else document
    return Api(name, told, serving_options(random))


def _document(random: Random) -> dict[str, Any]:
    names = ("Node", "Other")
    paths: dict[str, Any] = {}
    for path in random.sample(PATHS, random.randint(2, 5)):
        item: dict[str, Any] = {}
        for method in {random.choice(METHODS): None for _ in range(random.randint(1, 3))}:
            item[method] = _operation(random, path, f"op{len(paths)}{method}", names)
        _share(random, item)
        paths[path] = item
    document = {
        "openapi": "3.0.3",
        "info": {"title": "fuzz", "version": "1"},
        "servers": [{"url": random.choice(["/", "/v1", "/v1/deep"])}],
        "paths": paths,
        "components": {"schemas": {name: _named(random, names) for name in names}, "securitySchemes": SCHEMES},
    }
    if random.random() < 0.3:
        document["security"] = _security(random)
    return document


def _share(random: Random, item: dict[str, Any]) -> None:
    """Declare the parameters of the path where all its operations have them, now and then."""
    operations = list(item.values())
    if random.random() < 0.2:
        shared = [one for one in operations[0]["parameters"] if one["in"] == "path"]
        for operation in operations:
            operation["parameters"] = [one for one in operation["parameters"] if one["in"] != "path"]
        item["parameters"] = shared


def _named(random: Random, names: tuple[str, ...]) -> dict[str, Any]:
    """A schema whose references are below properties, so that it may contain itself and still end."""
    return {"type": "object", "properties": {name: schema(random, names, 2) for name in ("a", "next")}}


def _operation(random: Random, path: str, name: str, names: tuple[str, ...]) -> dict[str, Any]:
    parameters = [path_parameter(random, part) for part in ("p", "q", "p-x", "tail") if f"{{{part}}}" in path]
    parameters += [parameter(random, wanted) for wanted in random.sample(NAMES, random.randint(0, 4))]
    operation: dict[str, Any] = {"operationId": name, "parameters": parameters, "responses": _responses(random, names)}
    if random.random() < 0.5:
        operation["requestBody"] = _body(random, names)
    if random.random() < 0.3:
        operation["security"] = _security(random)
    return operation


def _body(random: Random, names: tuple[str, ...]) -> dict[str, Any]:
    content = {}
    for media in random.sample(MEDIA if random.random() < 0.93 else ODD_MEDIA, random.choice([1, 1, 1, 2, 3])):
        form = media.startswith(("application/x-www", "multipart"))
        content[media] = {"schema": _form(random) if form else schema(random, names)}
        if form and random.random() < 0.15:
            content[media]["encoding"] = {"a": random.choice([{"contentType": "application/json"}, {"explode": False}])}
    body: dict[str, Any] = {"content": content, "required": random.random() < 0.5}
    if random.random() < 0.2:
        body["x-body-name"] = "payload"
    return body


def _form(random: Random) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": {}}
    for name in random.sample(["a", "b", "file", "files", "tag"], random.randint(0, 4)):
        one: dict[str, Any] = {"type": "string", "format": "binary"} if name == "file" else parameter_schema(random)
        if name == "files":
            one = {"type": "array", "items": {"type": "string", "format": "binary"}}
        one.pop("default", None)
        made["properties"][name] = one
    if made["properties"] and random.random() < 0.4:
        made["required"] = [random.choice(list(made["properties"]))]
    if random.random() < 0.2:
        made["additionalProperties"] = False
    return made


def _responses(random: Random, names: tuple[str, ...]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in random.sample(["200", "201", "204", "404", "default"], random.randint(1, 3)):
        response: dict[str, Any] = {"description": ""}
        if random.random() < 0.8:
            produced = {random.choice(PRODUCED) for _ in range(random.choice([1] * 20 + [2]))}
            response["content"] = {
                media: {"schema": schema(random, names)} if random.random() < 0.8 else {} for media in sorted(produced)
            }
        if random.random() < 0.1:
            response["headers"] = {"X-Own": {"required": True, "schema": {"type": "string"}}}
        responses[status] = response
    return responses


def _security(random: Random) -> list[dict[str, Any]]:
    made = [_either(random) for _ in range(random.randint(0, 3))]
    return made + ([{}] if random.random() < 0.2 else [])


def _either(random: Random) -> dict[str, Any]:
    names = random.sample(list(SCHEMES), random.choice([1, 1, 2]))
    return {name: ["read"] if name == "oauth" else [] for name in names}
