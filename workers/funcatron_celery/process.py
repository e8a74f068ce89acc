"""One child process of the supervisor: forked, watched, told to stop, and never left behind.

A child stands in a process group of its own, so that Ctrl-C in a terminal reaches the supervisor alone and a kill of
the group takes along what a handler started. On Linux the kernel kills it when the supervisor dies
(``PR_SET_PDEATHSIG``); elsewhere a thread waits for the end of the supervisor's pipe.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import logging
import mmap
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from funcatron.errors import FuncatronError, SettingsError

__all__ = ["Child", "ChildProcess", "Role"]

logger = logging.getLogger("funcatron.supervisor")

CONFIGURATION = 78
"""The exit code (EX_CONFIG of sysexits.h) of a child that can never work: starting it again is of no use."""

_PR_SET_PDEATHSIG = 1
_STOPPING = {signal.SIGTERM, signal.SIGINT}
_DEADLINE = struct.Struct("d")
_NAME = struct.Struct("255p")  # a string and its length


class Child:
    """What a role is given: the line to its supervisor."""

    def __init__(self, name: str, ready: int, line: mmap.mmap) -> None:
        self.name = name
        self._ready: int | None = ready
        self._line = line

    def ready(self) -> None:
        """Say that this child serves now."""
        ready, self._ready = self._ready, None
        if ready is not None:
            os.write(ready, b"r")
            os.close(ready)

    def must_end(self, at: float | None) -> None:
        """Say when (``time.monotonic()``) what runs now must have ended, None when nothing runs.

        A child that is still at it after that is killed, because nothing else stops it.
        """
        _DEADLINE.pack_into(self._line, 0, at or 0.0)

    def known_as(self, worker: str) -> None:
        """Say by what id this child is known in the records of what it runs."""
        _NAME.pack_into(self._line, _DEADLINE.size, worker.encode())


@dataclass(frozen=True, slots=True)
class Role:
    """What a child does: ``main`` serves until SIGTERM and returns; ``name`` is for logs and people."""

    name: str
    main: Callable[[Child], None]


class ChildProcess:
    """The supervisor's side of one child: at most one process at a time."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.pid: int | None = None
        self.ready = False
        self.pipe: int | None = None
        self._line = mmap.mmap(-1, _DEADLINE.size + _NAME.size)

    def start(self, lifeline: tuple[int, int]) -> None:
        """Fork. ``lifeline`` is a pipe whose write end only the supervisor keeps."""
        _DEADLINE.pack_into(self._line, 0, 0.0)
        _NAME.pack_into(self._line, _DEADLINE.size, b"")
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        supervisor = os.getpid()
        held = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)  # until the child has handlers of its own
        pid = os.fork()
        if pid == 0:
            os.close(read)
            os.close(lifeline[1])
            _live(self.role, Child(self.role.name, write, self._line), supervisor, lifeline[0])
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        os.close(write)
        with contextlib.suppress(OSError):  # the child does it too; whoever is first
            os.setpgid(pid, pid)
        self.pid, self.pipe, self.ready = pid, read, False
        logger.debug("%s is process %d", self.role.name, pid)

    def hear(self) -> None:
        """Read the pipe, which has something to say: ready, or (closed without a word) dead."""
        if self.pipe is not None:
            self.ready = os.read(self.pipe, 1) == b"r" or self.ready
            self.close()

    def close(self) -> None:
        """Close the pipe."""
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None

    @property
    def worker(self) -> str | None:
        """The id that the child is known as, if it has said so."""
        (name,) = _NAME.unpack_from(self._line, _DEADLINE.size)
        return name.decode(errors="replace") or None

    def overdue(self, grace: float) -> bool:
        """Whether what it runs should have ended more than ``grace`` seconds ago."""
        (deadline,) = _DEADLINE.unpack_from(self._line, 0)
        return bool(deadline) and time.monotonic() > deadline + grace

    def ended(self) -> int | None:
        """Return the exit code (negative: the signal that ended it) if it has ended since, else None."""
        if self.pid is None:
            return None
        try:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self.kill()  # what it started and left behind; while it is not reaped its group's id is nobody else's
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:  # whoever embeds us reaped it
            status = 0
        self.pid = None
        self.close()
        return os.waitstatus_to_exitcode(status)

    def terminate(self) -> None:
        """Ask it to finish (SIGTERM)."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def dump(self) -> None:
        """Make it write the traceback of all its threads to stderr, wherever it is stuck."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR2)

    def kill(self) -> None:
        """End it and all its descendants of the same group (SIGKILL)."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


def _live(role: Role, child: Child, supervisor: int, lifeline: int) -> None:
    """The child's whole life, from fork to exit."""
    code = 1
    try:
        _settle(supervisor, lifeline)
        role.main(child)
        code = 0
    except SettingsError as error:
        logger.error("%s: %s", role.name, error)
        code = CONFIGURATION
    except FuncatronError as error:
        logger.error("%s: %s", role.name, error)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        logger.exception("%s failed", role.name)
    finally:
        _leave(code)


def _settle(supervisor: int, lifeline: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
    else:
        threading.Thread(target=_follow, args=(lifeline,), name="lifeline", daemon=True).start()


def _follow(lifeline: int) -> None:
    os.read(lifeline, 1)  # returns when the supervisor's end is closed: it is dead
    os.killpg(0, signal.SIGKILL)


def _leave(code: int) -> None:
    """Exit without running what the supervisor registered for its own exit, but with output flushed."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    logging.shutdown()
    os._exit(code)
