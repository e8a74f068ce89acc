"""A Funcatron of a Flask application: its views are functions, and all else that it serves is served as it was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException

from funcatron.app import Funcatron
from funcatron.errors import SpecError
from funcatron.registry import Handlers
from funcatron.spec.document import load
from funcatron.types import Handler
from funcatron_flask.deriving import derive
from funcatron_flask.matching import own_document, views_of
from funcatron_flask.taking import taken
from funcatron_flask.views import FlaskView

__all__ = ["adapt", "from_flask"]

logger = logging.getLogger("funcatron.flask")

Source = str | Path | Mapping[str, Any]


class Mounted:
    """A Flask application as it is mounted beside its functions: what it has a view for comes before our pages."""

    def __init__(self, app: Flask, serve: Callable[..., Iterable[bytes]] | None = None) -> None:
        self._app = app
        self._serve = serve or app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request (WSGI)."""
        return self._serve(environ, start_response)

    def claims(self, method: str, path: str) -> bool:
        """Whether the application has a view for this."""
        try:
            self._app.url_map.bind("localhost").match(path, method=method)
        except HTTPException as error:
            return error.code in (308, 405)
        return True


def from_flask(app: Flask, *specs: Source, handlers: Handlers | None = None, **options: Any) -> Funcatron:
    """Return a Funcatron whose functions are the views of ``app``, which is not changed.

    ``specs`` describe them: an operation is the view that has its method and path, else it is found as ever
    (``handlers``, import). Without specs the documents are those that the application makes of itself (APIFlask,
    flask-smorest) if they are valid, else one is derived from its routes. ``options`` are Funcatron's;
    by ``overlays`` a document gets its ``x-funcatron``. Everything that is no function is the application's own:
    mounted at ``/``.

    Raises SpecError, and FuncatronError as Funcatron does.
    """
    asking: frozenset[str] = frozenset()
    if not specs:
        specs, asking = _described(app)
    mounted = Mounted(app)
    mounts = {"/": mounted, **options.pop("mounts", {})}
    made = Funcatron(*specs, handlers=lambda _: _not_looked_at, mounts=mounts, **options)
    made.handlers = _handlers(app, made, handlers, mounted, asking)
    return made


def adapt(app: Flask, options: Mapping[str, Any]) -> Funcatron:
    """Return what ``module:app`` means where that is a Flask application (entry point ``funcatron.applications``)."""
    extension = app.extensions.get("funcatron")
    if extension is not None:
        made: Funcatron = extension.funcatron
        return made
    return from_flask(app, **options)


def _described(app: Flask) -> tuple[tuple[Source, ...], frozenset[str]]:
    """Return the documents of an application that was given none, and the operations that ask for credentials."""
    documents = []
    asking: frozenset[str] = frozenset()
    for content in taken(app):
        document, required = own_document(app, content)
        try:
            load(document)
        except SpecError as error:
            logger.warning("%s: its own document is not valid, one of its routes takes its place: %s", app.name, error)
            return (derive(app),), frozenset()
        documents.append(document)
        asking |= required
    return tuple(documents) or (derive(app),), asking


def _handlers(
    app: Flask, funcatron: Funcatron, others: Handlers | None, mounted: Mounted, asking: frozenset[str]
) -> Callable[[str], Handler | None]:
    routes = views_of(app, funcatron.documents)
    operations = {operation.name: operation for document in funcatron.documents for operation in document.operations}

    def handler(name: str) -> Handler | None:
        if (route := routes.get(name)) is not None:
            return FlaskView(app, route, operations[name], application=mounted, asks_itself=name in asking)
        if others is None:
            return None
        return others(name) if callable(others) else others.get(name)

    return handler


def _not_looked_at(**arguments: Any) -> None:
    """Stand in for handlers until the documents are read: which views they are, the documents say."""
