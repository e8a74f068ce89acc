"""What every test of the workers begins and ends with: what Celery knows of a worker, as in a process without one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery.worker import state


def forget() -> None:
    state.should_stop = state.should_terminate = None
    state.reset_state()


@pytest.fixture(autouse=True)
def _workers_state() -> Iterator[None]:
    """Celery keeps it by the process: another test's worker may have left its own.

    So a worker that serves more than one test forgets its tasks: each test waits for the ends of those it began.
    """
    forget()
    yield
    forget()
