"""Names of functions: endpoints, told apart where one endpoint has several methods or paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from funcatron_flask.routes import Route

__all__ = ["names_of"]


def names_of(routes: Iterable[Route]) -> dict[Route, str]:
    """Return each route's name: ``blog.index``, with the method where there are several (``blog.create.post``), and
    with a number where that is a name already (``pages.show_2``).
    """
    routes = tuple(routes)
    methods = Counter((route.endpoint, route.template) for route in routes)
    names: dict[Route, str] = {}
    taken: set[str] = set()
    for route in routes:
        several = methods[route.endpoint, route.template] > 1
        wanted = f"{route.endpoint}.{route.method.lower()}" if several else route.endpoint
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        taken.add(name)
        names[route] = name
    return names
