"""The programs of the stack: environments with the OpenStack packages, shared by all stacks of a user."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from mini_openstack.errors import MiniError
from mini_openstack.layout import CACHE

__all__ = ["RABBITMQ", "REQUIREMENTS", "Programs", "missing"]

REQUIREMENTS = (
    "swift>=2.38,<3",
    "keystone>=30,<31",
    "keystonemiddleware",
    "ceilometermiddleware>=3.13",
    "openstacksdk>=4",
    "kombu",
    "waitress",
)
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The server itself: /usr/sbin has a wrapper that changes the user."""


def missing() -> list[str]:
    """Return what the system lacks, each with the way to get it."""
    lacks = []
    if not RABBITMQ.exists():
        lacks.append("rabbitmq-server (apt-get install --no-install-recommends rabbitmq-server)")
    if shutil.which("epmd") is None:
        lacks.append("epmd (it comes with rabbitmq-server's erlang-base)")
    return lacks


class Programs:
    """An environment with programs of OpenStack, made on first use; ``what`` they are is told to who waits for it."""

    def __init__(
        self, requirements: Sequence[str] = REQUIREMENTS, *, what: str = "Swift, Keystone and their middleware"
    ) -> None:
        self._requirements = requirements
        self._what = what
        wanted = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()[:12]
        self.folder = CACHE / f"programs-{wanted}"
        self.python = self.folder / "bin" / "python"
        self._done = self.folder / "complete"

    def path(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.folder / "bin" / name)

    def ready(self) -> bool:
        """Whether everything is installed."""
        return self._done.exists()

    def install(self, say: Callable[[str], None]) -> None:
        """Install what is missing. Raises MiniError with pip's own words."""
        if self.ready():
            return
        say(f"installing {self._what} into {self.folder} (once, a minute or two)")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        venv.create(self.folder, with_pip=True, clear=True)
        pip = [str(self.python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-compile"]
        done = subprocess.run([*pip, *self._requirements], capture_output=True, text=True, check=False)
        if done.returncode:
            raise MiniError(f"pip could not install {', '.join(self._requirements)}:\n{done.stderr.strip()}")
        self._done.touch()
