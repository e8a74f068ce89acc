"""The guarded consumer by itself; that no message harms it, tests/integration/test_workers_poison.py shows."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kombu.asynchronous.hub import Hub, get_event_loop, set_event_loop

from funcatron import Funcatron
from funcatron.settings import Settings
from funcatron_celery.app import make_celery
from funcatron_celery.guard import Consumer


def consumer(tmp_path: Path, hub: Hub) -> Consumer:
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}
    app = make_celery(Funcatron(document, settings=Settings(data_dir=str(tmp_path))))
    made = Consumer(lambda request: None, app=app, hub=hub, controller=SimpleNamespace(use_eventloop=True))
    made.create_task_handler()
    return made


def test_a_message_is_settled_by_the_thread_that_consumes_and_before_that_waits(tmp_path: Path) -> None:
    settled: list[Any] = []
    before = get_event_loop()
    hub = Hub()
    try:
        guarded = consumer(tmp_path, hub)
        guarded.call_soon_ack(settled.append, "here")
        assert settled == ["here"]
        elsewhere = threading.Thread(target=guarded.call_soon_ack, args=(settled.append, "elsewhere"))
        elsewhere.start()
        elsewhere.join()
        assert settled == ["here"], "a connection to a broker belongs to one thread"
        next(hub.loop)
        assert settled == ["here", "elsewhere"]
    finally:
        hub.close()
        set_event_loop(before)
