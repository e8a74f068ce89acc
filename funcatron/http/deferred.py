"""What connexion imports and seldom uses, imported when it is used: two fifths of what ``import connexion`` costs.

Each of these modules has a stand-in while connexion is imported, and only then: connexion keeps it, whoever else asks
gets the module. Whatever is done with a stand-in but keeping it imports the module and is done with that, while
connexion is imported too: another release, which may need more at once, costs more and is as right.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["deferred"]

SELDOM: dict[str, frozenset[str]] = {
    "asgiref.sync": frozenset({"async_to_sync"}),  # connexion.decorators.main: async handlers of a FlaskApp
    "httpx": frozenset(),  # connexion.security: asks a remote server about a token
    "jinja2": frozenset(),  # connexion.spec: a document in a file is a template
    "requests": frozenset(),  # connexion.json_schema: reads documents from URLs
    "starlette.templating": frozenset({"Jinja2Templates"}),  # connexion.middleware.swagger_ui
    "starlette.testclient": frozenset({"TestClient"}),  # connexion.apps.abstract: AbstractApp.test_client
}
"""Modules, and the functions and classes that are imported from them by name (of packages none may be)."""

FLASK: dict[str, frozenset[str]] = {
    "connexion.apps.flask": frozenset({"FlaskApi", "FlaskApp"}),
    "connexion.frameworks.flask": frozenset({"Flask"}),
}
"""What connexion has for Flask, which it does without where Flask is not installed."""


@contextmanager
def deferred() -> Iterator[None]:
    """While connexion is imported inside, these modules are not; whoever else imports them then or later gets them."""
    if "connexion" in sys.modules:
        yield
        return
    has_flask = find_spec("flask") is not None and find_spec("a2wsgi") is not None
    names = SELDOM | FLASK if has_flask else SELDOM
    placed = [_Deferred(name, imported) for name, imported in names.items() if name not in sys.modules]
    sys.modules.update({module.__name__: module for module in placed})
    try:
        yield
    finally:
        for module in placed:
            module.leave()
    if (package := sys.modules.get("connexion")) is not None:
        _offer(package)


class _Deferred(ModuleType):
    """Stands for a module where it was imported; it is imported when something of it is asked for."""

    def __init__(self, name: str, by_name: frozenset[str]) -> None:
        super().__init__(name)
        self._by_name = by_name

    def leave(self) -> None:
        """Make room for the module itself."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]

    def found(self) -> ModuleType:
        """Return the module; what starlette deprecates in its test client is nothing that a user could mend."""
        self.leave()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(self.__name__)

    def __getattr__(self, name: str) -> Any:
        if self._by_name and sys.modules.get(self.__name__) is self:
            if name in self._by_name:
                return _Named(self, name)
            if name == "__path__":  # it is no package: so the statement that imports by name learns
                raise AttributeError(name)
        return getattr(self.found(), name)


class _Named:
    """Stands for a function or a class where it was imported by name."""

    def __init__(self, module: _Deferred, name: str) -> None:
        self._module = module
        self._name = name

    def found(self) -> Any:
        """Return the function or the class."""
        return getattr(self._module.found(), self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.found(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.found()(*args, **kwargs)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self.found())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.found(),)


def _offer(package: ModuleType) -> None:
    """Let a package have what it offers to others as itself: found when it is asked for (PEP 562)."""
    offered = {name: value for name, value in vars(package).items() if isinstance(value, _Named)}
    for name in offered:
        delattr(package, name)

    def find(name: str) -> Any:
        if name not in offered:
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
        setattr(package, name, offered[name].found())
        return vars(package)[name]

    vars(package).update(__getattr__=find, __dir__=lambda: sorted({*vars(package), *offered}))
