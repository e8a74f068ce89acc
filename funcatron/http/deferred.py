"""What connexion imports and seldom uses, imported when it is used: a third of what ``import connexion`` costs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["deferred"]

SELDOM: dict[str, frozenset[str]] = {
    "httpx": frozenset(),  # connexion.security: asks a remote server about a token
    "requests": frozenset(),  # connexion.json_schema: reads documents from URLs
    "starlette.testclient": frozenset({"TestClient"}),  # connexion.apps.abstract: AbstractApp.test_client
}
"""Modules, and the functions and classes that are imported from them by name."""


@contextmanager
def deferred() -> Iterator[None]:
    """While connexion is imported inside, these modules are not; whoever else imports them then or later gets them."""
    placed = [_Deferred(name) for name in SELDOM if name not in sys.modules]
    sys.modules.update({module.__name__: module for module in placed})
    try:
        yield
    finally:
        for module in placed:
            module.leave()


class _Deferred(ModuleType):
    """Stands for a module where it was imported; it is imported when something of it is asked for."""

    def leave(self) -> None:
        """Make room for the module itself."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]

    def __getattr__(self, name: str) -> Any:
        if SELDOM[self.__name__] and sys.modules.get(self.__name__) is self:
            if name in SELDOM[self.__name__]:
                return partial(_call, self, name)
            if name == "__path__":  # it is no package: so the statement that imports by name learns
                raise AttributeError(name)
        self.leave()
        return getattr(import_module(self.__name__), name)


def _call(module: _Deferred, name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Call what was imported by name; what starlette deprecates in its test client is nothing a user could mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = getattr(module, name)
    return found(*args, **kwargs)
