"""The SQLite transport, as kombu's users see it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import ChannelError

from funcatron.errors import SettingsError, Unavailable
from funcatron.execution import Execution, new_id
from funcatron.ports import Message
from funcatron.store.lease import held
from funcatron.store.sqlite import SQLiteStore
from funcatron_celery.sqlite import Transport, payload, register

PATIENCE = 30.0  # seconds; what is waited for comes much sooner, or never

Connect = Callable[..., Connection]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "f.db"


@pytest.fixture
def connect(file: Path) -> Iterator[Connect]:
    """``connect(**transport_options)`` gives connections, each as if it were another client's."""
    register()
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            contextlib.closing(Connection(f"sqlite:///{file}", transport_options=options))
        )


def rows(file: Path, text: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return connection.execute(text).fetchall()


def change(file: Path, text: str) -> None:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(text)


def publish(connection: Connection, body: Any, queue: str = "q", **options: Any) -> None:
    connection.Producer().publish(body, routing_key=queue, **options)


def get(connection: Connection, queue: str = "q", **options: Any) -> Any:
    return connection.default_channel.basic_get(queue, **options)


class Received(list[Any]):
    """A consumer of some queues, and the messages it received."""

    def __init__(self, connection: Connection, *queues: Queue | str, **options: Any) -> None:
        self.connection = connection
        self.channel = connection.channel()
        self.consumer = Consumer(
            self.channel,
            [queue if isinstance(queue, Queue) else Queue(queue) for queue in queues],
            on_message=self.append,
            **options,
        )
        self.consumer.consume()

    def wait(self, count: int) -> list[Any]:
        until = time.monotonic() + PATIENCE
        while len(self) < count:
            self.connection.drain_events(timeout=until - time.monotonic())
        return [message.payload for message in self]

    def settle(self, seconds: float = 0.05) -> list[Any]:
        """Drain until nothing comes any more."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.connection.drain_events(timeout=seconds)
        return [message.payload for message in self]


# Connecting


def test_the_url_is_shown_as_it_was_given(connect: Connect, file: Path) -> None:
    connection = connect()
    assert connection.connect().driver_version() == sqlite3.sqlite_version
    assert connection.as_uri() == f"sqlite:///{file}"
    assert connection.transport.driver_type == "sqlite"


@pytest.mark.parametrize(
    "arguments",
    [
        {"hostname": "sqlite:///{file}", "transport": "funcatron_celery.sqlite:Transport"},
        {"hostname": "sqlite:///{file}", "transport": Transport},
    ],
)
def test_a_client_may_name_the_transport_itself(file: Path, arguments: dict[str, Any]) -> None:
    arguments["hostname"] = arguments["hostname"].format(file=file)
    with Connection(**arguments) as connection:
        publish(connection, {"a": 1})
        assert get(connection).payload == {"a": 1}


def test_a_url_without_a_file_is_refused() -> None:
    register()
    with pytest.raises(SettingsError, match="names no SQLite file"):
        Connection("sqlite://").connect()


def test_a_file_that_cannot_be_opened_is_a_connection_error(tmp_path: Path) -> None:
    register()
    connection = Connection(f"sqlite:///{tmp_path}")
    assert Unavailable in connection.connection_errors
    with pytest.raises(Unavailable, match="unable to open database file"):
        connection.transport.establish_connection()
    connection.release()


def test_nothing_stays_behind_a_closed_connection(connect: Connect, file: Path) -> None:
    before = set(threading.enumerate())
    connection = connect()
    received = Received(connection, Queue("mine", exclusive=True))
    publish(connect(), 1, "mine")
    received.wait(1)
    connection.close()
    assert list(held(file.with_name("f.db.leases"))) == []
    assert list(file.with_name("f.db.leases").iterdir()) == []
    assert not {thread for thread in threading.enumerate() if thread.name == "funcatron-flusher"} - before


# Sending and receiving


@pytest.mark.parametrize("body", ["text ☃", {"a": [1, None, "ü"]}, b"\x00\xff", "x" * 1_000_000, "\u0000"])
def test_a_message_comes_as_it_was_sent(connect: Connect, body: Any) -> None:
    publish(connect(), body, headers={"x": {"y": [1, "é"]}}, correlation_id="c", reply_to="r", priority=3)
    message = get(connect())
    assert message.payload == body
    assert message.headers == {"x": {"y": [1, "é"]}}
    assert (message.properties["correlation_id"], message.properties["reply_to"]) == ("c", "r")
    assert message.delivery_info == {"exchange": "", "routing_key": "q"}
    assert "redelivered" not in message.delivery_info


def test_messages_come_in_order_through_any_number_of_claims(connect: Connect) -> None:
    producer = connect()
    for number in range(200):
        publish(producer, number)
    received = Received(connect(), "q")
    while len(received) < 200:
        received.wait(len(received) + 1)
        received[-1].ack()
    assert [message.payload for message in received] == list(range(200))


@pytest.mark.parametrize("no_ack", [False, True])
def test_what_is_acknowledged_is_gone(connect: Connect, file: Path, no_ack: bool) -> None:
    publish(connect(), 1)
    connection = connect()
    message = get(connection, no_ack=no_ack)
    if not no_ack:
        assert rows(file, "select owner is null from message") == [(0,)]
        message.ack()
    connection.close()
    assert rows(file, "select * from message") == []


def test_acknowledging_many_at_once(connect: Connect) -> None:
    connection = connect()
    for number in range(5):
        publish(connection, number)
    received = Received(connection, "q")
    received.wait(5)
    received.channel.basic_ack(received[2].delivery_tag, multiple=True)
    received.channel.close()
    other = connect()
    assert [get(other).payload, get(other).payload, get(other)] == [3, 4, None]


def test_acknowledgements_are_written_while_the_consumer_is_busy(connect: Connect, file: Path) -> None:
    connection = connect()
    publish(connection, 1)
    received = Received(connection, "q")
    received.wait(1)
    received[0].ack()
    wait_until(lambda: rows(file, "select * from message") == [])


def test_a_message_may_be_acknowledged_after_its_channel_was_closed(connect: Connect, file: Path) -> None:
    connection = connect()
    publish(connection, 1)
    received = Received(connection, "q")
    received.wait(1)
    received.channel.close()
    received[0].ack()
    assert rows(file, "select * from message") == []


def test_nothing_is_none(connect: Connect) -> None:
    connection = connect()
    assert get(connection) is None
    assert get(connection, no_ack=True) is None
    received = Received(connection, "q")
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.01)
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0)
    assert received == []


def test_a_consumer_that_acknowledges_nothing_gets_everything_once(connect: Connect, file: Path) -> None:
    producer = connect()
    for number in range(5):
        publish(producer, number)
    received = Received(connect(), "q", no_ack=True)
    assert received.wait(5) == list(range(5))
    assert rows(file, "select * from message") == []


def test_simple_queues_work(connect: Connect) -> None:
    with contextlib.closing(connect().SimpleQueue("simple")) as queue:
        queue.put({"a": 1})
        queue.put({"a": 2})
        assert queue.qsize() == 2
        assert queue.get(timeout=PATIENCE).payload == {"a": 1}
        assert queue.clear() == 1
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.01)


# Prefetching


def test_no_more_is_delivered_than_was_asked_for(connect: Connect, file: Path) -> None:
    producer = connect()
    for number in range(10):
        publish(producer, number)
    received = Received(connect(), "q", prefetch_count=3)
    assert received.settle() == [0, 1, 2]
    assert rows(file, "select count(*) from message where owner is not null") == [(3,)]
    received[0].ack()
    received[2].ack()
    assert received.settle() == [0, 1, 2, 3, 4]


def test_room_made_in_another_thread_is_filled_at_once(connect: Connect) -> None:
    producer = connect()
    for number in range(2):
        publish(producer, number)
    received = Received(connect(polling_interval=PATIENCE), "q", prefetch_count=1)
    received.wait(1)
    began = time.monotonic()
    threading.Timer(0.05, received[0].ack).start()
    assert received.wait(2) == [0, 1]
    assert time.monotonic() - began < PATIENCE / 2


@pytest.mark.parametrize("acknowledging", [True, False])
def test_a_consumer_kept_busy_gives_back_what_it_has_not_begun(connect: Connect, acknowledging: bool) -> None:
    producer = connect()
    for number in range(20):
        publish(producer, number)
    received = Received(connect(), "q")
    while len(received) < 8:  # the claims have grown by now
        received.wait(len(received) + 1)
        if acknowledging:
            received[-1].ack()
    other = Received(connect(), "q")
    others = other.wait(20 - len(received))  # while the first does not come back for more
    assert [message.payload for message in received] + sorted(others) == list(range(20))
    assert not any(message.delivery_info.get("redelivered") for message in other), "nobody had begun them"


# Giving back


def test_a_cancelled_consumer_gives_back_what_it_has_not_begun(
    connect: Connect, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funcatron_celery.sqlite.claims.CLAIM_SECONDS", 3600.0)  # claims grow, however slow it goes
    producer = connect()
    for number in range(20):
        publish(producer, number)
    received = Received(connect(), "q")
    received.wait(4)
    assert rows(file, "select count(*) > 4 from message where owner is not null") == [(1,)]
    received.consumer.cancel()
    assert rows(file, "select count(*) from message where owner is not null") == [(4,)]


def test_what_a_closed_consumer_did_not_settle_goes_back_to_its_place(connect: Connect) -> None:
    producer = connect()
    for number in range(3):
        publish(producer, number)
    received = Received(connect(), "q", prefetch_count=2)
    received.wait(1)
    received.connection.close()
    second = Received(connect(), "q")
    assert second.wait(3) == [0, 1, 2]
    assert [message.delivery_info.get("redelivered", False) for message in second] == [True, False, False]
    assert second[0].headers["x-delivery-count"] == 0, "an orderly return is no failed attempt"


def test_a_requeued_message_counts_its_attempts_and_is_buried_in_the_end(connect: Connect, file: Path) -> None:
    publish(connect(), "deadly", headers={"h": 1})
    publish(connect(), "harmless")
    connection = connect(delivery_limit=3)
    for attempt in range(4):
        message = get(connection)
        assert message.payload == "deadly"
        assert message.delivery_info.get("redelivered", False) is (attempt > 0)
        assert message.headers.get("x-delivery-count", 0) == attempt
        message.requeue()
    assert get(connection).payload == "harmless"
    dead = get(connection, "q.dead")
    assert dead.payload == "deadly"
    assert dead.headers["h"] == 1
    assert dead.headers["x-first-death-reason"] == "delivery_limit"
    assert dead.headers["x-first-death-queue"] == "q"


def test_a_rejected_message_is_buried(connect: Connect) -> None:
    connection = connect()
    publish(connection, "ü")
    get(connection).reject()
    assert get(connection) is None
    dead = get(connection, "q.dead")
    assert (dead.payload, dead.headers["x-first-death-reason"]) == ("ü", "rejected")
    dead.reject()
    assert get(connection, "q.dead").payload == "ü", "it stays where it is"


def test_an_execution_whose_message_is_buried_has_failed(connect: Connect, file: Path) -> None:
    store = SQLiteStore(f"sqlite:///{file}")
    waiting, running = (Execution(id=new_id(), function="f", trigger="async", created_at=1.0) for _ in range(2))
    store.create([waiting, running], [Message("q", payload("[]", queue="q", headers={}))] * 2)
    store.start(running.id, worker="w", deadline=None)
    connection = connect(delivery_limit=0)
    get(connection).requeue()
    get(connection).requeue()
    failed = store.get(waiting.id)
    assert failed is not None
    assert (failed.state, failed.failure) == ("failed", "lost")
    assert failed.problem is not None
    assert failed.problem["status"] == 500
    assert store.counts() == {"failed": 1, "running": 1}
    store.close()


def test_an_execution_whose_message_is_buried_leaves_its_line(connect: Connect, file: Path) -> None:
    store = SQLiteStore(f"sqlite:///{file}")
    first, second = (
        Execution(id=new_id(), function="f", trigger="event", created_at=1.0, order_key="k") for _ in range(2)
    )
    store.create([first, second], [Message("q", payload("[]", queue="q", headers={}))] * 2)
    held = store.start(second.id, worker="w", deadline=None)
    assert held is not None
    assert held.gate == "order"
    get(connect(delivery_limit=0)).requeue()
    assert store.admit({}, time.time()) == 1
    assert [one.id for one in store.admitted("f")] == [second.id]
    store.close()


def test_what_cannot_be_read_is_buried_and_the_rest_goes_on(connect: Connect, file: Path) -> None:
    connection = connect()
    connection.connect()
    bad = [b"", b"{", b"\xff", b"[]", b"null", b"{}", b'{"properties": []}']
    with contextlib.closing(sqlite3.connect(file)) as raw, raw:
        raw.executemany("insert into message (queue, payload) values ('q', ?)", [(one,) for one in bad])
    publish(connection, "good")
    received = Received(connection, "q")
    assert received.wait(1) == ["good"]
    assert rows(file, "select count(*) from message where queue = 'q.dead'") == [(len(bad),)]
    channel = connection.channel()
    letters = [channel.basic_get("q.dead", no_ack=True) for _ in bad]
    assert [letter.body for letter in letters] == bad, "it is kept as it was, in what can be read"
    assert {letter.headers["x-funcatron-reason"] for letter in letters} == {"undecodable"}


def test_the_messages_of_a_killed_consumer_are_free_at_once(connect: Connect, file: Path) -> None:
    producer = connect()
    for number in range(3):
        publish(producer, number)
    program = textwrap.dedent("""
        import sys
        from kombu import Connection
        channel = Connection(sys.argv[1], transport="funcatron_celery.sqlite:Transport").channel()
        for _ in range(2):
            print(channel.basic_get("q").payload, flush=True)
        sys.stdin.read()
    """)
    command = [sys.executable, "-c", program, f"sqlite:///{file}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        assert [victim.stdout.readline() for _ in range(2)] == ["0\n", "1\n"]
        received = Received(connect(polling_interval=PATIENCE), "q")
        assert received.settle(0.6) == [2], "the living keep what they hold"
        victim.kill()
        assert sorted(received.wait(3)) == [0, 1, 2]
    assert [m.delivery_info.get("redelivered", False) for m in received] == [False, True, True]
    assert [m.headers.get("x-delivery-count", 0) for m in received] == [0, 1, 1]


def test_a_message_is_not_claimed_before_it_is_due(connect: Connect, file: Path) -> None:
    connection = connect(polling_interval=0.01)
    publish(connection, 1)
    change(file, f"update message set due = {time.time() + 0.3}")
    received = Received(connection, "q")
    assert received.settle(0.01) == []
    assert received.wait(1) == [1]


# Waking


def test_a_message_wakes_its_consumer_long_before_it_looks(connect: Connect, file: Path) -> None:
    program = textwrap.dedent("""
        import sys
        from kombu import Connection
        connection = Connection(sys.argv[1], transport="funcatron_celery.sqlite:Transport")
        for line in sys.stdin:
            connection.Producer().publish(line, routing_key="q")
    """)
    received = Received(connect(polling_interval=PATIENCE), "q")
    received.settle()
    command = [sys.executable, "-c", program, f"sqlite:///{file}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as producer:
        assert producer.stdin is not None
        began = time.monotonic()
        for number in range(1, 4):
            producer.stdin.write(f"{number}")
            producer.stdin.write("\n")
            producer.stdin.flush()
            received.wait(number)
        assert time.monotonic() - began < PATIENCE / 2


def test_a_stored_execution_wakes_its_consumer(connect: Connect, file: Path) -> None:
    received = Received(connect(polling_interval=PATIENCE), "q")
    received.settle()
    store = SQLiteStore(f"sqlite:///{file}")
    made = Execution(id=new_id(), function="f", trigger="async", created_at=1.0)
    text = payload('[[],{},{"é":1}]', queue="q", headers={"task": "f", "id": made.id})
    threading.Timer(0.05, lambda: store.create([made], [Message("q", text)])).start()
    began = time.monotonic()
    assert received.wait(1) == [[[], {}, {"é": 1}]]
    assert time.monotonic() - began < PATIENCE / 2
    assert received[0].headers == {"task": "f", "id": made.id}
    store.close()


def test_without_sockets_it_looks_often(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("funcatron.store.wakeup.Listener._bind", lambda self, lease: None)
    received = Received(connect(), "q")
    received.settle()
    publish(connect(), 1)
    assert received.wait(1) == [1]


def test_waiting_can_be_interrupted(connect: Connect) -> None:
    received = Received(connect(polling_interval=PATIENCE), "q")
    transport = received.connection.transport
    began = time.monotonic()
    threading.Timer(0.05, transport.interrupt).start()
    with pytest.raises(TimeoutError):
        received.connection.drain_events(timeout=PATIENCE)
    transport.interrupt()
    with pytest.raises(TimeoutError):
        received.connection.drain_events(timeout=PATIENCE)
    assert time.monotonic() - began < PATIENCE / 2


def test_what_is_at_hand_is_delivered_in_one_go_until_somebody_interrupts(connect: Connect) -> None:
    received, stopping = Received(connect(), "q"), Received(connect(), "r")
    for number in range(20):
        publish(connect(), number)
        publish(connect(), number, "r")
    received.connection.transport.deliver_more(PATIENCE)
    assert [message.payload for message in received] == list(range(20))
    stopping.consumer.on_message = lambda message: (stopping.append(message), stopping.connection.transport.interrupt())
    stopping.connection.transport.deliver_more(PATIENCE)
    assert [message.payload for message in stopping] == [0]
    stopping.connection.transport.deliver_more(0)
    assert len(stopping) == 1


def test_a_channel_whose_queues_were_empty_sees_one_that_is_added(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funcatron_celery.sqlite.channel.LOOK_AGAIN", 10 * PATIENCE)
    received = Received(connect(polling_interval=10 * PATIENCE), "q")
    received.settle()
    publisher = connect()
    Queue("r")(publisher.default_channel).declare()
    publish(publisher, 1, "r")
    received.consumer.add_queue(Queue("r"))
    received.consumer.consume()
    assert received.wait(1) == [1]


# Exchanges


def test_a_producer_finds_the_queues_that_another_client_declared(connect: Connect) -> None:
    orders = Exchange("orders", "direct")
    received = Received(connect(), Queue("red", orders, "r"), Queue("any", orders, "r"), Queue("blue", orders, "b"))
    producer = Producer(connect().channel(), orders, auto_declare=False)
    producer.publish("r", routing_key="r")
    producer.publish("nobody's", routing_key="x")
    assert received.settle() == ["r", "r"]
    assert {message.delivery_info["exchange"] for message in received} == {"orders"}


def test_a_topic_exchange_matches_words(connect: Connect) -> None:
    logs = Exchange("logs", "topic")
    received = Received(connect(), Queue("all", logs, "order.#"), Queue("one", logs, "order.*.eu"))
    producer = Producer(connect().channel(), logs)
    for key in ("order", "order.new.eu", "order.new.us", "other"):
        producer.publish(key, routing_key=key)
    assert sorted(received.settle()) == sorted(["order", "order.new.eu", "order.new.eu", "order.new.us"])


def test_a_fanout_exchange_reaches_every_queue(connect: Connect) -> None:
    news = Exchange("news", "fanout")
    readers = [Received(connect(), Queue(f"r{number}", news, exclusive=True)) for number in range(3)]
    Producer(connect().channel(), news).publish("hear")
    assert [reader.wait(1) for reader in readers] == [["hear"]] * 3


def test_an_exchange_has_one_type(connect: Connect) -> None:
    channel = connect().channel()
    channel.exchange_declare("e", "topic")
    channel.exchange_declare("e", "topic")
    channel.exchange_declare("e", passive=True)
    with pytest.raises(ChannelError, match="is of type topic, not direct"):
        connect().channel().exchange_declare("e", "direct")
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        channel.exchange_declare("f", passive=True)
    with pytest.raises(ChannelError, match="type 'headers' is not supported"):
        channel.exchange_declare("h", "headers")
    channel.exchange_delete("e")
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        channel.exchange_declare("e", passive=True)


def test_bindings_come_and_go(connect: Connect) -> None:
    channel = connect().channel()
    channel.exchange_declare("e", "direct")
    channel.queue_declare("q")
    channel.queue_bind("q", "e", "k")
    channel.queue_bind("q", "e", "k")
    assert list(connect().channel().list_bindings()) == [("q", "e", "k")]
    channel.queue_unbind("q", "e", "k")
    assert list(channel.list_bindings()) == []


def test_queues_are_measured_purged_and_deleted(connect: Connect, file: Path) -> None:
    connection = connect()
    channel = connection.channel()
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        channel.queue_declare("q", passive=True)
    channel.queue_declare("q")
    for number in range(3):
        publish(connection, number)
    get(connection)
    assert channel.queue_declare("q", passive=True).message_count == 2
    assert channel.queue_purge("q") == 2
    publish(connection, 3)
    channel.queue_delete("q", if_empty=True)
    assert channel.queue_declare("q", passive=True).message_count == 1
    channel.queue_delete("q")
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        channel.queue_declare("q", passive=True)
    assert rows(file, "select * from message") == []


def test_a_temporary_queue_goes_with_its_last_holder(connect: Connect, file: Path) -> None:
    news = Exchange("news", "fanout")
    first, second = (Received(connect(), Queue("shared", news, auto_delete=True)) for _ in range(2))
    Received(connect(), Queue("lasting", news))
    first.connection.close()
    assert sorted(rows(file, "select name from queue")) == [("lasting",), ("shared",)]
    second.connection.close()
    assert rows(file, "select name from queue") == [("lasting",)]
    assert rows(file, "select queue from binding") == [("lasting",)]


def test_the_temporary_queue_of_a_killed_client_goes_too(connect: Connect, file: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from kombu import Connection
        channel = Connection(sys.argv[1], transport="funcatron_celery.sqlite:Transport").channel()
        channel.queue_declare("mine", exclusive=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    subprocess.run([sys.executable, "-c", program, f"sqlite:///{file}"], check=False)
    assert rows(file, "select name from queue") == [("mine",)]
    received = Received(connect(), "q")
    wait_until(lambda: received.settle(0.3) == rows(file, "select name from queue where name = 'mine'"))


# The payload


def test_a_payload_carries_bytes(connect: Connect, file: Path) -> None:
    store = SQLiteStore(f"sqlite:///{file}")
    made = Execution(id="e", function="f", trigger="async", created_at=1.0)
    binary = payload(
        b"\x00\xff", queue="q", headers={}, content_type="application/data", content_encoding="binary",
        properties={"correlation_id": "c", "priority": 5},
    )  # fmt: skip
    store.create([made], [Message("q", binary)])
    message = get(connect())
    assert message.payload == b"\x00\xff"
    assert (message.properties["correlation_id"], message.properties["priority"]) == ("c", 5)
    assert json.loads(binary)["properties"]["body_encoding"] == "base64"
    store.close()


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.01)


# A file that fails for a while


@pytest.fixture
def locked(file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], contextlib.AbstractContextManager[object]]:
    """``with locked():`` nobody can write to the file."""
    monkeypatch.setattr("funcatron.store.opening.BUSY_TIMEOUT", 0.05)

    @contextlib.contextmanager
    def lock() -> Iterator[None]:
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("begin immediate")
            yield
            other.execute("rollback")

    return lock


def test_what_cannot_be_published_is_a_connection_error(connect: Connect, locked: Any) -> None:
    connection = connect()
    publish(connection, 1)
    with locked(), pytest.raises(Unavailable, match="database is locked"):
        publish(connection, 2)
    publish(connection, 3)
    assert [get(connection).payload for _ in range(2)] == [1, 3]


def test_acknowledgements_are_kept_until_they_can_be_written(connect: Connect, file: Path, locked: Any) -> None:
    connection = connect()
    publish(connection, 1)
    received = Received(connection, "q")
    received.wait(1)
    with locked():
        received[0].ack()
        with pytest.raises(Unavailable):
            received.channel.flush()
    wait_until(lambda: rows(file, "select * from message") == [])


def test_messages_that_cannot_be_given_back_are_given_up(connect: Connect, file: Path, locked: Any) -> None:
    connection = connect()
    publish(connection, 1)
    received = Received(connection, "q")
    received.wait(1)
    owner = connection.transport.lease.id
    with locked():
        received.channel.close()
    assert rows(file, "select owner from message") == [(owner,)]
    assert owner not in held(file.with_name("f.db.leases"))
    assert Received(connect(), "q").wait(1) == [1]
