"""A small HTTP client for load: ``python -m tests.benchmarks.http.client PORT CASE CONNECTIONS SECONDS``,
CASE being the JSON of a Case.

Every connection sends its next request when it has the whole answer to the last one. Writes one JSON object: requests,
seconds, p50, p99 (ms). Fails if an answer has another status than the case's kind.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from statistics import quantiles

import httptools

from tests.benchmarks.http.cases import Case


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, case: Case, until: float, ended: asyncio.Future[list[float]]) -> None:
        self._case = case
        self._request = case.raw
        self._until = until
        self._ended = ended
        self._times: list[float] = []
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Called by the parser: check the answer, send again."""
        status = self._parser.get_status_code()
        if (status < 300) == self._case.refused:
            self._end(ConnectionError(f"{self._case.title}: status {status}"))
            return
        now = time.perf_counter()
        self._times.append(now - self._sent)
        if now < self._until:
            self._send()
        else:
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError(f"{self._case.title}: the server closed the connection"))

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def _end(self, error: Exception | None) -> None:
        if not self._ended.done():
            if error is None:
                self._ended.set_result(self._times)
            else:
                self._ended.set_exception(error)
        self._transport.close()


async def call(port: int, case: Case, connections: int, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    callers = [loop.create_future() for _ in range(connections)]
    for ended in callers:
        await loop.create_connection(partial(Caller, case, began + seconds, ended), "127.0.0.1", port)
    times = sorted(each for times in await asyncio.gather(*callers) for each in times)
    took = time.perf_counter() - began
    cuts = quantiles(times, n=100)
    return {"requests": len(times), "seconds": took, "p50": cuts[49] * 1000, "p99": cuts[98] * 1000}


def main(port: str, case: str, connections: str, seconds: str) -> None:
    print(json.dumps(asyncio.run(call(int(port), Case(**json.loads(case)), int(connections), float(seconds)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
