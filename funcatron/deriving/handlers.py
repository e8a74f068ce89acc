"""Which functions of a module are handlers, and what their docstrings say of them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import msgspec
import yaml

from funcatron.annotations import typed_argument, typed_return
from funcatron.errors import FuncatronError
from funcatron.importing import import_handler
from funcatron.types import Handler

__all__ = ["METHODS", "Told", "found_handlers", "told_of"]

_MARK = "\n---\n"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Told(msgspec.Struct, frozen=True):
    """What a docstring says: a summary, a description, and after a line ``---`` in YAML a ``path`` and an Operation
    Object under its method, as apispec reads it.
    """

    summary: str = ""
    description: str = ""
    path: str | None = None
    method: str | None = None
    operation: Mapping[str, Any] = {}


def found_handlers(target: str) -> tuple[ModuleType, dict[str, Handler], list[str]]:
    """Return the module of ``package.module`` or ``package.module:name,name``, its handlers by operationId, and the
    names of the functions that were left out.

    Without names, handlers are the public functions that the module itself defines and whose body or answer has a type,
    or whose docstring holds YAML. Raises FuncatronError where there is none, or it cannot be imported.
    """
    name, _, names = target.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        import_handler(f"{name}.__name__")
    except FuncatronError as error:
        raise FuncatronError(str(error).replace(".__name__", "", 1)) from error
    module = sys.modules[name]
    if names:
        return module, {f"{name}.{one}": import_handler(f"{name}.{one}") for one in names.split(",")}, []
    public = {
        key: value
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == name and not key.startswith("_")
    }
    chosen = {key: value for key, value in public.items() if _is_handler(value)}
    if not chosen:
        raise FuncatronError(f"{name} has no function whose body or answer has a type; name them: {name}:function")
    return (
        module,
        {f"{name}.{key}": value for key, value in chosen.items()},
        [key for key in public if key not in chosen],
    )


def told_of(handler: Handler) -> Told:
    """Return what a handler's docstring says. Raises FuncatronError where its YAML is none, or has two methods."""
    text, _, source = _docstring(handler).partition(_MARK)
    summary, _, description = text.strip().partition("\n")
    try:
        said = yaml.safe_load(source) or {}
    except yaml.YAMLError as error:
        raise FuncatronError(f"the docstring of {handler.__qualname__} has no YAML after ---: {error}") from error
    if not isinstance(said, dict):
        raise FuncatronError(f"the docstring of {handler.__qualname__} has no mapping after ---")
    methods = [key for key in said if key in METHODS]
    unknown = [str(key) for key in said if key not in METHODS and key != "path"]
    if len(methods) > 1 or unknown:
        given = ", ".join(map(str, said))
        raise FuncatronError(
            f"the docstring of {handler.__qualname__} may have path and one method after ---, not {given}"
        )
    return Told(
        summary=summary.strip(),
        description=description.strip(),
        path=said.get("path"),
        method=methods[0] if methods else None,
        operation=_with_text_keys(said[methods[0]] or {}) if methods else {},
    )


def _docstring(function: Handler) -> str:
    return f"\n{inspect.getdoc(function) or ''}\n"


def _is_handler(function: Handler) -> bool:
    if _MARK in _docstring(function):
        return True
    return any(found is not None for found in (*typed_return(function), *typed_argument(function, "body")))


def _with_text_keys(node: Any) -> Any:
    """Return YAML as JSON has it: statuses are texts."""
    if isinstance(node, dict):
        return {str(key): _with_text_keys(value) for key, value in node.items()}
    return [_with_text_keys(item) for item in node] if isinstance(node, list) else node
