"""When garbage is looked for: not while much is made that stays (imports, documents), which only costs then."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collected_later", "settled"]


@contextmanager
def collected_later() -> Iterator[None]:
    """Look for no garbage while the context lasts; what is garbage without a cycle goes at once, as ever."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settled() -> None:
    """Never look again at what there is now: it stays as long as the process, and after a fork its pages are shared."""
    gc.collect()
    gc.freeze()
