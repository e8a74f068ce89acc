"""Who sends the requests: wrk where it is installed, else a small client of ours. Both keep their connections."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from tests.benchmarks.http.cases import Case
from tests.benchmarks.machine import tool_version
from tests.benchmarks.processes import BenchmarkError, answer_of, python

__all__ = ["Load", "PythonClient", "Sent", "Wrk", "best_load"]

CONNECTIONS = 16
CORE = 1  # the server has core 0


@dataclass(frozen=True, slots=True)
class Sent:
    """What a load came to: answered requests, seconds, the median and the 99th percentile of latency in ms."""

    requests: int
    seconds: float
    p50: float
    p99: float


class Load(Protocol):
    """Sends one case to a port of the loopback again and again; raises BenchmarkError if any answer is another than
    the case's kind (success or refusal).
    """

    title: str

    def send(self, case: Case, port: int, seconds: float) -> Sent:
        """Send for about ``seconds``."""


def best_load(folder: Path) -> Load:
    """Return wrk if it is installed, else our client; ``folder`` is for the files they need."""
    return Wrk(folder) if shutil.which("wrk") else PythonClient(folder)


class Wrk:
    """wrk (https://github.com/wg/wrk): written in C, it costs a server the least."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.title = f"{(tool_version('wrk') or 'wrk').partition(' [')[0]}, {CONNECTIONS} connections"

    def send(self, case: Case, port: int, seconds: float) -> Sent:
        """Send; wrk knows whole seconds only, at least one."""
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency"]
        command += ["-s", str(self._script(case)), f"http://127.0.0.1:{port}{case.path}"]
        said = answer_of(command, folder=self._folder, place=CORE).decode()
        return self._read(said, case)

    def _script(self, case: Case) -> Path:
        script = self._folder / f"{case.name}.lua"
        body = self._folder / f"{case.name}.json"
        body.write_bytes(case.payload)
        headers = "".join(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}\n" for k, v in case.headers.items())
        read = f'local file = io.open({json.dumps(str(body))}, "rb")\nwrk.body = file:read("*a")\nfile:close()\n'
        script.write_text(f'wrk.method = "{case.method}"\n{headers}{read if case.payload else ""}')
        return script

    def _read(self, said: str, case: Case) -> Sent:
        counted = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", said)
        if counted is None or "Socket errors" in said:
            raise BenchmarkError(f"wrk, {case.title}:\n{said}")
        requests = int(counted[1])
        other = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
        refused = int(other[1]) if other else 0
        if requests == 0 or refused != (requests if case.refused else 0):
            raise BenchmarkError(f"{case.title}: {refused} of {requests} answers were no success:\n{said}")
        seconds = float(counted[2]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[counted[3]]
        return Sent(requests, seconds, _latency(said, "50"), _latency(said, "99"))


def _latency(said: str, percentile: str) -> float:
    found = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s)", said)
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]] if found else float("nan")


class PythonClient:
    """``tests.benchmarks.http.client`` in a process of its own: slower than wrk, so rates say more of it than of the
    server; the server's processor time is what it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.title = f"the Python client, {CONNECTIONS} connections"

    def send(self, case: Case, port: int, seconds: float) -> Sent:
        """Send."""
        arguments = [str(port), json.dumps(asdict(case)), str(CONNECTIONS), str(seconds)]
        said = answer_of(python("tests.benchmarks.http.client", *arguments), folder=self._folder, place=CORE)
        return Sent(**json.loads(said))
