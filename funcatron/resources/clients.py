"""HTTP clients (httpx) as a service: one with its pool of connections for all calls of a process."""

from __future__ import annotations

import asyncio
from threading import Lock
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import httpx

__all__ = ["Clients"]


class Clients:
    """Lends an ``httpx.AsyncClient`` to ``async def`` handlers and an ``httpx.Client`` to others, made with these
    options (those of httpx) when one is first wanted. What it keeps of a call (cookies) the next one has.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._making = Lock()
        self._client: httpx.Client | None = None
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    def __call__(self) -> _Lent:
        """Return the service of one call."""
        return _Lent(self)

    @property
    def client(self) -> httpx.Client:
        """The client of handlers that are not async; any number of threads may use it."""
        with self._making:
            if self._client is None:
                self._client = httpx.Client(**self._options)
            return self._client

    @property
    def async_client(self) -> httpx.AsyncClient:
        """The client of async handlers; each event loop has its own."""
        loop = asyncio.get_running_loop()
        client = self._by_loop.get(loop)
        if client is None:
            client = self._by_loop[loop] = httpx.AsyncClient(**self._options)
        return client

    def close(self) -> None:
        """Close the client of handlers that are not async."""
        with self._making:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the client of this event loop."""
        client = self._by_loop.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


class _Lent:
    """The clients as a service: nothing is to be committed, and they stay open."""

    __slots__ = ("_clients",)

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def __enter__(self) -> httpx.Client:
        return self._clients.client

    async def __aenter__(self) -> httpx.AsyncClient:
        return self._clients.async_client

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
