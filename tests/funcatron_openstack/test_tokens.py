"""What is asked of Keystone, how often, and what happens while it does not answer."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funcatron.errors import Unavailable
from funcatron_openstack.tokens import LONGEST, MOST_ASKED, THREADS, TokenValidator

pytestmark = pytest.mark.anyio

PATIENCE = 20.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def body(seconds: float = 3600, **more: Any) -> dict[str, Any]:
    return {"expires_at": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(), **more}


class Keystone:
    """Answers for the tokens it knows; counts what it is asked."""

    def __init__(self, **known: Mapping[str, Any]) -> None:
        self.known: dict[str, Any] = known
        self.asked: list[str] = []
        self.away = False
        self.open = threading.Event()
        self.open.set()

    def __call__(self, token: str) -> Mapping[str, Any] | None:
        self.asked.append(token)
        assert self.open.wait(PATIENCE)
        if self.away:
            raise Unavailable("away")
        found: Mapping[str, Any] | None = self.known.get(token)
        return found


async def test_a_valid_token_is_asked_about_once() -> None:
    keystone = Keystone(good=body(user="u"))
    validator = TokenValidator(keystone, keep=60)
    for _ in range(3):
        found = await validator.validate("good")
        assert found is not None
        assert found["user"] == "u"
    assert keystone.asked == ["good"]


async def test_what_was_said_is_forgotten_in_time() -> None:
    keystone = Keystone(good=body())
    validator = TokenValidator(keystone, keep=0.05)
    assert await validator.validate("good") is not None
    del keystone.known["good"]  # revoked
    end = time.monotonic() + PATIENCE
    while await validator.validate("good") is not None:
        assert time.monotonic() < end
        await asyncio.sleep(0.005)
    assert keystone.asked == ["good", "good"]


async def test_with_nothing_kept_every_request_is_asked_about() -> None:
    keystone = Keystone(good=body())
    validator = TokenValidator(keystone, keep=0)
    for _ in range(3):
        await validator.validate("good")
    assert len(keystone.asked) == 3


@pytest.mark.parametrize("said", [body(-1), {"expires_at": "soon"}, {}])
async def test_nothing_is_kept_longer_than_the_token(said: dict[str, Any]) -> None:
    keystone = Keystone(good=said)
    validator = TokenValidator(keystone, keep=60)
    for _ in range(2):
        assert await validator.validate("good") == said  # whether it is valid is for Keystone's clock to say
    assert len(keystone.asked) == 2


async def test_a_refused_token_is_remembered_for_a_shorter_time() -> None:
    keystone = Keystone()
    validator = TokenValidator(keystone, keep=600)
    for _ in range(3):
        assert await validator.validate("bad") is None
    assert keystone.asked == ["bad"]
    ((until, _),) = validator._known.values()
    assert until - time.monotonic() <= 10.0


@pytest.mark.parametrize("token", ["", "x" * (LONGEST + 1), "tökén", "to\nken", "two words", "\x00", "tab\t"])
async def test_what_can_be_no_token_is_not_asked_about(token: str) -> None:
    keystone = Keystone()
    assert await TokenValidator(keystone, keep=60).validate(token) is None
    assert keystone.asked == []


async def test_requests_with_one_token_share_one_question() -> None:
    keystone = Keystone(good=body())
    keystone.open.clear()
    validator = TokenValidator(keystone, keep=60)
    waiting = [asyncio.create_task(validator.validate("good")) for _ in range(50)]
    await until(lambda: keystone.asked)
    waiting[0].cancel()  # one goes away, the others get their answer
    keystone.open.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert all(isinstance(found, dict) for found in done[1:])
    assert keystone.asked == ["good"]


async def test_the_loop_goes_on_while_keystone_thinks() -> None:
    keystone = Keystone(good=body())
    keystone.open.clear()
    waiting = asyncio.create_task(TokenValidator(keystone, keep=60).validate("good"))
    await until(lambda: keystone.asked)  # the loop runs, and nothing was answered yet
    assert not waiting.done()
    keystone.open.set()
    assert await waiting is not None


async def test_while_keystone_is_away_nobody_waits_and_few_ask() -> None:
    keystone = Keystone(good=body(), known=body())
    validator = TokenValidator(keystone, keep=60)
    assert await validator.validate("known") is not None
    keystone.away = True
    for number in range(100):
        with pytest.raises(Unavailable) as caught:
            await validator.validate(f"new{number}")
        assert caught.value.retry_after is None or caught.value.retry_after > 0
    assert len(keystone.asked) <= 1 + 100 // 10
    assert await validator.validate("known") is not None  # what was said before is still good
    keystone.away = False

    async def found() -> bool:
        try:
            return await validator.validate("good") is not None
        except Unavailable:
            return False

    end = time.monotonic() + PATIENCE
    while not await found():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_a_keystone_that_hangs_is_given_up() -> None:
    keystone = Keystone(good=body())
    keystone.open.clear()
    validator = TokenValidator(keystone, keep=60, patience=2)
    with pytest.raises(Unavailable, match="does not answer"):
        await validator.validate("good")
    keystone.open.set()
    await until(lambda: validator._known)  # the late answer is good for the next one
    assert await validator.validate("good") is not None
    assert keystone.asked == ["good"]


async def test_only_so_many_wait() -> None:
    keystone = Keystone()
    keystone.open.clear()
    validator = TokenValidator(keystone, keep=60)
    waiting = [asyncio.create_task(validator.validate(f"t{number}")) for number in range(MOST_ASKED)]
    await until(lambda: len(validator._asked) == MOST_ASKED)
    try:
        with pytest.raises(Unavailable):
            await validator.validate("one-more")
    finally:
        keystone.open.set()
    assert set(await asyncio.gather(*waiting)) == {None}


async def test_what_nobody_waits_for_is_not_asked() -> None:
    keystone = Keystone()
    keystone.open.clear()
    validator = TokenValidator(keystone, keep=60, patience=0.02)
    waiting = [validator.validate(f"t{number}") for number in range(THREADS + 5)]
    assert {type(found) for found in await asyncio.gather(*waiting, return_exceptions=True)} == {Unavailable}
    keystone.open.set()
    await until(lambda: not validator._asked)
    assert len(keystone.asked) <= THREADS


async def test_those_unused_longest_are_forgotten_first() -> None:
    keystone = Keystone(a=body(), b=body(), c=body())
    validator = TokenValidator(keystone, keep=60, most=2)
    for token in ("a", "b", "a", "c", "a", "b"):
        await validator.validate(token)
    assert keystone.asked == ["a", "b", "c", "b"]


async def test_an_error_of_ours_is_not_kept() -> None:
    asked = []

    def ask(token: str) -> None:
        asked.append(token)
        raise ValueError("a bug")

    validator = TokenValidator(ask, keep=60)
    for _ in range(2):
        with pytest.raises(ValueError, match="a bug"):
            await validator.validate("good")
    assert len(asked) == 2


async def test_no_token_stays_in_memory() -> None:
    token = "s3cr3t" * 10
    validator = TokenValidator(Keystone(), keep=60)
    assert await validator.validate(token) is None
    found = [kept for kept in gc.get_objects() if isinstance(kept, dict) and kept is validator.__dict__]
    assert token not in repr(found)


def test_many_loops_share_one_validator() -> None:
    keystone = Keystone(good=body())
    validator = TokenValidator(keystone, keep=60)
    for _ in range(3):
        assert asyncio.run(validator.validate("good")) is not None
    assert keystone.asked == ["good"]


async def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)
