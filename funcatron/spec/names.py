"""What operations are called: the operationId, or a name made of method and path."""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["free_name", "made_name", "target"]


def made_name(method: str, path: str) -> str:
    """Return a name for what the document gives none: ``get`` and ``/items/{itemId}`` give ``get_items_item_id``."""
    words = re.sub(r"([a-z\d])([A-Z])", r"\1_\2", f"{method} {path}")
    return re.sub(r"[\W_]+", "_", words).strip("_").lower()


def free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, numbered if it is taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def target(operation_id: str | None, controller: str | None, name: str) -> str | None:
    """Return where the handler is, as connexion finds it: the router controller, a dot, the operationId.

    None where the document says neither; a controller without an operationId has a function of the made name.
    """
    if controller is None:
        return operation_id
    return f"{controller}.{operation_id or name}"
