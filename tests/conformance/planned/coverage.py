"""How many operations of real documents are planned: ``python -m tests.conformance.planned.coverage``.

The documents are those of @readme/oas-examples that funcatron serves, and so finds valid. Writes
docs/planned-examples.md: the share for PlannedApp and for funcatron's own door, and every operation that is not
planned, with the reason.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connexion.operations import AbstractOperation
from connexion.resolver import Resolution, Resolver

from funcatron.http import PlannedApp
from funcatron.http.plan.front import PlanMiddleware
from funcatron.http.plan.refusal import Refusal
from funcatron.http.stack import build_stack
from funcatron.testing import application
from tests.conformance.planned.api import Api
from tests.conformance.planned.handlers import every
from tests.conformance.planned.real import prepared
from tests.integration.oas_examples import REFUSED, VERSION, documents, fetch

__all__ = ["PAGE", "Coverage", "covered", "of_planned_app", "of_the_door", "page"]

_PARAMETER = re.compile(r"\{[^}]*\}")
PAGE = Path(__file__).parents[3] / "docs" / "planned-examples.md"


@dataclass(slots=True)
class Coverage:
    """The operations of all documents, and those that are not planned, by the document."""

    operations: int = 0
    refused: list[tuple[str, Refusal]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """How many of the operations are planned, from 0 to 1."""
        return 1 - len(self.refused) / self.operations

    def rows(self) -> Iterator[str]:
        """Yield a row of a table for each operation that is not planned."""
        for name, refusal in self.refused:
            yield f"| `{name}` | {refusal.method} `{refusal.path}` | {refusal.reason} |"


class Everything(Resolver):  # type: ignore[misc]
    """Has one handler for every operation."""

    def resolve(self, operation: AbstractOperation) -> Resolution:
        """Return it, and the operation's name where it has none."""
        return Resolution(every, operation.operation_id or f"{operation.method} {operation.path}")


def covered(package: Path, refusals_of: Callable[[dict[str, Any]], list[Refusal]]) -> Coverage:
    """Return how many operations of the valid OpenAPI 2.0 and 3.0 documents are planned by what serves them.

    The package has each document as JSON and as YAML; here it is the JSON.
    """
    found = Coverage()
    for name in documents(package):
        if name not in REFUSED and name.startswith(("2.0/json/", "3.0/json/")):
            document = prepared(package / name)
            operations = Api(name, document).operations
            try:
                refused = refusals_of(document)
            except (RecursionError, ValueError) as error:
                reason = f"connexion does not serve the document: {type(error).__name__}"
                refused = [Refusal(one.method.upper(), one.path, reason) for one in operations]
            found.operations += len(operations)
            found.refused += [(name, refusal) for refusal in refused]
    return found


def of_planned_app(document: dict[str, Any]) -> list[Refusal]:
    """Return which operations of a document have no plan in a PlannedApp that serves it."""
    app = PlannedApp("coverage")
    app.add_api(document, resolver=Everything())
    _, stack = app.middleware._build_middleware_stack()
    (front,) = (one for one in stack if isinstance(one, PlanMiddleware))
    return front.refusals()


def of_the_door(document: dict[str, Any]) -> list[Refusal]:
    """Return which operations of a document are found by no request's path in funcatron's door."""
    funcatron = application(document, handlers=lambda name: every, cache=False)
    served = build_stack(funcatron, None).routes()
    assert served is not None
    routes, _ = served
    return [
        Refusal(operation.method.upper(), operation.path, "no request finds it")
        for operation in (function.operation for function in funcatron.registry)
        if (found := routes.find(operation.method.upper(), _PARAMETER.sub("1", operation.route or ""))) is None
        or found[0].compiled() is None
    ]


def page(app: Coverage, door: Coverage) -> str:
    """Return ``docs/planned-examples.md``."""
    return "\n".join(
        [
            "# Which operations of real documents are planned",
            "",
            f"The valid OpenAPI 2.0 and 3.0 documents of `@readme/oas-examples` ({VERSION}; see [Real documents]"
            "(openapi-examples.md)), each with a handler for every operation.",
            "`python -m tests.conformance.planned.coverage` writes this page, `tests/conformance/test_coverage.py` "
            "holds it to the code.",
            "",
            "| served by | operations | planned |",
            "|---|---|---|",
            f"| `funcatron.http.PlannedApp` | {app.operations} | {app.share:.1%} |",
            f"| funcatron's own door | {door.operations} | {door.share:.1%} |",
            "",
            *_table("PlannedApp", app),
            *_table("Funcatron's own door", door),
        ]
    )


def _table(title: str, coverage: Coverage) -> Iterator[str]:
    if coverage.refused:
        yield from (f"## Not planned: {title}", "", "| document | operation | why |", "|---|---|---|")
        yield from coverage.rows()
        yield ""


def main() -> None:
    """Write the page."""
    package = fetch()
    text = page(covered(package, of_planned_app), covered(package, of_the_door))
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    logging.disable()
    main()
