"""HTTP: funcatron beside connexion, FastAPI, Litestar, Starlette and a bare ASGI callable, by several methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks.effort import Effort
from tests.benchmarks.http import hop, hops, instructions, starting
from tests.benchmarks.http.cases import BIG, CASES, COUNTED, LOADED
from tests.benchmarks.http.goals import goals
from tests.benchmarks.http.load import PythonClient, best_load
from tests.benchmarks.http.measure import measure
from tests.benchmarks.http.peers import BARE, MANY, PEERS, Peer, installed
from tests.benchmarks.machine import package_versions, tool_version
from tests.benchmarks.report import by_case, microseconds, milliseconds, ratio, shortly, thousands
from tests.benchmarks.samples import summarise
from tests.benchmarks.section import Section, Tell

__all__ = ["compare_http"]

SERVER = ("uvicorn", "uvloop", "httptools", "starlette")
TITLES = {case.name: case.title for case in (*CASES.values(), *BIG.values())}


def compare_http(effort: Effort, folder: Path, tell: Tell) -> Iterator[Section]:
    """Yield the section of each method, then every goal with what was measured."""
    peers = installed(PEERS)
    sections = []
    for measured in (
        partial(_by_instructions, "instructions", peers, COUNTED),
        partial(_by_instructions, "many", installed(MANY), tuple(BIG)),
        partial(_starting, "start", starting.STARTS),
        partial(_starting, "import", starting.IMPORTS),
        _hops,
        partial(_by_processor_time, peers),
    ):
        section = measured(effort, folder, tell)
        sections.append(section)
        yield section
    yield goals(sections, TITLES)


def _versions(peers: Sequence[Peer]) -> dict[str, str]:
    return {peer.title: package_versions(peer.packages) for peer in peers}


def _by_processor_time(peers: Sequence[Peer], effort: Effort, folder: Path, tell: Tell) -> Section:
    load = PythonClient(folder) if effort.quick else best_load(folder)
    samples = measure(peers, load, effort, folder, tell)
    summaries = summarise(samples, BARE.title)
    versions = _versions(peers)
    method = (
        f"The server's CPU per request over that of {BARE.title}, lower is better: medians of {effort.rounds} "
        f"interleaved rounds [lowest..highest]. {package_versions(SERVER)}; one process each. Load: {load.title}, "
        f"{effort.seconds:g} s a round. Then CPU and, aside, requests per second.{_missing(peers)}"
    )
    titles = _titles(LOADED)
    tables = (by_case(summaries, titles, versions, ratio), by_case(summaries, titles, versions, microseconds))
    return Section("http", "HTTP: processor time per request", method, tables, summaries, versions)


def _by_instructions(
    key: str, peers: Sequence[Peer], cases: Sequence[str], effort: Effort, folder: Path, tell: Tell
) -> Section:
    title = "HTTP: instructions per request" + (", 500 operations" if key == "many" else "")
    if not instructions.installed():
        return Section(key, title, "Not counted: valgrind is not installed (apt install valgrind).")
    if effort.quick and BARE not in peers:
        return Section(key, title, "Not counted: five hundred operations are not quick.")
    if effort.quick:
        peers = [BARE]
    baseline = BARE.title if BARE in peers else peers[0].title
    summaries = summarise(instructions.count(peers, cases, effort.counted, folder, tell), baseline)
    method = (
        f"User-space instructions per request over those of {baseline}, lower is better (thousands of them): "
        f"{tool_version('valgrind')}, two runs of one application that differ by {effort.counted} requests, "
        f"{package_versions(SERVER)} over a transport without sockets.{_missing(peers)}"
    )
    versions = _versions(peers)
    return Section(key, title, method, (by_case(summaries, _titles(cases), versions, thousands),), summaries, versions)


def _starting(key: str, subjects: Mapping[str, str], effort: Effort, folder: Path, tell: Tell) -> Section:
    title = "HTTP: start with 500 operations" if key == "start" else "HTTP: import"
    samples = starting.measure(key, subjects, effort, folder, tell)
    summaries = summarise(samples, starting.BASELINES[key])
    method = (
        f"Processor time of a process of its own, over that of {starting.BASELINES[key]}, lower is better: medians of "
        f"{summaries[0].rounds} interleaved rounds [lowest..highest]. Then milliseconds."
    )
    versions = dict.fromkeys(subjects, "")
    cases = {key: title.partition(": ")[2]}
    tables = (by_case(summaries, cases, versions, ratio), by_case(summaries, cases, versions, milliseconds))
    return Section(key, title, method, tables, summaries, versions)


def _hops(effort: Effort, folder: Path, tell: Tell) -> Section:
    summaries = summarise(hops.measure(effort, folder, tell), hops.BASELINE)
    method = (
        "Microseconds of wall time from an event loop (uvloop) to a thread that does nothing, and back, nobody else "
        f"waiting for one: the quickest batch of {hop.BATCH} in {effort.rounds} interleaved rounds of "
        f"{effort.seconds:g} s; and that over anyio's, lower is better."
    )
    versions = {title: package_versions(("anyio",)) if title == hops.BASELINE else "" for title in hops.HOPS}
    cases = {"hop": "hop"}
    tables = (by_case(summaries, cases, versions, ratio), by_case(summaries, cases, versions, shortly))
    return Section("hop", "HTTP: a hop to a thread and back", method, tables, summaries, versions)


def _titles(cases: Sequence[str]) -> dict[str, str]:
    return {name: TITLES[name] for name in cases}


def _missing(peers: Sequence[Peer]) -> str:
    left = sorted({peer.title for peer in PEERS} - {peer.title for peer in installed(PEERS)})
    return f" Not installed: {', '.join(left)} (make bench installs them)." if left and peers != [BARE] else ""
