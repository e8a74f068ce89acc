"""Uploads call functions by alarms: Swift, Ceilometer, Aodh and its POST to the door for events, all of them real.

It takes a minute, and some more where Ceilometer and Aodh have yet to be installed; so only who asks for it has it:
FUNCATRON_TEST_AODH=1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.integration.running import until
from tests.integration.uploading import Uploads, uploads
from tests.services import OpenStack, mini
from tests.services.aodh import alarm_of_uploads
from tests.services.openstack import LACKING, environ_of

pytestmark = [
    pytest.mark.service,
    pytest.mark.slow,
    pytest.mark.skipif("FUNCATRON_TEST_AODH" not in os.environ, reason="only with FUNCATRON_TEST_AODH=1"),
]

TOKEN = "of-the-control-api"
NAME = "déjà vu/100% 東京.txt"


@pytest.fixture
def stack(tmp_path: Path, required_in_ci: Callable[[str], NoReturn]) -> Iterator[OpenStack]:
    """A stack with Aodh; nothing of it goes on when it is down."""
    folder = tmp_path / "stack"
    try:
        done = mini("up", folder, "--aodh")
        if done.returncode == LACKING:
            required_in_ci(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        environ = environ_of(folder)
        del environ["FUNCATRON_NOTIFICATIONS"]  # nobody but Aodh tells of uploads
        yield OpenStack(folder, environ)
        pids = [int(file.read_text().split()[0]) for file in (folder / "pids").iterdir()]
    finally:
        down = mini("down", folder, "--delete")
    assert down.returncode == 0, down.stderr
    assert len(pids) == 11
    assert [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()] == []


def test_an_alarm_calls_and_the_object_is_asked_for(
    stack: OpenStack, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    swift, port = stack.swift(), free_port()
    alarm_of_uploads(swift, "photos", f"http://aodh:{TOKEN}@127.0.0.1:{port}/_funcatron/events")
    swift.put("photos")
    triggers = {"uploads.note": [{"container": "photos", "poll": 3600}]}
    extra = {"FUNCATRON_CONTROL_TOKEN": TOKEN}
    with uploads(stack, tmp_path / "app", port, triggers, extra=extra) as app:
        # What was there when the trigger first looked is not new: so again, until one is.
        until(lambda: swift.put("photos/first") and app.seen("photos"), "the first call", pause=0.5)
        assert swift.ask("PUT", "photos/forged", b"1", anonymous=True).status_code == 401
        assert swift.ask("PUT", "photos/refused", b"1", ETag="0" * 32).status_code == 422
        swift.put(f"photos/{NAME}", b"12345")
        app.wait_for("photos", (NAME, "created"))
        swift.put(f"photos/{NAME}", b"123456")
        until(lambda: len(sizes(app)) == 2, "the second version")
        assert sizes(app) == [5, 6]
        assert {call["object"] for call in app.seen("photos")} == {"first", NAME}


def sizes(app: Uploads) -> list[int]:
    """Return the size of each version that has called."""
    return [call["size"] for call in app.seen("photos") if call["object"] == NAME]
