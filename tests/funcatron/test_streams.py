"""Streams: what stays open until the last chunk, however the stream ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from contextvars import ContextVar
from typing import Any

import pytest

from funcatron import streams
from funcatron.errors import Problem, TimeLimitExceeded
from funcatron.streams import OwnThread, Stream

pytestmark = pytest.mark.anyio
Number = ContextVar("Number", default=0)


class Journal(list[str]):
    """What happened, in order; gives sources and services that write in it."""

    def source(self, *items: Any, fails: bool = False) -> Iterator[Any]:
        try:
            yield from items
            if fails:
                raise KeyError("late")
        finally:
            self.append("source closed")

    async def asource(self, *items: Any, fails: bool = False) -> AsyncIterator[Any]:
        try:
            for item in items:
                await asyncio.sleep(0)
                yield item
            if fails:
                raise KeyError("late")
        finally:
            self.append("source closed")

    def stacks(self) -> tuple[ExitStack, AsyncExitStack]:
        inner, outer = ExitStack(), AsyncExitStack()
        inner.push(lambda kind, *_: self.append(f"inner {kind and kind.__name__}"))

        async def close(kind: Any, *_: Any) -> None:
            self.append(f"outer {kind and kind.__name__}")

        outer.push_async_exit(close)
        return inner, outer


def encode(item: Any) -> bytes:
    if item == "bad":
        raise TypeError("bad item")
    return str(item).encode()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture(params=["sync", "async"])
def open_stream(request: pytest.FixtureRequest, journal: Journal) -> Any:
    """Return ``open_stream(*items, fails=False)``: a Stream of the journal's source with services."""

    def opened(*items: Any, fails: bool = False) -> Stream:
        make = journal.source if request.param == "sync" else journal.asource
        stream = Stream(make(*items, fails=fails), encode)
        inner, outer = journal.stacks()
        stream.then(inner=inner)
        stream.then(outer=outer)
        return stream

    return opened


async def test_a_stream_that_is_read_commits(open_stream: Any, journal: Journal) -> None:
    stream = open_stream(1, 2)
    assert journal == []
    assert [chunk async for chunk in stream] == [b"1", b"2"]
    assert journal == ["source closed", "inner None", "outer None"]
    await stream.aclose()
    assert [chunk async for chunk in stream] == []
    assert len(journal) == 3


async def test_a_stream_that_fails_rolls_back(open_stream: Any, journal: Journal) -> None:
    stream = open_stream(1, fails=True)
    assert await anext(stream) == b"1"
    with pytest.raises(KeyError, match="late"):
        await anext(stream)
    assert journal == ["source closed", "inner KeyError", "outer KeyError"]


async def test_an_item_that_does_not_encode_rolls_back(open_stream: Any, journal: Journal) -> None:
    stream = open_stream(1, "bad", 2)
    assert await anext(stream) == b"1"
    with pytest.raises(TypeError, match="bad item"):
        await anext(stream)
    assert journal == ["source closed", "inner TypeError", "outer TypeError"]


async def test_a_stream_that_is_given_up_rolls_back(open_stream: Any, journal: Journal) -> None:
    stream = open_stream(1, 2)
    assert await anext(stream) == b"1"
    await stream.aclose()
    assert journal == ["source closed", "inner GeneratorExit", "outer GeneratorExit"]


async def test_a_stream_that_nobody_reads_is_closed_too(open_stream: Any, journal: Journal) -> None:
    await open_stream(1, 2).aclose()
    assert journal == ["inner GeneratorExit", "outer GeneratorExit"]  # the generator never began


async def test_a_cancelled_reader_rolls_back(open_stream: Any, journal: Journal) -> None:
    stream = open_stream(*range(1000))

    async def read() -> None:
        async for chunk in stream:
            if chunk == b"3":
                reached.set()

    reached = asyncio.Event()
    task = asyncio.create_task(read())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert journal == ["source closed", "inner CancelledError", "outer CancelledError"]


async def test_a_service_that_fails_to_commit_fails_the_stream(journal: Journal) -> None:
    stream = Stream(journal.source(1), encode)
    inner, outer = journal.stacks()

    def commit(kind: Any, *_: Any) -> None:
        raise OSError("disk full")

    inner.push(commit)
    stream.then(inner=inner, outer=outer)
    assert await anext(stream) == b"1"
    with pytest.raises(OSError, match="disk full"):
        await anext(stream)
    assert journal == ["source closed", "inner OSError", "outer None"]


async def test_a_service_cannot_swallow_what_ended_a_stream(journal: Journal) -> None:
    stream = Stream(journal.source(fails=True), encode)
    inner = ExitStack()
    inner.push(lambda *_: True)
    stream.then(inner=inner)
    with pytest.raises(KeyError):
        await anext(stream)


async def test_a_sync_source_has_one_thread_and_one_context_for_all_of_it() -> None:
    threads: list[threading.Thread] = []

    def source() -> Iterator[int]:
        for _ in range(3):
            threads.append(threading.current_thread())
            Number.set(Number.get() + 1)
            yield Number.get()

    inner = ExitStack()
    inner.callback(lambda: threads.append(threading.current_thread()))
    own = OwnThread()
    await own.run(lambda: threads.append(threading.current_thread()))
    stream = Stream(source(), encode)
    stream.then(inner=inner)
    stream.move(own)
    assert [chunk async for chunk in stream] == [b"1", b"2", b"3"]
    assert len(threads) == 5
    assert len({*threads}) == 1
    assert threads[0] is not threading.main_thread()
    assert Number.get() == 0


async def test_a_slow_chunk_keeps_nobody_else_waiting() -> None:
    go = threading.Event()

    def source() -> Iterator[int]:
        go.wait(10)
        yield 1

    waiting = [asyncio.create_task(anext(Stream(source(), encode))) for _ in range(40)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(asyncio.to_thread(lambda: 5), 5) == 5
    go.set()
    assert await asyncio.gather(*waiting) == [b"1"] * 40


async def test_a_sync_source_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CLOSING", 0.05)
    go, closed = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        try:
            go.wait(10)
            yield 1
        finally:
            closed.set()

    stream = Stream(source(), encode)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.05)
    assert not closed.is_set()
    go.set()
    assert await asyncio.to_thread(closed.wait, 10)


# Collecting


async def test_all_chunks_at_once(open_stream: Any, journal: Journal) -> None:
    assert await open_stream("a", "b").acollect() == b"ab"
    assert journal == ["source closed", "inner None", "outer None"]


async def test_what_fails_while_it_is_collected_rolls_back(open_stream: Any, journal: Journal) -> None:
    with pytest.raises(KeyError):
        await open_stream(1, fails=True).acollect()
    assert journal == ["source closed", "inner KeyError", "outer KeyError"]


async def test_there_is_a_limit(open_stream: Any, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_COLLECTED", 3)
    assert await open_stream("a", "bc").acollect() == b"abc"
    journal.clear()
    with pytest.raises(Problem, match="larger than 3 bytes: only HTTP can stream it"):
        await open_stream("a", "bc", "d").acollect()
    assert journal == ["source closed", "inner GeneratorExit", "outer GeneratorExit"]


async def test_an_async_source_that_waits_for_nothing_lets_others_run(journal: Journal) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b""

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await Stream(endless(), lambda chunk: chunk).acollect()


def test_a_sync_source_that_never_ends_is_left_at_the_deadline() -> None:
    closed = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b""
        finally:
            closed.append(True)

    with pytest.raises(TimeLimitExceeded):
        Stream(endless(), lambda chunk: chunk).collect(time.monotonic() + 0.05)
    assert closed == [True]


def test_a_sync_source_is_collected_in_place(journal: Journal) -> None:
    stream = Stream(journal.source("a", "b"), encode)
    assert stream.blocking
    assert stream.collect() == b"ab"
    assert journal == ["source closed"]
    with pytest.raises(TypeError, match="bad item"):
        Stream(journal.source("a", "bad", "b"), encode).collect()
    assert journal == ["source closed", "source closed"]


async def test_which_sources_block(journal: Journal) -> None:
    assert not Stream(journal.asource(), encode).blocking
    assert Stream(iter([]), encode).blocking


async def test_sources_need_no_close() -> None:
    class Countdown:
        def __init__(self) -> None:
            self.left = 2

        def __aiter__(self) -> Countdown:
            return self

        async def __anext__(self) -> int:
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return self.left

    assert await Stream(Countdown(), encode).acollect() == b"10"
    assert await Stream(iter([1, 2]), encode).acollect() == b"12"


async def test_many_streams_leave_no_thread_behind() -> None:
    before = threading.active_count()
    for _ in range(20):
        await Stream(iter([1]), encode).acollect()
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        await asyncio.sleep(0.01)
    assert threading.active_count() <= before
