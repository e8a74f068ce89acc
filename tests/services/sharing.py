"""One service for all processes that run tests side by side: the first that asks starts it, and ends it when all are
done. It takes seconds of a processor to start some.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["common_folder", "shared"]


def common_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder of all processes that run these tests."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def shared(place: Path, started: AbstractContextManager[Any]) -> Iterator[Any]:
    """Give what ``started`` gives (as JSON has it) to all processes that name the same ``place``, a folder.

    The first of them enters it, and leaves it once the others are done; who comes later starts anew.
    """
    place.mkdir(exist_ok=True)
    note = place / "note"
    with ExitStack() as stack:
        with _locked(place / "lock", fcntl.LOCK_EX):
            if note.exists():
                users, given = json.loads(note.read_text())
                stack.enter_context(_locked(Path(users), fcntl.LOCK_SH))
            else:
                given = stack.enter_context(started)
                users = str(place / f"users-of-{os.getpid()}")
                note.write_text(json.dumps([users, given]))
                stack.callback(_withdraw, place, Path(users))
        yield given


def _withdraw(place: Path, users: Path) -> None:
    """Let nobody come any more, then wait for those who are there. The kernel lets go for whoever has crashed."""
    with _locked(place / "lock", fcntl.LOCK_EX):
        (place / "note").unlink()
    with _locked(users, fcntl.LOCK_EX):
        users.unlink()


@contextmanager
def _locked(file: Path, kind: int) -> Iterator[None]:
    with file.open("ab") as opened:
        fcntl.flock(opened, kind)
        yield
