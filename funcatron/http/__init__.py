"""The HTTP door: requests in, answers out, on connexion."""

import warnings
from typing import TYPE_CHECKING, Any

with warnings.catch_warnings():
    # While it is imported connexion uses what starlette and jsonschema deprecate: nothing that our users could mend.
    warnings.simplefilter("ignore")
    import connexion as connexion

from funcatron.http.access import refuse_public
from funcatron.http.door import build_door

if TYPE_CHECKING:
    from funcatron.http.plan.planned_app import PlannedApp as PlannedApp

__all__ = ["PlannedApp", "build_door", "refuse_public"]


def __getattr__(name: str) -> Any:
    """Import PlannedApp when it is asked for: funcatron's own door does without it."""
    if name == "PlannedApp":
        from funcatron.http.plan.planned_app import PlannedApp

        return PlannedApp
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
