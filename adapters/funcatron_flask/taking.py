"""Documents that an application has already: APIFlask's, and those of flask-smorest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from flask import Flask

__all__ = ["taken"]


def taken(app: Flask) -> list[dict[str, Any]]:
    """Return the OpenAPI documents that an application makes of itself; none where it makes none."""
    with app.app_context():
        return [_plain(document) for document in _documents(app)]


def _documents(app: Flask) -> Iterator[Any]:
    """Yield what is there, by what each framework offers to those who ask."""
    if any(cls.__module__.partition(".")[0] == "apiflask" for cls in type(app).__mro__):
        if getattr(app, "enable_openapi", True):
            yield app.spec  # type: ignore[attr-defined]  # APIFlask
        return
    smorest = app.extensions.get("flask-smorest")
    if smorest is not None:
        for api in smorest["apis"].values():
            yield api["ext_obj"].spec.to_dict()


def _plain(document: Any) -> dict[str, Any]:
    """Return a document in plain JSON, which is nobody else's."""
    if isinstance(document, str):
        document = yaml.safe_load(document)
    plain: dict[str, Any] = json.loads(json.dumps(document, default=str))
    return plain
