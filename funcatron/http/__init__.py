"""The HTTP door: requests in, answers out, on connexion."""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from funcatron.garbage import collected_later
from funcatron.http.deferred import deferred

with warnings.catch_warnings(), deferred(), collected_later():
    # While it is imported connexion uses what starlette and jsonschema deprecate: nothing that our users could mend.
    warnings.simplefilter("ignore")
    import connexion as connexion

if TYPE_CHECKING:
    from funcatron.http.access import refuse_public as refuse_public
    from funcatron.http.door import build_door as build_door
    from funcatron.http.plan.planned_app import PlannedApp as PlannedApp

__all__ = ["PlannedApp", "build_door", "refuse_public"]

_HOMES = {"PlannedApp": "plan.planned_app", "build_door": "door", "refuse_public": "access"}


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: the door does without PlannedApp, PlannedApp without the door."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
