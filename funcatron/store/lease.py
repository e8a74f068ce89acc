"""Leases: who is alive, told by the kernel.

A lease is a file under ``flock(2)``. The kernel drops the lock when its process ends, however it ends, so what a dead
owner held can be taken over at once: there is no timeout to wait for and no heartbeat to miss.

Rules:

1. An id is never used twice. So a file whose lock is free belongs to the dead for ever, and anyone may delete it.
2. A lease belongs to one process. A forked child closes its copy of the file, else the lock would outlive the owner.
3. The lock is exclusive for its owner; those who ask take it shared, so they never stand in each other's way.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import socket
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from funcatron.errors import SettingsError, StoreUnavailable

__all__ = ["Lease", "held", "is_held", "new_owner"]

WAKE_SUFFIX = ".wake"
"""What the wake-up socket of a lease's owner is named after the id (``funcatron.store.wakeup``)."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_forking = threading.Lock()


class Lease:
    """The proof that this process lives; ``id`` names it, ``folder`` is where its file stands.

    It ends with ``release``, with the object or with the process, whichever comes first.
    """

    __slots__ = ("__weakref__", "_file", "folder", "id")

    _live: weakref.WeakSet[Lease] = weakref.WeakSet()

    def __init__(self, folder: Path, lease_id: str, file: int) -> None:
        self.folder = folder
        self.id = lease_id
        self._file: int | None = file

    @classmethod
    def acquire(cls, folder: str | Path) -> Lease:
        """Take a new lease in ``folder``, which is made if it is missing.

        Raises SettingsError where the file system does not lock files, Unavailable where the folder cannot be used.
        """
        folder = Path(folder)
        with _forking:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                while True:
                    lease_id = new_owner()
                    with contextlib.suppress(FileNotFoundError):  # swept away before it was locked: make another
                        lease = cls(folder, lease_id, _locked_file(folder / lease_id))
                        break
            except OSError as error:
                raise StoreUnavailable(f"no lease can be made in {folder}: {error.strerror}") from error
            cls._live.add(lease)
        return lease

    @property
    def held(self) -> bool:
        """Whether this process still holds it: not after ``release``, in a forked child, or if the file was deleted."""
        return self._file is not None and os.fstat(self._file).st_nlink > 0

    def release(self) -> None:
        """Give the lease back; a second time does nothing."""
        file, self._file = self._file, None
        if file is not None:
            _unlink(self.folder, self.id)
            os.close(file)

    def _abandon(self) -> None:
        """Close this process's copy of a parent's lock, and leave the parent's file alone."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.release()

    def __repr__(self) -> str:
        return f"<Lease {self.id} {'held' if self.held else 'released'}>"


def new_owner() -> str:
    """Return an id for this process, ``<host>-<pid>-<random>``; each call gives another."""
    return f"{_hostname()}-{os.getpid()}-{secrets.token_hex(8)}"


def is_held(folder: str | Path, lease_id: str) -> bool:
    """Tell whether the owner of this lease lives; the files of a dead one are deleted on the way.

    False for what is no id of a lease. Raises Unavailable where the folder cannot be read.
    """
    if _ID.fullmatch(lease_id) is None:
        return False
    path = Path(folder) / lease_id
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreUnavailable(f"the lease {path} cannot be read: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        _unlink(path.parent, lease_id)
        return False
    finally:
        os.close(file)


def held(folder: str | Path) -> Iterator[str]:
    """Yield the ids of all leases in ``folder`` whose owners live; the files of the dead are deleted on the way."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names are wanted, not paths
    except FileNotFoundError:
        return
    for name in names:
        if not name.endswith(WAKE_SUFFIX) and is_held(folder, name):
            yield name


def _locked_file(path: Path) -> int:
    """Make a file and lock it. Raises FileNotFoundError where it was deleted in between."""
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # whoever asks for it this very moment holds it for microseconds
        if _excludes(path):
            return file
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            os.close(file)
            raise
    os.close(file)
    path.unlink(missing_ok=True)
    raise SettingsError(
        f"the file system of {path.parent} does not lock files (flock), so a dead worker could not be told from a "
        "living one: keep the data on a local disk (data_dir)"
    )


def _excludes(path: Path) -> bool:
    """Tell whether the lock on this file really keeps others out."""
    other = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(other)
    return False


def _unlink(folder: Path, lease_id: str) -> None:
    for name in (lease_id + WAKE_SUFFIX, lease_id):
        with contextlib.suppress(OSError):  # gone already, or the folder is read-only: it does no harm there
            (folder / name).unlink()


def _hostname() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()).strip("-.")[:32] or "localhost"


def _child() -> None:
    _forking.release()
    for lease in list(Lease._live):  # noqa: SLF001 - the class's own registry
        lease._abandon()  # noqa: SLF001
    Lease._live.clear()  # noqa: SLF001


os.register_at_fork(before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_child)
