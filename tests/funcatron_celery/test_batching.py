"""The batching thread: what many ask for one by one is done together."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable

import pytest

from funcatron.errors import Unavailable
from funcatron_celery.batching import LARGEST, Batching

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Recorder:
    """Doubles numbers; keeps the batches; waits for ``gate`` where it is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.began.set()
        assert self.gate.wait(10)
        return [2 * item for item in items]


@pytest.fixture
def perform() -> Recorder:
    return Recorder()


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Callable[..., Batching[int, int]]:
    def batching(perform: Callable[[list[int]], list[int]], limit: int = 1000) -> Batching[int, int]:
        made: Batching[int, int] = Batching(perform, limit=limit, name="test")
        request.addfinalizer(made.stop)
        return made

    return batching


async def test_everyone_gets_his_own_answer(perform: Recorder, make: Callable[..., Batching[int, int]]) -> None:
    batching = make(perform)
    answers = await asyncio.gather(*(batching.order(n) for n in range(300)))
    assert answers == [2 * n for n in range(300)]


async def test_what_gathers_during_a_batch_is_the_next_batch(
    perform: Recorder, make: Callable[..., Batching[int, int]]
) -> None:
    perform.gate.clear()
    batching = make(perform)
    first = asyncio.ensure_future(batching.order(0))
    await asyncio.to_thread(perform.began.wait, 10)
    rest = [asyncio.ensure_future(batching.order(n)) for n in range(1, 50)]
    await asyncio.sleep(0)
    perform.gate.set()
    await asyncio.gather(first, *rest)
    assert perform.batches == [[0], list(range(1, 50))]


async def test_a_batch_is_bounded(perform: Recorder, make: Callable[..., Batching[int, int]]) -> None:
    perform.gate.clear()
    batching = make(perform, limit=5000)
    orders = [asyncio.ensure_future(batching.order(n)) for n in range(2 * LARGEST + 10)]
    await asyncio.sleep(0)
    perform.gate.set()
    await asyncio.gather(*orders)
    assert max(len(batch) for batch in perform.batches) <= LARGEST
    assert [n for batch in perform.batches for n in batch] == list(range(2 * LARGEST + 10))


def test_blocking_callers_share_batches_with_others(perform: Recorder, make: Callable[..., Batching[int, int]]) -> None:
    batching = make(perform)
    assert batching.order_all([1, 2, 3]) == [2, 4, 6]
    assert batching.order_all([]) == []


async def test_too_many_waiting_is_unavailable_at_once(
    perform: Recorder, make: Callable[..., Batching[int, int]]
) -> None:
    perform.gate.clear()
    batching = make(perform, limit=3)
    waiting = [asyncio.ensure_future(batching.order(n)) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="overloaded"):
        await batching.order(4)
    perform.gate.set()
    assert await asyncio.gather(*waiting) == [0, 2, 4]
    assert await batching.order(4) == 8


async def test_an_order_larger_than_the_limit_is_taken_while_nothing_waits(
    perform: Recorder, make: Callable[..., Batching[int, int]]
) -> None:
    perform.gate.clear()
    batching = make(perform, limit=3)
    waiting = asyncio.create_task(asyncio.to_thread(batching.order_all, range(5)))
    await asyncio.to_thread(perform.began.wait, 10)
    with pytest.raises(Unavailable, match="overloaded, 5 executions wait"):
        await batching.order(6)
    perform.gate.set()
    assert await waiting == [0, 2, 4, 6, 8]


async def test_unavailable_reaches_everyone_and_the_next_batch_goes_on(
    make: Callable[..., Batching[int, int]],
) -> None:
    broken = [True]

    def perform(items: list[int]) -> list[int]:
        if broken[0]:
            raise Unavailable("the disk is full")
        return items

    batching = make(perform)
    results = await asyncio.gather(*(batching.order(n) for n in range(5)), return_exceptions=True)
    assert [str(result) for result in results] == ["the disk is full"] * 5
    broken[0] = False
    assert await batching.order(7) == 7


async def test_an_unforeseen_error_is_unavailable_to_callers(
    make: Callable[..., Batching[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    def perform(items: list[int]) -> list[int]:
        raise KeyError("surprise")

    with pytest.raises(Unavailable, match="surprise"):
        await make(perform).order(1)
    assert "KeyError" in caplog.text


async def test_a_caller_that_was_cancelled_harms_nobody(
    perform: Recorder, make: Callable[..., Batching[int, int]]
) -> None:
    perform.gate.clear()
    batching = make(perform)
    gone = asyncio.ensure_future(batching.order(1))
    stays = asyncio.ensure_future(batching.order(2))
    await asyncio.sleep(0)
    gone.cancel()
    perform.gate.set()
    assert await stays == 4


def test_a_loop_that_was_closed_harms_nobody(perform: Recorder, make: Callable[..., Batching[int, int]]) -> None:
    perform.gate.clear()
    batching = make(perform)

    async def leave() -> None:
        task = asyncio.ensure_future(batching.order(1))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    perform.gate.set()
    assert batching.order_all([5]) == [10]


def test_stop_finishes_what_was_ordered(perform: Recorder, make: Callable[..., Batching[int, int]]) -> None:
    perform.gate.clear()
    batching = make(perform)
    answers: list[list[int]] = []
    threads = [threading.Thread(target=lambda n=n: answers.append(batching.order_all([n]))) for n in range(20)]
    for thread in threads:
        thread.start()
    assert perform.began.wait(10)
    while batching._waiting < 20:
        threading.Event().wait(0.001)
    perform.gate.set()
    batching.stop()
    for thread in threads:
        thread.join(10)
    assert sorted(answers) == [[2 * n] for n in range(20)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_begins_anew(perform: Recorder, make: Callable[..., Batching[int, int]]) -> None:
    batching = make(perform)
    assert batching.order_all([1]) == [2]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, bytes(batching.order_all([21])))
        os._exit(0)
    assert os.read(read, 1) == b"*"
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)
    assert batching.order_all([3]) == [6]
