"""A dispatcher that holds what it is given, so that others come meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from funcatron import Funcatron
from funcatron.execution import Execution

__all__ = ["Held"]


class Held:
    """Holds whatever is dispatched from now on: ``came`` tells that something was, ``release`` lets all of it go on."""

    def __init__(self, app: Funcatron, monkeypatch: pytest.MonkeyPatch) -> None:
        self.came = asyncio.Event()
        self.release = asyncio.Event()
        self._dispatch = app.dispatcher.dispatch
        monkeypatch.setattr(app.dispatcher, "dispatch", self._hold)

    async def _hold(self, execution: Execution) -> bool:
        self.came.set()
        await self.release.wait()
        return await self._dispatch(execution)
