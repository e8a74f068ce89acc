from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest

from funcatron.errors import FuncatronError
from funcatron.services import Services


class Journal(list[str]):
    """What happened to the services, in order."""

    def sync(self, name: str) -> Callable[[], Iterator[str]]:
        def factory() -> Iterator[str]:
            self.append(f"open {name}")
            try:
                yield name
            except BaseException as error:
                self.append(f"roll back {name}: {type(error).__name__}")
                raise
            else:
                self.append(f"commit {name}")
            finally:
                self.append(f"close {name}")

        return factory

    def asynchronous(self, name: str) -> Callable[[], AsyncIterator[str]]:
        async def factory() -> AsyncIterator[str]:
            with contextlib.contextmanager(self.sync(name))():
                await asyncio.sleep(0)
                yield name

        return factory


class Both:
    def __enter__(self) -> str:
        return "sync"

    async def __aenter__(self) -> str:
        return "async"

    def __exit__(self, *error: object) -> None:
        pass

    async def __aexit__(self, *error: object) -> None:
        pass


class OnlyAsync:
    async def __aenter__(self) -> str:
        return "only async"

    async def __aexit__(self, *error: object) -> None:
        pass


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def services(journal: Journal) -> Services:
    services = Services()
    for name in ("a", "c"):
        services.register(name, journal.sync(name))
    for name in ("b", "d"):
        services.register(name, journal.asynchronous(name))
    return services


def test_services_are_a_collection_of_names(services: Services) -> None:
    assert list(services) == ["a", "c", "b", "d"]
    assert len(services) == 4
    assert "a" in services
    assert "x" not in services


@pytest.mark.parametrize("name", ["context", "event", "body", "my-db", "", "1"])
def test_names_that_handlers_cannot_name_are_refused(name: str) -> None:
    with pytest.raises(FuncatronError, match="cannot be called"):
        Services().register(name, lambda: None)


def test_an_async_handlers_are_entered_in_the_order_of_its_signature(services: Services, journal: Journal) -> None:
    async def use() -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            return await services.enter(["d", "a", "b"], stack)
        raise AssertionError

    assert asyncio.run(use()) == {"d": "d", "a": "a", "b": "b"}
    assert journal == [
        "open d", "open a", "open b",
        "commit b", "close b", "commit a", "close a", "commit d", "close d",
    ]  # fmt: skip


def test_a_sync_handlers_are_entered_on_both_sides(services: Services, journal: Journal) -> None:
    names = ["a", "b", "c"]

    async def use() -> None:
        async with AsyncExitStack() as outer:
            assert await services.enter_async(names, outer) == {"b": "b"}
            with ExitStack() as inner:
                assert services.enter_sync(names, inner) == {"a": "a", "c": "c"}

    asyncio.run(use())
    assert [entry for entry in journal if entry.startswith(("open", "commit"))] == [
        "open b", "open a", "open c",
        "commit c", "commit a", "commit b",
    ]  # fmt: skip


def test_an_exception_rolls_all_of_them_back(services: Services, journal: Journal) -> None:
    async def use() -> None:
        async with AsyncExitStack() as stack:
            await services.enter(["a", "b"], stack)
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(use())
    assert journal[2:] == ["roll back b: KeyError", "close b", "roll back a: KeyError", "close a"]


def test_what_fails_to_open_rolls_back_what_was_opened_before(services: Services, journal: Journal) -> None:
    class Broken(Both):
        async def __aenter__(self) -> str:
            raise OSError("no connection")

    services.register("broken", Broken)

    async def use() -> None:
        async with AsyncExitStack() as stack:
            await services.enter(["a", "broken", "c"], stack)

    with pytest.raises(OSError, match="no connection"):
        asyncio.run(use())
    assert journal == ["open a", "roll back a: OSError", "close a"]


def test_each_kind_of_handler_gets_its_own_side_of_a_service_that_has_both() -> None:
    services = Services()
    services.register("both", Both)

    async def use() -> tuple[Any, Any, Any]:
        async with AsyncExitStack() as outer:
            with ExitStack() as inner:
                return (
                    await services.enter(["both"], outer),
                    await services.enter_async(["both"], outer),
                    services.enter_sync(["both"], inner),
                )
        raise AssertionError

    assert asyncio.run(use()) == ({"both": "async"}, {}, {"both": "sync"})


@pytest.mark.parametrize("factory", [OnlyAsync, contextlib.asynccontextmanager(Journal().asynchronous("x"))])
def test_what_is_async_only_is_known_before_it_is_made(factory: Any) -> None:
    services = Services()
    services.register("x", factory)

    async def use() -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            return await services.enter_async(["x"], stack)
        raise AssertionError

    assert asyncio.run(use()).keys() == {"x"}
    with ExitStack() as stack:
        assert services.enter_sync(["x"], stack) == {}


def test_a_service_may_be_registered_anew() -> None:
    services = Services()
    services.register("x", OnlyAsync)
    services.register("x", Both)
    with ExitStack() as stack:
        assert services.enter_sync(["x"], stack) == {"x": "sync"}


@pytest.mark.parametrize(
    ("factory", "said"),
    [(lambda: 5, "must be a context manager, not a int"), (lambda: OnlyAsync(), "is async: register")],
)
def test_what_cannot_be_entered_is_refused_by_name(factory: Any, said: str) -> None:
    services = Services()
    services.register("odd", factory)
    with ExitStack() as stack, pytest.raises(FuncatronError, match=f"the service 'odd' {said}"):
        services.enter_sync(["odd"], stack)


def test_what_is_neither_is_refused_on_the_loop() -> None:
    services = Services()
    services.register("odd", lambda: 5)

    async def use() -> None:
        async with AsyncExitStack() as stack:
            await services.enter(["odd"], stack)

    with pytest.raises(FuncatronError, match="must be a context manager, not a int"):
        asyncio.run(use())


def test_a_plain_context_manager_will_do() -> None:
    services = Services()
    services.register("db", lambda: contextlib.closing(sqlite3.connect(":memory:")))
    with ExitStack() as stack:
        database = services.enter_sync(["db"], stack)["db"]
        assert database.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


# What services need


def needing(journal: Journal, services: Services) -> None:
    """Register ``engine`` <- ``session`` <- ``repository``, and ``audit``, which needs ``session`` and the call."""

    @contextlib.contextmanager
    def session(engine: str) -> Iterator[str]:
        with contextlib.contextmanager(journal.sync("session"))():
            yield f"session of {engine}"

    def repository(session: str, *, table: str = "t") -> Any:
        return contextlib.nullcontext(f"{table} in {session}")

    async def audit(session: str, context: Any, event: Any) -> AsyncIterator[str]:
        async with contextlib.asynccontextmanager(journal.asynchronous("audit"))():
            yield f"audit of {context} {event} in {session}"

    services.register("repository", repository)
    services.register("audit", audit)
    services.register("session", session)
    services.register("engine", journal.sync("engine"))


OFFERED = {"context": "C", "event": None}


def test_what_a_service_needs_is_opened_before_it_and_once(journal: Journal) -> None:
    services = Services()
    needing(journal, services)
    services.check()

    async def use() -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            return await services.enter(["repository", "audit", "session"], stack, OFFERED)
        raise AssertionError

    assert asyncio.run(use()) == {
        "engine": "engine",
        "session": "session of engine",
        "repository": "t in session of engine",
        "audit": "audit of C None in session of engine",
    }
    assert [entry for entry in journal if not entry.startswith("close")] == [
        "open engine", "open session", "open audit", "commit audit", "commit session", "commit engine",
    ]  # fmt: skip


def test_a_sync_handlers_services_need_some_of_the_loop(journal: Journal) -> None:
    services = Services()
    needing(journal, services)
    assert services.wait(["audit"])
    assert not services.wait(["repository"])
    services.register("report", lambda audit, context: contextlib.nullcontext(f"{context}: {audit}"))
    assert services.wait(["report"])

    async def use() -> dict[str, Any]:
        async with AsyncExitStack() as outer:
            opened = await services.enter_async(["repository", "report"], outer, OFFERED)
            assert set(opened) == {"engine", "session", "audit"}
            with ExitStack() as inner:
                return services.enter_sync(["repository", "report"], inner, {**OFFERED, **opened})
        raise AssertionError

    assert asyncio.run(use()) == {
        "repository": "t in session of engine",
        "report": "C: audit of C None in session of engine",
    }
    assert [entry for entry in journal if entry.startswith("open")] == ["open engine", "open session", "open audit"]


def test_what_is_needed_and_fails_to_commit_fails_the_others_exit_first(journal: Journal) -> None:
    services = Services()

    def engine() -> Iterator[str]:
        yield "engine"
        raise OSError("the disk is full")

    services.register("engine", engine)
    services.register("session", lambda engine: contextlib.contextmanager(journal.sync("session"))())
    with pytest.raises(OSError, match="disk is full"), ExitStack() as stack:
        services.enter_sync(["session"], stack)
    assert journal == ["open session", "commit session", "close session"]


def test_what_is_needed_and_not_there_is_refused_all_of_it() -> None:
    services = Services()
    services.register("a", lambda nothing: contextlib.nullcontext())
    services.register("b", lambda a, neither: contextlib.nullcontext())
    with pytest.raises(FuncatronError) as raised:
        services.check()
    assert str(raised.value) == (
        "the service 'a' needs 'nothing', which is none; services are: a, b; "
        "the service 'b' needs 'neither', which is none; services are: a, b"
    )


@pytest.mark.parametrize(
    ("needs", "circle"),
    [({"a": "a"}, "a -> a"), ({"a": "b", "b": "c", "c": "b"}, "b -> c -> b"), ({"a": "b", "b": "a"}, "a -> b -> a")],
)
def test_circles_are_refused(needs: dict[str, str], circle: str) -> None:
    services = Services()
    for name, needed in needs.items():
        services.register(name, eval(f"lambda {needed}: None"))
    with pytest.raises(FuncatronError, match=f"services need each other: {circle}$"):
        services.check()


def test_services_are_overridden_for_a_while(services: Services, journal: Journal) -> None:
    services.register("e", lambda a: contextlib.nullcontext(f"e of {a}"))
    with services.overridden(a=lambda: contextlib.nullcontext("fake")), ExitStack() as stack:
        assert services.enter_sync(["e", "a"], stack) == {"a": "fake", "e": "e of fake"}
    assert journal == []
    with contextlib.suppress(KeyError), services.overridden(a=OnlyAsync):
        assert services.wait(["e"])
        raise KeyError
    with ExitStack() as stack:
        assert services.enter_sync(["e"], stack) == {"a": "a", "e": "e of a"}
    with (
        pytest.raises(FuncatronError, match="no service is called 'x', 'y'"),
        services.overridden(y=Both, a=Both, x=Both),
    ):
        raise AssertionError


def test_factories_that_keep_something_are_closed(journal: Journal) -> None:
    class Pool:
        def __call__(self) -> Iterator[str]:
            yield from journal.sync("pool")()

        def close(self) -> None:
            journal.append("closed")

        async def aclose(self) -> None:
            journal.append("closed for the loop")

    class Closing(Both):
        def close(self) -> None:
            raise AssertionError("is not the factory's")

    services = Services()
    services.register("pool", Pool())
    services.register("both", Closing)
    with ExitStack() as stack:
        assert services.enter_sync(["pool"], stack) == {"pool": "pool"}
    asyncio.run(services.aclose())
    services.close()
    assert journal == ["open pool", "commit pool", "close pool", "closed for the loop", "closed"]
