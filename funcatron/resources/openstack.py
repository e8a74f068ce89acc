"""The function's OpenStack Connection by itself, for handlers that want nothing else of the context."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from funcatron.invocation import Context

__all__ = ["openstack"]


def openstack(context: Context) -> Iterator[Any]:
    """Give ``context.openstack``; it is shared by the process, and stays open."""
    yield context.openstack
