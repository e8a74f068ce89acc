from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextvars import copy_context

import pytest

from funcatron import logs
from funcatron.execution import LogLine
from funcatron.logs import Capture, capturing, install


@pytest.fixture
def batches() -> list[list[LogLine]]:
    return []


@pytest.fixture
def capture(batches: list[list[LogLine]]) -> Capture:
    return Capture(lambda lines: batches.append(list(lines)), attempt=2, redacted=("password",))


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.logs")
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.setLevel(logging.NOTSET)


def messages(batches: Sequence[Sequence[LogLine]]) -> list[str]:
    return [line.message for batch in batches for line in batch]


def test_what_is_logged_meanwhile_is_kept(
    capture: Capture, batches: list[list[LogLine]], logger: logging.Logger
) -> None:
    logger.warning("before")
    with capturing(capture):
        logger.info("a %s", "message")
    logger.warning("after")
    ((line,),) = batches
    assert (line.level, line.logger, line.message, line.attempt) == ("info", "tests.logs", "a message", 2)


def test_a_traceback_is_kept_and_secrets_are_not(
    capture: Capture, batches: list[list[LogLine]], logger: logging.Logger
) -> None:
    with capturing(capture):
        try:
            raise ValueError("password=hunter2")
        except ValueError:
            logger.exception("password: %s", "hunter2")
    (text,) = messages(batches)
    assert text.startswith("password: ***\nTraceback (most recent call last):")
    assert text.endswith("ValueError: password=***")


def test_threads_and_tasks_that_inherit_the_context_are_captured(
    capture: Capture, batches: list[list[LogLine]], logger: logging.Logger
) -> None:
    async def task() -> None:
        logger.info("task")

    async def use() -> None:
        with capturing(capture):
            await asyncio.to_thread(logger.info, "thread")
            await asyncio.create_task(task())
            thread = threading.Thread(target=copy_context().run, args=(logger.info, "own"))
            thread.start()
            thread.join()

    asyncio.run(use())
    assert messages(batches) == ["thread", "task", "own"]


def test_two_at_once_are_kept_apart(logger: logging.Logger) -> None:
    kept: dict[int, list[LogLine]] = {1: [], 2: []}
    together = threading.Barrier(2)

    def run(number: int) -> None:
        with capturing(Capture(kept[number].extend, attempt=1, redacted=())):
            for count in range(50):
                together.wait(10)
                logger.info("%d/%d", number, count)

    threads = [threading.Thread(target=run, args=(number,)) for number in kept]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, lines in kept.items():
        assert [line.message for line in lines] == [f"{number}/{count}" for count in range(50)]


def test_many_threads_lose_no_line(capture: Capture, batches: list[list[LogLine]], logger: logging.Logger) -> None:
    def run(number: int) -> None:
        for count in range(250):
            logger.info("%d/%d", number, count)

    with capturing(capture):
        threads = [threading.Thread(target=copy_context().run, args=(run, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(messages(batches)) == 1000
    assert {*messages(batches)} == {f"{number}/{count}" for number in range(4) for count in range(250)}


def test_lines_are_handed_over_in_batches(
    capture: Capture, batches: list[list[LogLine]], logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FLUSH_SECONDS", 1e9)
    with capturing(capture):
        for number in range(logs.FLUSH_LINES + 1):
            logger.info("%d", number)
        assert [len(batch) for batch in batches] == [logs.FLUSH_LINES]
    assert [len(batch) for batch in batches] == [logs.FLUSH_LINES, 1]


def test_a_line_does_not_wait_long(
    capture: Capture, batches: list[list[LogLine]], logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FLUSH_SECONDS", 0.0)
    with capturing(capture):
        logger.info("now")
        assert messages(batches) == ["now"]


def test_a_flood_is_cut(
    capture: Capture, batches: list[list[LogLine]], logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_LINES", 5)
    with capturing(capture):
        for number in range(20):
            logger.info("%d" + "x" * 10_000, number)
    found = messages(batches)
    assert len(found) == 5
    assert found[-1] == "the log is full: only the first 5 lines of an attempt are kept"
    assert [len(text) for text in found[:-1]] == [logs.LONGEST_MESSAGE] * 4


def test_a_message_that_does_not_format_stops_nobody(
    capture: Capture, batches: list[list[LogLine]], logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    root = logging.getLogger()
    others, root.handlers = root.handlers, []
    try:
        with capturing(capture):
            logger.info("%d", "x")
            logger.info("%s", Odd())
            logger.info("good")
    finally:
        root.handlers = others
    assert messages(batches) == ["good"]
    assert "--- Logging error ---" in capsys.readouterr().err


def test_what_the_store_logs_is_not_captured_again(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FLUSH_SECONDS", 0.0)
    kept: list[LogLine] = []

    def write(lines: Sequence[LogLine]) -> None:
        logger.warning("the store is slow")
        kept.extend(lines)

    with capturing(Capture(write, attempt=1, redacted=())):
        logger.info("a")
    assert [line.message for line in kept] == ["a"]


def test_the_handler_is_put_in_place_once_and_again_when_it_is_gone(capture: Capture, logger: logging.Logger) -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        root.handlers = []
        install()
        install()
        assert len(root.handlers) == 1
        root.handlers = []
        with capturing(capture):
            assert len(root.handlers) == 1
    finally:
        root.handlers = before
