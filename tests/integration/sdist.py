"""Source distributions of PyPI: fetched by ``pip download`` once, and kept in the user's cache folder."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.integration.npm import Unreachable

__all__ = ["unpacked"]


def unpacked(name: str, version: str, part: str = ".") -> Path:
    """Return the folder of a distribution's ``part``, fetched if it is not in the cache. Raises Unreachable with the
    reason.
    """
    cache = Path.home() / ".cache" / "funcatron-tests"
    folder = cache / f"{name}-{version}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _fetch(name, version, Path(work))
            (made,) = (Path(work) / "all").iterdir()
            try:
                made.rename(folder)
            except OSError:  # another test run was quicker
                if not folder.is_dir():
                    raise
    return folder / part


def _fetch(name: str, version: str, work: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command += ["--no-deps", "--no-binary=:all:", "--no-build-isolation", f"{name}=={version}"]
    try:
        subprocess.run(command, cwd=work, capture_output=True, check=True, timeout=180)
    except subprocess.TimeoutExpired:
        raise Unreachable(f"pip download {name} took too long") from None
    except subprocess.CalledProcessError as error:
        raise Unreachable(f"pip download {name} failed: {error.stderr[-500:].decode()}") from None
    (archive,) = work.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(work / "all", filter="data")
