"""Who is compared. A peer is a small module beside this one with a function that returns an ASGI application, and a
line here. The first peer is what the others are measured against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.machine import package_version

__all__ = ["BARE", "MANY", "PEERS", "Peer", "installed"]

EVERY = ("get", "post", "refused", "missing", "sync")


@dataclass(frozen=True, slots=True)
class Peer:
    """An application to measure.

    ``factory`` is ``module:function``, the module relative to this package; ``packages`` are the distributions whose
    versions are shown; ``cases`` names what it can serve; ``refusal`` is its status for invalid input, None if it
    checks nothing; ``checks_responses`` says what it does with what a handler returns.
    """

    key: str
    title: str
    factory: str
    packages: tuple[str, ...]
    checks_responses: bool
    refusal: int | None = 400
    cases: tuple[str, ...] = EVERY

    @property
    def target(self) -> str:
        """The factory as an ASGI server names it."""
        return f"{__name__}.{self.factory}"


def installed(peers: Sequence[Peer]) -> list[Peer]:
    """Return the peers whose packages are there: all of them with the dependency group ``bench``."""
    return [peer for peer in peers if all(package_version(name) for name in peer.packages)]


FUNCATRON = ("funcatron", "connexion")
CONNEXION = ("connexion",)
FLASK = ("connexion", "flask", "a2wsgi")
FASTAPI = ("fastapi", "pydantic")
LITESTAR = ("litestar", "msgspec")

BARE = Peer(
    "bare",
    "bare ASGI callable, no validation",
    "bare:app",
    (),
    checks_responses=False,
    refusal=None,
    cases=("get", "post", "missing"),
)

PEERS = (
    Peer("funcatron", "funcatron", "functions:checked", FUNCATRON, checks_responses=True),
    Peer("funcatron-off", "funcatron, responses not checked", "functions:unchecked", FUNCATRON, checks_responses=False),
    Peer("planned", "PlannedApp, responses checked", "planned:checked", FUNCATRON, checks_responses=True),
    Peer("planned-off", "PlannedApp", "planned:unchecked", FUNCATRON, checks_responses=False),
    BARE,
    Peer(
        "starlette",
        "Starlette, no validation",
        "starlette_app:app",
        ("starlette",),
        checks_responses=False,
        refusal=None,
        cases=("get", "post", "missing"),
    ),
    Peer(
        "starlette-orjson",
        "Starlette with orjson, no validation",
        "starlette_app:with_orjson",
        ("starlette", "orjson"),
        checks_responses=False,
        refusal=None,
        cases=("get", "post", "missing"),
    ),
    Peer("litestar", "Litestar", "litestar_app:app", LITESTAR, checks_responses=False),
    Peer(
        "fastapi", "FastAPI, Response returned", "fastapi_app:unchecked", FASTAPI, checks_responses=False, refusal=422
    ),
    Peer("fastapi-on", "FastAPI, response model", "fastapi_app:checked", FASTAPI, checks_responses=True, refusal=422),
    Peer("connexion", "connexion AsyncApp", "connexion_app:unchecked", CONNEXION, checks_responses=False),
    Peer(
        "connexion-on",
        "connexion AsyncApp, responses checked",
        "connexion_app:checked",
        CONNEXION,
        checks_responses=True,
    ),
    Peer("flask", "connexion FlaskApp", "connexion_flask:unchecked", FLASK, checks_responses=False),
    Peer("flask-on", "connexion FlaskApp, responses checked", "connexion_flask:checked", FLASK, checks_responses=True),
)

MANY = (
    Peer("many-planned", "PlannedApp", "planned:many", FUNCATRON, checks_responses=False, cases=("first", "last")),
    Peer("many", "funcatron", "functions:many", FUNCATRON, checks_responses=True, cases=("first", "last")),
    Peer(
        "many-connexion",
        "connexion AsyncApp",
        "connexion_app:many",
        CONNEXION,
        checks_responses=False,
        cases=("first", "last"),
    ),
    Peer("many-fastapi", "FastAPI, response model", "fastapi_many:many", FASTAPI, True, 422, ("first", "last")),
)
"""Those that serve the document of five hundred operations."""
