"""Which objects a trigger is for, by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from funcatron_openstack.objects import is_segment

__all__ = ["ObjectFilter"]


@dataclass(frozen=True, slots=True)
class ObjectFilter:
    """Names that begin with one of ``prefixes`` and end with one of ``suffixes``; segments only where asked for."""

    prefixes: tuple[str, ...] = ("",)
    suffixes: tuple[str, ...] = ("",)
    segments: bool = False

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> ObjectFilter:
        """Read a trigger's ``prefix``, ``suffix`` and ``segments``."""
        return cls(
            _texts(settings.get("prefix", "")), _texts(settings.get("suffix", "")), bool(settings.get("segments"))
        )

    def wants(self, name: str) -> bool:
        """Return whether the object of this name is meant. A name that no URL can carry to Swift is not."""
        return (
            name.startswith(self.prefixes)
            and name.endswith(self.suffixes)
            and (self.segments or not is_segment(name))
            and not {".", ".."} & set(name.split("/"))  # clients resolve these, as browsers do
        )

    def listings(self) -> tuple[str, ...]:
        """Return the prefixes to list, none of them within another."""
        return tuple(p for p in sorted(set(self.prefixes)) if not p.startswith(tuple(set(self.prefixes) - {p})))


def _texts(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
