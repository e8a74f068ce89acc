"""A private OpenStack: Keystone, Swift and their notifications, as devstack/mini starts them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pytest

from tests.services.sharing import common_folder, shared

__all__ = ["OpenStack", "Swift", "mini", "openstack"]

MINI = Path(__file__).parents[2] / "devstack" / "mini"
CACHE = os.environ.get("XDG_CACHE_HOME")
"""The user's own: what it takes a minute to install is there. Tests get another, see ``cache_folder``."""
LACKING = 3


@dataclass(frozen=True)
class OpenStack:
    """A running stack; ``environ`` is that of a client of the cloud ``demo``."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def notifications(self) -> str:
        """The URL of the bus."""
        return self.environ["FUNCATRON_NOTIFICATIONS"]

    @property
    def clouds(self) -> dict[str, Any]:
        """The entries of clouds.yaml."""
        found: dict[str, Any] = json.loads(Path(self.environ["OS_CLIENT_CONFIG_FILE"]).read_text())["clouds"]
        return found

    def swift(self, cloud: str = "demo") -> Swift:
        """Return a client of a cloud's object store."""
        return Swift(self, cloud)


class Swift:
    """A client of Swift that says no more than it is told to, and raises nothing for an answer. One thread each."""

    def __init__(self, stack: OpenStack, cloud: str) -> None:
        self._stack = stack
        self.cloud = cloud

    @cached_property
    def session(self) -> Any:
        """keystoneauth's session."""
        from keystoneauth1.identity import v3
        from keystoneauth1.session import Session

        return Session(v3.Password(**self._stack.clouds[self.cloud]["auth"]))

    @cached_property
    def url(self) -> str:
        """The storage URL."""
        return str(self.session.get_endpoint(service_type="object-store", interface="public"))

    @property
    def account(self) -> str:
        """The account's name."""
        return self.url.rpartition("/")[2]

    def ask(
        self, method: str, path: str, body: Any = None, *, query: str = "", anonymous: bool = False, **headers: str
    ) -> Any:
        """Send a request about ``container/object``, as they are; a name of a header has underscores for dashes."""
        url = f"{self.url}/{quote(path)}" + (f"?{query}" if query else "")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(
            url, method, data=body, headers=given, raise_exc=False, authenticated=not anonymous, log=False
        )

    def put(self, path: str, body: Any = b"", **headers: str) -> Any:
        """Create a container, or upload an object."""
        answer = self.ask("PUT", path, body, **headers)
        assert answer.status_code in (201, 202), (answer.status_code, answer.text)
        return answer


def mini(command: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run one of devstack/mini's commands for the stack in ``folder``."""
    environ = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    if CACHE is not None:
        environ["XDG_CACHE_HOME"] = CACHE
    return subprocess.run(
        [sys.executable, str(MINI / command), "--dir", str(folder), *options],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip


def environ_of(folder: Path) -> dict[str, str]:
    """Return the environment of a client of the stack in ``folder``."""
    done = mini("env", folder)
    assert done.returncode == 0, done.stderr
    lines = [shlex.split(line.removeprefix("export "))[0] for line in done.stdout.splitlines()]
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="session")
def openstack(
    tmp_path_factory: pytest.TempPathFactory, required_in_ci: Callable[[str], NoReturn]
) -> Iterator[OpenStack]:
    """A running stack for all tests that ask, in whatever process: it is not to be broken. Skips at a desk that lacks
    what it needs, fails in CI.
    """

    @contextmanager
    def started() -> Iterator[list[Any]]:
        folder = tmp_path_factory.mktemp("openstack")
        try:
            done = mini("up", folder)
            if done.returncode == LACKING:
                required_in_ci(done.stderr.strip())
            assert done.returncode == 0, done.stderr
            yield [str(folder), environ_of(folder)]
        finally:
            mini("down", folder, "--delete")

    with shared(common_folder(tmp_path_factory) / "shared-openstack", started()) as (folder, environ):
        yield OpenStack(Path(folder), environ)
