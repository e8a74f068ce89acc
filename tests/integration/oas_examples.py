"""Documents that no one here wrote: those of the npm package @readme/oas-examples.

The package is fetched by ``npm pack`` once and kept in the user's cache folder.
``python -m tests.integration.oas_examples`` writes ``docs/openapi-examples.md`` from what happens to each document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from funcatron.errors import SpecError
from funcatron.spec.document import load
from tests.integration.npm import Unreachable, packed

VERSION = "8.2.2"
PACKAGE = f"@readme/oas-examples@{VERSION}"
PAGE = Path(__file__).parents[2] / "docs" / "openapi-examples.md"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a document is refused: the sentence of the specification, and every place that breaks it."""

    sentence: str
    places: Sequence[str]


_SECURITY = Refusal(
    "Security Requirement Object (3.0.3, section 4.7.30): “Each name MUST correspond to a security scheme which is "
    "declared in the Security Schemes under the Components Object.” The document declares none.",
    (
        "/paths/~1cache/get/security/0/api_key",
        "/paths/~1status~1302/get/security/0/api_key",
        "/paths/~1status~1204/get/security/0/api_key",
    ),
)
_DEFAULT = (
    "Schema Object (3.0.3, section 4.7.24.1), `default`: “Unlike JSON Schema, the value MUST conform to the defined "
    "type for the Schema Object defined at the same level.”"
)
_NULL = Refusal(
    f"{_DEFAULT} These are `null` and not `nullable`.",
    (
        "/paths/~1anything~1strings/post/requestBody/content/application~1json/schema/properties/"
        "default (null)/default",
        "/paths/~1anything~1numbers/post/requestBody/content/application~1json/schema/properties/"
        "integer (default null)/default",
        "/paths/~1anything~1numbers/post/requestBody/content/application~1json/schema/properties/"
        "number (default null)/default",
        "/paths/~1anything~1arrays/post/requestBody/content/application~1json/schema/properties/"
        "array<string> (with overall `null` default)/default",
    ),
)
_QUOTED = Refusal(
    f"{_DEFAULT} These are strings where the type is a number.",
    tuple(f"/paths/~1anything~1oas-formats/parameters/{index}/schema/default" for index in range(4)),
)
_NO_RESPONSE = Refusal(
    "Responses Object (3.0.3, section 4.7.16): “The Responses Object MUST contain at least one response code.”",
    ("/paths/~1hoot/post/responses",),
)
_FLAGS = (
    "Schema Object (3.1.0, section 4.8.24): “a superset of the JSON Schema Specification Draft 2020-12”, whose section "
    "6.2.3 says of `exclusiveMaximum`: “The value MUST be a number.” These are true or false, as in 3.0."
)


def _flags(*parameters: int) -> tuple[str, ...]:
    at = "/paths/~1anything~1numbers/parameters/{}/schema/exclusive{}"
    return tuple(at.format(index, bound) for index in parameters for bound in ("Minimum", "Maximum"))


_FLAG = Refusal(_FLAGS, _flags(1))
_FLAGS_AND_DEFAULTS = Refusal(
    f"{_FLAGS} Defaults of parameters, which handlers would be given, do not fit their schemas.",
    (
        *_flags(3, 4, 5, 6, 7),
        *(f"/paths/~1anything~1jsonschema-formats/parameters/{index}/schema/default" for index in (2, 3, 16)),
        *_QUOTED.places,
    ),
)

REFUSED: Mapping[str, Refusal] = {
    "3.0/json/openapi-workshop/post.json": _NO_RESPONSE,
    "3.0/json/response-http-behavior.json": _SECURITY,
    "3.0/json/schema-types.json": _NULL,
    "3.0/json/schema-validation.json": _QUOTED,
    "3.0/yaml/response-http-behavior.yaml": _SECURITY,
    "3.0/yaml/schema-types.yaml": _NULL,
    "3.0/yaml/schema-validation.yaml": _QUOTED,
    "3.1/json/schema-validation-local.json": _FLAGS_AND_DEFAULTS,
    "3.1/json/schema-validation-top-level.json": _FLAG,
    "3.1/yaml/schema-validation-local.yaml": _FLAGS_AND_DEFAULTS,
    "3.1/yaml/schema-validation-top-level.yaml": _FLAG,
}
"""Every document of the package that is not served, by its path in it."""


def fetch() -> Path:
    """Return the package's folder, fetched if it is not in the cache. Raises Unreachable with the reason."""
    return packed(PACKAGE, f"oas-examples-{VERSION}")


@pytest.fixture(scope="session", name="package")
def oas_package(required_in_ci: Callable[[str], NoReturn]) -> Path:
    """The package's folder; skips at a desk that cannot reach it, fails in CI."""
    try:
        return fetch()
    except Unreachable as reason:
        required_in_ci(str(reason))


def documents(package: Path) -> list[str]:
    """Return the paths of all 2.0, 3.0 and 3.1 documents in the package, sorted."""
    files = (file for version in ("2.0", "3.0", "3.1") for file in (package / version).rglob("*"))
    return sorted(str(file.relative_to(package)) for file in files if file.suffix in (".json", ".yaml"))


def page(package: Path) -> str:
    """Return ``docs/openapi-examples.md``."""
    names = documents(package)
    served, refused = [], []
    for name in names:
        try:
            document = load(package / name)
        except SpecError as error:
            refused.append(_refused_row(name, error))
        else:
            served.append(f"| `{name}` | {document.title} | {len(document.operations)} |")
    return "\n".join(
        [
            "# Real documents",
            "",
            f"The npm package `@readme/oas-examples` ({VERSION}) holds documents that others wrote to try tools with. "
            f"Of its {len(names)} OpenAPI 2.0, 3.0 and 3.1 documents {len(served)} are served; {len(refused)} are "
            "refused for what the specification forbids.",
            "`tests/integration/test_oas_examples.py` holds this page to the code; "
            "`python -m tests.integration.oas_examples` writes it.",
            "",
            "## Refused",
            "",
            *[line for row in refused for line in row],
            "## Served",
            "",
            "Each loads, connexion accepts what it is lowered to, and every schema of a parameter, a body, a response "
            "and a header compiles.",
            "",
            "| document | title | operations |",
            "|---|---|---|",
            *served,
            "",
        ]
    )


def _refused_row(name: str, error: SpecError) -> list[str]:
    places = [f"- line {m.line}, `{m.pointer}`: {m.message}" for m in error.mistakes]
    return [f"### `{name}`", "", REFUSED[name].sentence, "", *places, ""]


if __name__ == "__main__":
    PAGE.write_text(page(fetch()), encoding="utf-8")
