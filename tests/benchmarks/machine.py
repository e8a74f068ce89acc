"""The machine as the benchmarks see it: cores, versions, and the processor time of processes (Linux, ``/proc``)."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = [
    "cpu_seconds",
    "described",
    "package_version",
    "package_versions",
    "pinned",
    "pss_megabytes",
    "tool_version",
    "tree",
]

TICK = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [process for child in children.read_text().split() for process in tree(int(child))]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that a process and its living descendants have used, in seconds.

    The kernel counts it in ticks of 10 ms, so measure over seconds.
    """
    return sum(_own_cpu(process) for process in tree(pid))


def _own_cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK  # utime and stime: proc(5) counts them as 14 and 15


def pss_megabytes(pid: int) -> float:
    """Return the memory of a process and its descendants in MB (10^6 bytes), what they share counted once (PSS)."""
    return sum(_own_pss(process) for process in tree(pid)) * 1024 / 1e6


def _own_pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@contextmanager
def pinned(place: int | None) -> Iterator[None]:
    """Processes started inside run on one core, the ``place``-th (modulo) this process may use; None pins nothing.

    With a single core there is nothing to keep apart, and nothing is pinned.
    """
    allowed = os.sched_getaffinity(0)
    if place is None or len(allowed) < 2:
        yield
        return
    os.sched_setaffinity(0, {sorted(allowed)[place % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def package_version(name: str) -> str | None:
    """Return the version of an installed distribution, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def package_versions(names: Iterable[str]) -> str:
    """Return names and versions in one line."""
    return ", ".join(f"{name} {package_version(name) or 'not installed'}" for name in names)


def tool_version(command: str, option: str = "--version") -> str | None:
    """Return the first line that a program says of itself, None if it is not installed."""
    if shutil.which(command) is None:
        return None
    said = subprocess.run([command, option], capture_output=True, text=True, check=False)
    return (said.stdout or said.stderr).partition("\n")[0].strip()


def described(data: Path) -> Mapping[str, str]:
    """Return what figures depend on; ``data`` is where stores and brokers write."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": f"{len(os.sched_getaffinity(0))} x {_processor()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "disk": _filesystem(data),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _filesystem(path: Path) -> str:
    """Return the kind of filesystem of a path: on tmpfs a commit costs no disk."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    above = {Path(fields[1]): fields[2] for fields in mounts}
    resolved = path.resolve()
    return next((above[folder] for folder in (resolved, *resolved.parents) if folder in above), "unknown")
