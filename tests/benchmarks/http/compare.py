"""HTTP: funcatron beside connexion, FastAPI and a bare ASGI callable, by two methods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.effort import Effort
from tests.benchmarks.http import instructions
from tests.benchmarks.http.cases import CASES
from tests.benchmarks.http.load import PythonClient, best_load
from tests.benchmarks.http.measure import measure
from tests.benchmarks.http.peers import PEERS
from tests.benchmarks.machine import package_versions, tool_version
from tests.benchmarks.report import by_case, microseconds, ratio, thousands
from tests.benchmarks.samples import summarise
from tests.benchmarks.section import Section, Tell

__all__ = ["compare_http"]

SERVER = ("uvicorn", "uvloop", "httptools", "starlette")
TITLES = {case.name: case.title for case in CASES.values()}
VERSIONS = {peer.title: package_versions(peer.packages) for peer in PEERS}
BASELINE = PEERS[0].title


def compare_http(effort: Effort, folder: Path, tell: Tell) -> Iterator[Section]:
    """Yield the section of each method."""
    yield _by_processor_time(effort, folder, tell)
    yield _by_instructions(effort, folder, tell)


def _by_processor_time(effort: Effort, folder: Path, tell: Tell) -> Section:
    load = PythonClient(folder) if effort.quick else best_load(folder)
    samples = measure(PEERS, load, effort, folder, tell)
    summaries = summarise(samples, BASELINE)
    method = (
        f"The server's CPU per request over that of {BASELINE}, lower is better: medians of {effort.rounds} "
        f"interleaved rounds [lowest..highest]. {package_versions(SERVER)}; one process each. Load: {load.title}, "
        f"{effort.seconds:g} s a round. Then CPU and, aside, requests per second."
    )
    tables = (by_case(summaries, TITLES, VERSIONS, ratio), by_case(summaries, TITLES, VERSIONS, microseconds))
    return Section("http", "HTTP: processor time per request", method, tables, summaries, VERSIONS)


def _by_instructions(effort: Effort, folder: Path, tell: Tell) -> Section:
    title = "HTTP: instructions per request"
    if not instructions.installed():
        return Section("instructions", title, "Not counted: valgrind is not installed (apt install valgrind).")
    peers = PEERS[-1:] if effort.quick else PEERS
    summaries = summarise(instructions.count(peers, effort.counted, folder, tell), peers[0].title)
    cases = {name: TITLES[name] for name in instructions.COUNTED}
    versions = {peer.title: VERSIONS[peer.title] for peer in peers}
    method = (
        f"User-space instructions per request over those of {peers[0].title}, lower is better (thousands of them): "
        f"{tool_version('valgrind')}, two runs of one application that differ by {effort.counted} requests, "
        f"{package_versions(SERVER)} over a transport without sockets."
    )
    return Section(
        "instructions", title, method, (by_case(summaries, cases, versions, thousands),), summaries, versions
    )
