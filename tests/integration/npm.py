"""Packages of npm that tests need, fetched once and kept in the user's cache folder."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["Unreachable", "installed", "packed"]

CACHE = Path.home() / ".cache" / "funcatron-tests"


class Unreachable(Exception):
    """The package cannot be had here."""


def packed(package: str, folder: str) -> Path:
    """Return the folder with what is in a package (``@scope/name@version``) itself; raises Unreachable."""

    def make(work: Path) -> Path:
        _npm(["pack", package], work)
        (archive,) = work.glob("*.tgz")
        with tarfile.open(archive) as opened:
            opened.extractall(work, filter="data")
        return work / "package"

    return _kept(folder, make)


def installed(package: str, folder: str) -> Path:
    """Return the folder whose ``node_modules`` have a package and all that it needs; raises Unreachable.

    No script of a package is run.
    """

    def make(work: Path) -> Path:
        (work / "here").mkdir()
        _npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", ".", package], work / "here")
        return work / "here"

    return _kept(folder, make)


def _kept(folder: str, make: Callable[[Path], Path]) -> Path:
    kept = CACHE / folder
    if kept.is_dir():
        return kept
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        made = make(Path(work))
        try:
            made.rename(kept)
        except OSError:  # another test run was quicker
            if not kept.is_dir():
                raise
    return kept


def _npm(args: list[str], cwd: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unreachable("npm is not installed")
    try:
        subprocess.run([npm, *args], cwd=cwd, capture_output=True, text=True, check=True, timeout=240)
    except subprocess.TimeoutExpired:
        raise Unreachable(f"npm {' '.join(args)} took too long") from None
    except subprocess.CalledProcessError as error:
        raise Unreachable(f"npm {' '.join(args)} failed: {error.stderr[-500:]}") from None
