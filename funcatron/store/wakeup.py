"""Wake-ups: whoever waits for messages hears of a new one at once, in whatever process it was written.

A listener binds a datagram socket beside its lease file; whoever has committed messages sends each socket one byte.
Nothing depends on it: a byte that is lost costs one polling interval, a message is in the file or it is not.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

from funcatron.store.lease import WAKE_SUFFIX, Lease

__all__ = ["Listener", "wake"]

ROOM = 70  # bytes of the longest name of a socket
LONGEST = 104  # bytes of a socket's path that every system takes (sun_path: 108 on Linux, 104 on BSD)


class Listener:
    """The ear of one lease's owner. ``works`` is False where the system allows no such socket: then poll."""

    def __init__(self, lease: Lease) -> None:
        self._socket: socket.socket | None = None
        self._inner, self._outer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._poll = select.poll()
        for ear in (self._inner, self._outer):
            ear.setblocking(False)
        self._poll.register(self._inner, select.POLLIN)
        self._bind(lease)

    @property
    def works(self) -> bool:
        """Whether other processes can wake this one."""
        return self._socket is not None

    def wait(self, seconds: float) -> bool:
        """Wait until someone calls, at most ``seconds``; True if someone did. All calls so far are taken together."""
        ready = self._poll.poll(max(0.0, seconds) * 1000.0)
        for ear in (self._socket, self._inner):
            if ready and ear is not None:
                with contextlib.suppress(BlockingIOError):
                    while ear.recv(1):
                        pass
        return bool(ready)

    def nudge(self) -> None:
        """Wake this listener from another thread of its own process."""
        with contextlib.suppress(OSError):  # full: it is about to wake anyway
            self._outer.send(b"!")

    def close(self) -> None:
        """Stop listening; the socket's file goes with the lease's."""
        for ear in (self._socket, self._inner, self._outer):
            if ear is not None:
                ear.close()

    def _bind(self, lease: Lease) -> None:
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            with _reachable(lease.folder) as folder:
                ear.bind(f"{folder}/{lease.id}{WAKE_SUFFIX}")
        except OSError:
            ear.close()
            return
        ear.setblocking(False)
        self._poll.register(ear, select.POLLIN)
        self._socket = ear


def wake(folder: Path) -> None:
    """Wake every listener whose lease is in ``folder``: to be called after the commit of new messages."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.endswith(WAKE_SUFFIX)]
    except OSError:
        return
    if not names:
        return
    with _reachable(folder) as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as caller:
        caller.setblocking(False)
        for name in names:
            with contextlib.suppress(OSError):  # dead (refused), gone, or already full of calls
                caller.sendto(b"!", f"{place}/{name}")


@contextlib.contextmanager
def _reachable(folder: Path) -> Iterator[str]:
    """Yield a name of the folder that leaves a socket's path room for a lease's id."""
    if len(os.fsencode(folder)) + ROOM <= LONGEST:
        yield str(folder)
        return
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)
