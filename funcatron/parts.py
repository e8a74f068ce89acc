"""Parts of an object that are made on first use."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar

__all__ = ["part"]

T = TypeVar("T")


class part(cached_property[T]):  # noqa: N801 - used as a decorator, as its base
    """A part of the application: made once, on first use, by one thread; its owner has a reentrant ``_lock``."""

    def __get__(self, instance: Any, owner: type | None = None) -> T:  # type: ignore[override]
        if instance is None:
            return self  # type: ignore[return-value]
        with instance._lock:  # noqa: SLF001 - the owner's own part
            made: T = super().__get__(instance, owner)
            return made
