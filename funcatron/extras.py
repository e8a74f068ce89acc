"""Extras of the package: what is not installed is told together with the command that installs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

from funcatron.errors import FuncatronError

__all__ = ["EXTRAS", "MissingExtra", "missing", "needs"]

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "flask": ("flask",),
    "openstack": ("openstack",),
    "postgres": ("psycopg",),
    "redis": ("redis", "packaging"),
    "spec": ("apispec",),
    "sqlalchemy": ("sqlalchemy",),
}
"""The packages that each extra brings (those of pyproject.toml), by the names under which they are imported."""


class MissingExtra(FuncatronError, ImportError):
    """A module is imported without the extra that it needs."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around a module's imports of what ``extra`` brings: raises MissingExtra where one of them fails."""
    try:
        yield
    except MissingExtra:
        raise
    except ImportError as error:
        raise MissingExtra(f"{error}; {_advice(extra)}") from error


def missing(extra: str) -> str | None:
    """Return what to say of an extra that is not installed, None where it is; nothing is imported."""
    return None if all(find_spec(name) for name in EXTRAS[extra]) else _advice(extra)


def _advice(extra: str) -> str:
    return f'the extra {extra} is not installed: pip install "funcatron[{extra}]"'
