"""Every valid document of others loads, lowers, routes and compiles; what is refused is refused for a reason."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from funcatron.errors import SpecError
from funcatron.schemas import compile_schema
from funcatron.spec.document import Document, load
from funcatron.spec.json_schema import Direction
from funcatron.spec.lowering import lower_for_connexion
from tests.integration.oas_examples import PAGE, REFUSED, documents, page

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what connexion's own imports warn about
    import connexion
    from connexion.middleware.routing import RoutingMiddleware
    from connexion.resolver import Resolution, Resolver

pytestmark = pytest.mark.no_cover  # much work, the same code again and again


class Generic(Resolver):  # type: ignore[misc]
    """Resolves everything to one handler."""

    def resolve(self, operation: Any) -> Resolution:
        return Resolution(lambda: None, operation.operation_id)


def schemas(document: Document) -> Iterator[tuple[Any, Direction]]:
    """Yield every schema that a call of the document's operations may meet."""
    for operation in document.operations:
        yield from ((parameter.schema, "request") for parameter in operation.parameters)
        bodies = operation.body.content.values() if operation.body else ()
        yield from ((media.schema, "request") for media in bodies if media.schema is not None)
        for reply in operation.replies.values():
            yield from ((media.schema, "response") for media in reply.content.values() if media.schema is not None)
            yield from ((schema, "response") for schema in reply.headers.values())


def test_what_is_valid_is_served(package: Path) -> None:
    served = [name for name in documents(package) if name not in REFUSED]
    assert len(served) > 90
    for name in served:
        document = load(package / name)
        for schema, direction in schemas(document):
            compile_schema(document, schema, direction=direction).is_valid({})
        application = connexion.AsyncApp(name)
        application.add_api(lower_for_connexion(document), resolver=Generic())
        routed = {operation.name for operation in document.operations if operation.route is not None}
        assert routes(application) == routed, name


def routes(application: connexion.AsyncApp) -> set[str]:
    """Return the names of the operations that connexion routes to."""
    _, stack = application.middleware._build_middleware_stack()
    (routing,) = (middleware for middleware in stack if isinstance(middleware, RoutingMiddleware))
    (mount,) = routing.router.routes
    return {route.endpoint.operation_id for route in mount.app.routes}


def test_what_is_refused_is_refused_for_what_the_specification_forbids(package: Path) -> None:
    assert set(REFUSED) <= set(documents(package))
    for name, refusal in REFUSED.items():
        with pytest.raises(SpecError) as caught:
            load(package / name)
        assert {mistake.pointer for mistake in caught.value.mistakes} == set(refusal.places), name
        assert all(mistake.file == str(package / name) and mistake.line for mistake in caught.value.mistakes)


def test_both_notations_of_a_document_are_the_same_document(package: Path) -> None:
    """Nothing is lost or gained between YAML and JSON."""
    pairs = [(name, name.replace("/yaml/", "/json/").replace(".yaml", ".json")) for name in documents(package)]
    compared = 0
    for yaml, json in pairs:
        if yaml == json or yaml in REFUSED or not (package / json).is_file():
            continue
        compared += 1
        names = [
            {operation.name: operation.route for operation in load(package / name).operations} for name in (yaml, json)
        ]
        assert names[0] == names[1], yaml
    assert compared > 30


def test_the_page_is_true(package: Path) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(package)
