"""The documents of @readme/oas-examples as the fuzz serves them: theirs, with security functions of ours."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.conformance.planned.api import Api
from tests.conformance.planned.documents import HANDLERS
from tests.conformance.planned.options import serving_options
from tests.integration.oas_examples import REFUSED, documents

__all__ = ["prepared", "real_apis"]

UNSERVED = ("circular-paths", "parameters-common")
"""connexion itself fails on these: a path that refers to itself, one parameter at two places of a path."""

FUNCTIONS = {
    "apiKey": ("x-apikeyInfoFunc", "key"),
    "basic": ("x-basicInfoFunc", "basic"),
    "bearer": ("x-bearerInfoFunc", "bearer"),
    "oauth2": ("x-tokenInfoFunc", "oauth"),
}


def real_apis(package: Path, random: Random) -> list[Api]:
    """Return every JSON document of OpenAPI 2.0 or 3.0 that is valid and that connexion serves, with random options."""
    apis = [
        Api(name, prepared(package / name), serving_options(random))
        for name in documents(package)
        if name.startswith(("2.0/json/", "3.0/json/")) and name not in REFUSED
    ]
    return [api for api in apis if api.operations and not any(part in api.name for part in UNSERVED)]


def prepared(file: Path) -> dict[str, Any]:
    """Return a document whose security schemes have functions."""
    text = file.read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    components = document.get("components", {})
    for scheme in (document.get("securityDefinitions") or components.get("securitySchemes") or {}).values():
        kind = scheme["scheme"].lower() if scheme.get("type") == "http" else scheme.get("type")
        if kind in FUNCTIONS:
            key, function = FUNCTIONS[kind]
            scheme[key] = f"{HANDLERS}.{function}"
    return document
