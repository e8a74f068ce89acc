"""SQLAlchemy sessions as a service: committed on success, rolled back on an exception (extra ``sqlalchemy``).

``Sessions`` is for handlers that are not async, which run in threads; ``AsyncSessions`` is for those that are. Engines
are made when they are first wanted: after a server or worker has forked, so that no two processes share a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from funcatron.extras import needs

with needs("sqlalchemy"):
    from sqlalchemy import Engine, create_engine
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
    from sqlalchemy.orm import Session

__all__ = ["AsyncSessions", "Sessions"]


class Sessions:
    """A Session for each call; ``options`` are those of ``sqlalchemy.create_engine``."""

    def __init__(self, url: str, **options: Any) -> None:
        self._url = url
        self._options = options
        self._making = Lock()
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine of this process."""
        with self._making:
            if self._engine is None:
                self._engine = create_engine(self._url, **self._options)
            return self._engine

    def __call__(self) -> Iterator[Session]:
        """Give a session inside a transaction."""
        with Session(self.engine) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close the connections that wait in the pool."""
        with self._making:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()


class AsyncSessions:
    """An AsyncSession for each call; the URL names an async driver, ``options`` are ``create_async_engine``'s."""

    def __init__(self, url: str, **options: Any) -> None:
        self._url = url
        self._options = options
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEngine] = WeakKeyDictionary()

    @property
    def engine(self) -> AsyncEngine:
        """The engine of this event loop; a connection belongs to the loop that it was made in."""
        loop = asyncio.get_running_loop()
        engine = self._by_loop.get(loop)
        if engine is None:
            engine = self._by_loop[loop] = create_async_engine(self._url, **self._options)
        return engine

    async def __call__(self) -> AsyncIterator[AsyncSession]:
        """Give a session inside a transaction."""
        async with AsyncSession(self.engine) as session, session.begin():
            yield session

    async def aclose(self) -> None:
        """Close the connections of this event loop that wait in the pool."""
        engine = self._by_loop.pop(asyncio.get_running_loop(), None)
        if engine is not None:
            await engine.dispose()
