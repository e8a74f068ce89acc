"""Documents of OpenAPI 3.0 told in 2.0, as far as that can tell them."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tests.conformance.planned.api import METHODS

__all__ = ["swagger"]

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_KNOWN = ("key", "query", "basic")


def swagger(random: Random, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document in OpenAPI 2.0."""
    told: dict[str, Any] = json.loads(json.dumps(document).replace("#/components/schemas/", "#/definitions/"))
    schemes = told["components"]["securitySchemes"]
    basic = {"type": "basic", "x-basicInfoFunc": schemes["basic"]["x-basicInfoFunc"]}
    made = {
        "swagger": "2.0",
        "info": told["info"],
        "basePath": told["servers"][0]["url"],
        "paths": told["paths"],
        "definitions": _schema(told["components"]["schemas"]),
        "securityDefinitions": {"key": schemes["key"], "query": schemes["query"], "basic": basic},
    }
    if "security" in told:
        made["security"] = _security(told["security"])
    for item in made["paths"].values():
        for method in METHODS:
            if method in item:
                item[method] = _operation(random, item[method])
        if "parameters" in item:
            item["parameters"] = [_parameter(random, parameter) for parameter in item["parameters"]]
    return made


def _operation(random: Random, operation: dict[str, Any]) -> dict[str, Any]:
    parameters = [_parameter(random, p) for p in operation["parameters"] if p["in"] != "cookie"]
    made: dict[str, Any] = {"operationId": operation["operationId"], "parameters": parameters}
    made["responses"] = {status: _response(response) for status, response in operation["responses"].items()}
    made["produces"] = ["application/json"]
    if "security" in operation:
        made["security"] = _security(operation["security"])
    taken = {parameter["name"] for parameter in parameters}
    for media, definition in list(operation.get("requestBody", {}).get("content", {}).items())[:1]:
        made["consumes"] = [media]
        if media in _FORMS:
            fields = definition["schema"]["properties"].items()
            parameters += [_field(random, name, schema) for name, schema in fields if name not in taken]
        else:
            name = random.choice(["body", "payload"])
            parameters.append({"name": name, "in": "body", "schema": _schema(definition["schema"])})
    return made


def _parameter(random: Random, parameter: dict[str, Any]) -> dict[str, Any]:
    schema = parameter.get("schema") or {"type": "string"}
    schema = schema if schema["type"] != "object" else {"type": "string"}
    made = {**_schema(schema), "name": parameter["name"], "in": parameter["in"]}
    if parameter.get("required"):
        made["required"] = True
    if schema["type"] == "array" and random.random() < 0.6:
        joined = ["csv", "pipes", "multi"] if parameter["in"] in ("query", "formData") else ["csv", "pipes"]
        made["collectionFormat"] = random.choice(joined)
    return made


def _field(random: Random, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    if name.startswith("file"):
        return {"name": name, "in": "formData", "type": "file"}
    return _parameter(random, {"name": name, "in": "formData", "schema": schema})


def _response(response: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"description": ""}
    for media in response.get("content", {}).values():
        if "schema" in media:
            made["schema"] = _schema(media["schema"])
    return made


def _schema(schema: Any) -> Any:
    """Leave out what 2.0 has no word for; ``nullable`` is connexion's ``x-nullable``."""
    if isinstance(schema, list):
        return [_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    unknown = ("nullable", "writeOnly", "anyOf", "oneOf", "not")
    made = {key: _schema(below) for key, below in schema.items() if key not in unknown}
    return {**made, "x-nullable": True} if schema.get("nullable") is True else made


def _security(security: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = [one for one in security if all(name in _KNOWN for name in one)]
    return [one for place, one in enumerate(known) if one not in known[:place]]
