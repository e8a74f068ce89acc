"""Keystone on SQLite, served by waitress.

Its first database takes ten seconds to make, so it is kept in the cache for all stacks; what is in it of another
stack's ports is replaced.
"""

from __future__ import annotations

import getpass
import grp
import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mini_openstack.clouds import PASSWORD
from mini_openstack.errors import MiniError
from mini_openstack.layout import CACHE, Layout, Ports
from mini_openstack.packages import REQUIREMENTS, Programs
from mini_openstack.processes import Processes

__all__ = ["prepare", "seed", "start", "wait"]

FILES = Path(__file__).parent / "files"
NAME = "keystone"
PARTS = ("keystone.db", "fernet", "credential")
SEEDED_FOR = "ports"

CONFIGURATION = """\
[DEFAULT]
public_endpoint = http://127.0.0.1:{port}
[database]
connection = sqlite:///{folder}/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[identity]
password_hash_rounds = 4
[oslo_policy]
enforce_scope = true
"""


def prepare(layout: Layout, ports: Ports, programs: Programs, say: Callable[[str], None]) -> bool:
    """Make configuration and database; True where the database is new and has to be seeded once it is served."""
    folder = layout.keystone
    (folder / "keystone.conf").write_text(CONFIGURATION.format(port=ports.keystone, folder=folder))
    if (folder / "keystone.db").exists():
        return False
    if (cached := _cached()).exists():
        for part in PARTS:
            source = cached / part
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / part)
        _replace_ports(folder / "keystone.db", (cached / SEEDED_FOR).read_text().split(), ports)
        return False
    say("making Keystone's first database (once)")
    _make_database(layout, ports, programs)
    return True


def start(layout: Layout, ports: Ports, programs: Programs, processes: Processes) -> None:
    """Start the server."""
    server = [str(FILES / "keystone_server.py"), "127.0.0.1", str(ports.keystone)]
    command = [str(programs.python), "-W", "ignore", *server]
    environ = {"OS_KEYSTONE_CONFIG_DIR": str(layout.keystone), "OS_KEYSTONE_CONFIG_FILES": "keystone.conf"}
    processes.start(NAME, command, env=environ, cwd=layout.keystone)


def wait(ports: Ports, processes: Processes) -> None:
    """Wait until it answers."""
    processes.wait_for(NAME, ports.keystone)


def seed(layout: Layout, ports: Ports, programs: Programs) -> None:
    """Make users, projects and the catalogue, and keep the database for other stacks."""
    _run([str(programs.python), "-W", "ignore", str(FILES / "keystone_seed.py"), str(layout.clouds), str(ports.proxy)])
    cached = _cached()
    fresh = cached.with_name(f"{cached.name}.{os.getpid()}")
    fresh.mkdir(parents=True)
    served, kept = layout.keystone / "keystone.db", fresh / "keystone.db"
    with closing(sqlite3.connect(served)) as here, closing(sqlite3.connect(kept)) as there:
        here.backup(there)  # a copy of the file could catch it in the middle of a write
    for part in ("fernet", "credential"):
        shutil.copytree(layout.keystone / part, fresh / part)
    (fresh / SEEDED_FOR).write_text(f"{ports.keystone} {ports.proxy}")
    try:
        fresh.rename(cached)
    except OSError:  # another stack was quicker
        shutil.rmtree(fresh)


def _cached() -> Path:
    key = "\n".join((*REQUIREMENTS, CONFIGURATION, (FILES / "keystone_seed.py").read_text()))
    return CACHE / f"keystone-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _make_database(layout: Layout, ports: Ports, programs: Programs) -> None:
    manage = [programs.path("keystone-manage"), "--config-file", str(layout.keystone / "keystone.conf")]
    owner = ["--keystone-user", getpass.getuser(), "--keystone-group", grp.getgrgid(os.getgid()).gr_name]
    url = f"http://127.0.0.1:{ports.keystone}/v3"
    (layout.keystone / "fernet").mkdir(exist_ok=True)
    (layout.keystone / "credential").mkdir(exist_ok=True)
    _run([*manage, "db_sync"])
    _run([*manage, "fernet_setup", *owner])
    _run([*manage, "credential_setup", *owner])
    urls = [part for kind in ("admin", "public", "internal") for part in (f"--bootstrap-{kind}-url", url)]
    _run([*manage, "bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", "RegionOne", *urls])


def _replace_ports(database: Path, seeded_for: list[str], ports: Ports) -> None:
    here = (str(ports.keystone), str(ports.proxy))
    with closing(sqlite3.connect(database)) as connection, connection:
        for old, new in zip(seeded_for, here, strict=True):
            change = "update endpoint set url = replace(url, '127.0.0.1:' || ?, '127.0.0.1:' || ?)"
            connection.execute(change, (old + "/", f"<{new}>/"))  # marked: a new port may be another's old one
        connection.execute("update endpoint set url = replace(replace(url, '<', ''), '>', '')")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MiniError(f"{' '.join(command[:3])} ... failed:\n{done.stderr.strip() or done.stdout.strip()}")
