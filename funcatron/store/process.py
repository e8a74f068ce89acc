"""Whether a process has ended, told from outside of it: for those who run on the same machine (Linux).

A process is named by the boot of its machine, its namespace of processes (containers have their own), its id, and the
moment at which it was started; no other process ever has the same.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

__all__ = ["has_ended", "this_process"]

_DEAD = frozenset("ZXx")  # ended, and not waited for yet


def this_process() -> str | None:
    """Return the name of this process, None where the system does not tell."""
    here, state = _here(os.getpid()), _state(os.getpid())
    return None if here is None or state is None else f"{here} {os.getpid()} {state[1]}"


def has_ended(name: str | None) -> bool:
    """Tell whether the process of this name has ended for certain; False where it runs, or cannot be seen from here."""
    if name is None:
        return False
    place, pid, started = name.rsplit(" ", 2)
    if place != _here(os.getpid()):
        return False
    state = _state(int(pid))
    return state is None or state[0] in _DEAD or state[1] != started


@functools.lru_cache(maxsize=1)
def _here(pid: int) -> str | None:
    """Return what processes that see each other have in common; ``pid`` is the asker, who may have been forked."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - the link's target cannot be opened
    except OSError:
        return None


def _state(pid: int) -> tuple[str, str] | None:
    """Return the state of a process and when it was started, in ticks since the boot; None where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # a name may have spaces
        return fields[0], fields[19]
    except (OSError, IndexError):
        return None
