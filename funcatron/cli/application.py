"""From what the command line names to an application: documents, or what a module has made."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

import click
import msgspec

from funcatron import plugins
from funcatron.app import Funcatron
from funcatron.cli.options import given_settings, read_settings
from funcatron.errors import FuncatronError
from funcatron.importing import why_not_imported
from funcatron.registry import Handlers
from funcatron.settings import Settings
from funcatron.spelling import did_you_mean

__all__ = ["application", "names_an_application"]

MISSING = object()


def application(
    specs: Sequence[str], given: Mapping[str, Any], *, handlers: Handlers | None = None, bound: bool = True
) -> Funcatron:
    """Return the application of these documents, or the one that ``module:name`` is, with the settings ``given``.

    That is a Funcatron, or an application of a framework that a plugin knows (entry point ``funcatron.applications``).
    A Funcatron that a module has made keeps its own handlers, services and middleware; settings of the command line
    take the place of its own. Handlers are bound unless ``bound`` is False. Raises SpecError, SettingsError,
    FuncatronError.
    """
    with redirect_stdout(sys.stderr):  # what a handler's module prints is no answer of ours
        made = _made(specs, given, handlers)
        if bound:
            _ = made.registry
    return made


def _made(specs: Sequence[str], given: Mapping[str, Any], handlers: Handlers | None) -> Funcatron:
    settings = read_settings(given)
    if not any(names_an_application(spec) for spec in specs):
        return Funcatron(*specs, settings=settings, handlers=handlers)
    if len(specs) > 1 or handlers is not None:
        raise click.UsageError("An application stands alone: no other documents beside it, no mocks.")
    made = _imported(specs[0], settings)
    chosen = {name: getattr(settings, name) for name in given_settings(given)}
    made.settings = msgspec.structs.replace(made.settings, **chosen)
    return made


def names_an_application(spec: str) -> bool:
    """Whether this is ``package.module:name``, and not a document."""
    return re.fullmatch(r"[^\W\d][\w.]*:[^\W\d]\w*", spec) is not None


def _imported(spec: str, settings: Settings) -> Funcatron:
    module, _, name = spec.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        imported = import_module(module)
        found = getattr(imported, name, MISSING)
    except FuncatronError:
        raise
    except Exception as error:  # a user's module may raise anything while it is imported
        raise FuncatronError(f"{module} cannot be imported: {why_not_imported(error)}") from error
    if found is MISSING:
        raise FuncatronError(f"{spec} is no Funcatron: {module} has no {name!r}{did_you_mean(name, vars(imported))}")
    made = found if isinstance(found, Funcatron) else _adapted(found, settings)
    if made is None:
        known = ", ".join(plugins.names("funcatron.applications"))
        raise FuncatronError(f"{spec} is no Funcatron: {module}.{name} is {type(found).__name__} (also known: {known})")
    return made


def _adapted(found: Any, settings: Settings) -> Funcatron | None:
    """Return the Funcatron of a framework's application, by the plugin that is named as the framework's module."""
    roots = dict.fromkeys(cls.__module__.partition(".")[0] for cls in type(found).__mro__)
    known = plugins.names("funcatron.applications")
    plugin = next((name for name in roots if name in known), None)
    if plugin is None:
        return None
    made: Funcatron = plugins.load("funcatron.applications", plugin)(found, {"settings": settings})
    return made
