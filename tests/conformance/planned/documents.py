"""Random documents of OpenAPI 3.0 and 2.0."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from tests.conformance.planned.schemas import parameter_schema, schema
from tests.conformance.planned.swagger import swagger

__all__ = ["Api", "api"]

HANDLERS = "tests.conformance.planned.handlers"
PATHS = ("/a", "/a/{p}", "/b/{p}/{q}", "/{p}", "/c/{p}.json", "/d/{p-x}", "/e/{p}/f", "/e/g/f", "/h/{p}/{tail}")
METHODS = ("get", "post", "put", "delete", "patch")
NAMES = ("q", "n", "limit", "item-id", "userId", "id", "ids[]", "type", "X-Count", "class", "tag")
MEDIA = ("application/json", "application/json", "application/vnd.x+json", "application/x-www-form-urlencoded",
         "multipart/form-data", "application/octet-stream", "text/plain", "application/*")  # fmt: skip


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


@dataclass(frozen=True, slots=True)
class Api:
    """A document, and the options that connexion is to serve it with."""

    document: dict[str, Any]
    options: dict[str, Any]

    @property
    def schemas(self) -> dict[str, Any]:
        """The document's named schemas."""
        found: dict[str, Any] = self.document.get("definitions") or self.document["components"]["schemas"]
        return found

    @property
    def base_path(self) -> str:
        """Where the document is served."""
        return str(self.document.get("basePath") or self.document["servers"][0]["url"]).rstrip("/")

    def operations(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return method, path and operation."""
        return [
            (method, path, operation)
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        ]


def api(random: Random) -> Api:
    """Return a random document, one in four of OpenAPI 2.0."""
    made = _api(random)
    return Api(swagger(random, made.document), made.options) if random.random() < 0.25 else made


def _api(random: Random) -> Api:
    names = ("Node", "Other")
    paths: dict[str, Any] = {}
    for path in random.sample(PATHS, random.randint(2, 5)):
        item: dict[str, Any] = {}
        for method in random.sample(METHODS, random.randint(1, 2)):
            item[method] = _operation(random, path, f"op{len(paths)}{method}", names)
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
    options = {
        "validate_responses": random.random() < 0.5,
        "strict_validation": random.random() < 0.2,
        "pythonic_params": random.random() < 0.3,
    }
    return Api(document, options)


def _named(random: Random, names: tuple[str, ...]) -> dict[str, Any]:
    """A schema whose references are below properties, so that it may contain itself and still end."""
    return {"type": "object", "properties": {name: schema(random, names, 2) for name in ("a", "next")}}


def _operation(random: Random, path: str, name: str, names: tuple[str, ...]) -> dict[str, Any]:
    parameters = [_path_parameter(random, part) for part in ("p", "q", "p-x", "tail") if f"{{{part}}}" in path]
    parameters += [_parameter(random, wanted) for wanted in random.sample(NAMES, random.randint(0, 4))]
    operation: dict[str, Any] = {"operationId": name, "parameters": parameters, "responses": _responses(random, names)}
    if random.random() < 0.5:
        operation["requestBody"] = _body(random, names)
    if random.random() < 0.3:
        operation["security"] = _security(random)
    return operation


def _path_parameter(random: Random, name: str) -> dict[str, Any]:
    made = parameter_schema(random)
    made.pop("default", None)
    if random.random() < 0.5:
        made = {"type": made["type"], **({"items": made["items"]} if "items" in made else {})}
    if name == "tail":
        made = {"type": "string", "format": "path"}
    return {"name": name, "in": "path", "required": True, "schema": made}


def _parameter(random: Random, name: str) -> dict[str, Any]:
    location = random.choice(["query"] * 6 + ["header", "cookie"])
    made = parameter_schema(random, ("string",) if location != "query" and random.random() < 0.8 else ())
    parameter: dict[str, Any] = {"name": name, "in": location, "schema": made}
    if "default" not in made and random.random() < 0.3:
        parameter["required"] = True
    if location == "query" and made["type"] == "array" and random.random() < 0.7:
        parameter |= {
            "style": random.choice(["form", "spaceDelimited", "pipeDelimited"]),
            "explode": random.random() < 0.5,
        }
    if location == "query" and random.random() < 0.1:
        below = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
        parameter |= {"schema": below, "style": "deepObject", "explode": True}
        parameter.pop("required", None)
    return parameter


def _body(random: Random, names: tuple[str, ...]) -> dict[str, Any]:
    content = {}
    for media in random.sample(MEDIA, random.choice([1, 1, 1, 2])):
        form = media.startswith(("application/x-www", "multipart"))
        content[media] = {"schema": _form(random) if form else schema(random, names)}
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
            media = random.choice(["application/json"] * 9 + ["text/plain", "application/problem+json"])
            response["content"] = {media: {"schema": schema(random, names)} if random.random() < 0.8 else {}}
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
