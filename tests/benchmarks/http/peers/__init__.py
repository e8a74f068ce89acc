"""Who is compared. A peer is a small module beside this one with a function that returns an ASGI application, and a
line here. The first peer is what the others are measured against.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PEERS", "Peer"]

EVERY = ("get", "post", "refused", "sync")


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


FUNCATRON = ("funcatron", "connexion")
CONNEXION = ("connexion",)
FASTAPI = ("fastapi", "pydantic")

PEERS = (
    Peer("funcatron", "funcatron", "functions:checked", FUNCATRON, checks_responses=True),
    Peer("funcatron-off", "funcatron, responses not checked", "functions:unchecked", FUNCATRON, checks_responses=False),
    Peer(
        "connexion-on",
        "connexion AsyncApp, responses checked",
        "connexion_app:checked",
        CONNEXION,
        checks_responses=True,
    ),
    Peer("connexion", "connexion AsyncApp", "connexion_app:unchecked", CONNEXION, checks_responses=False),
    Peer("fastapi-on", "FastAPI, response model", "fastapi_app:checked", FASTAPI, checks_responses=True, refusal=422),
    Peer(
        "fastapi", "FastAPI, Response returned", "fastapi_app:unchecked", FASTAPI, checks_responses=False, refusal=422
    ),
    Peer(
        "bare",
        "bare ASGI callable, no validation",
        "bare:app",
        (),
        checks_responses=False,
        refusal=None,
        cases=("get", "post"),
    ),
)
