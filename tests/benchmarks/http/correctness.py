"""Is a peer's answer right? Asked of every peer before it is measured: no error page is ever measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

from tests.benchmarks.http.cases import CASES, PROBES, Case
from tests.benchmarks.http.peers import Peer
from tests.benchmarks.processes import BenchmarkError

__all__ = ["check_answers"]

BROKEN = Case("broken", "a response that its schema forbids", "GET", "/broken", 200)


def check_answers(peer: Peer, port: int) -> None:
    """Raise BenchmarkError naming every wrong answer of the peer that serves on this port."""
    mistakes = list(_mistakes(peer, port))
    if mistakes:
        raise BenchmarkError(f"{peer.title} answers wrongly:\n" + "\n".join(mistakes))


def _mistakes(peer: Peer, port: int) -> Iterator[str]:
    for case in _asked(peer):
        status, body = _ask(case, port)
        expected = case.expects(peer.refusal)
        said = f"{case.title}: {status} {body[:500]!r}"
        if status != expected:
            yield f"{said}, expected status {expected}"
        elif case.wrong.encode() not in body:
            yield f"{said}, expected a word about {case.wrong}"
        elif case.expected is not None and _decoded(body) != case.expected:
            yield f"{said}, expected {case.expected}"
    if peer.refusal is not None:
        status, body = _ask(BROKEN, port)
        if status != (500 if peer.checks_responses else 200):
            yield f"{BROKEN.title}: {status} {body[:500]!r}"


def _asked(peer: Peer) -> Iterator[Case]:
    yield from (CASES[name] for name in peer.cases)
    if peer.refusal is not None:
        yield from PROBES


def _ask(case: Case, port: int) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(case.method, case.path, case.payload or None, case.headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
