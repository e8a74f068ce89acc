"""The HTTP benchmark measures right answers only, with either load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from tests.benchmarks.http.cases import CASES
from tests.benchmarks.http.correctness import check_answers
from tests.benchmarks.http.load import Load, PythonClient, Wrk, best_load
from tests.benchmarks.http.measure import Served, serving
from tests.benchmarks.http.peers import BARE
from tests.benchmarks.processes import BenchmarkError

REFUSED, GET = CASES["refused"], CASES["get"]


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Served]:
    with serving([BARE], tmp_path, pin=True) as (served,):
        yield served


@pytest.fixture(params=["wrk", "python"])
def load(request: pytest.FixtureRequest, tmp_path: Path, required_in_ci: Callable[[str], NoReturn]) -> Load:
    if request.param == "python":
        return PythonClient(tmp_path)
    if not isinstance(best_load(tmp_path), Wrk):
        required_in_ci("wrk is not installed")
    return Wrk(tmp_path)


def test_a_peer_that_validates_nothing_does_not_pass_for_one_that_does(bare: Served) -> None:
    with pytest.raises(BenchmarkError, match="answers wrongly") as error:
        check_answers(replace(BARE, refusal=400, cases=("refused",), checks_responses=True), bare.port)
    assert "POST, invalid: 201" in str(error.value)
    assert "a response that its schema forbids" in str(error.value)


def test_a_wrong_answer_is_found(bare: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    check_answers(BARE, bare.port)
    monkeypatch.setitem(CASES, "get", replace(GET, expected={"message": "hello Ann", "n": 7}))
    with pytest.raises(BenchmarkError, match=r"hello Bob.*expected.*hello Ann"):
        check_answers(BARE, bare.port)


def test_a_load_counts_what_was_answered(bare: Served, load: Load) -> None:
    for name in BARE.cases:
        sent = load.send(CASES[name], bare.port, 0.1)
        assert sent.requests > 0
        assert 0.0 < sent.p50 <= sent.p99


def test_a_load_does_not_count_error_pages(bare: Served, load: Load) -> None:
    with pytest.raises(BenchmarkError, match=r"status 201|0 of [0-9]+ answers were no success"):
        load.send(REFUSED, bare.port, 0.1)
    with pytest.raises(BenchmarkError, match=r"status 500|([1-9][0-9]*) of \1 answers were no success"):
        load.send(replace(GET, path="/hello/Bob?n=x"), bare.port, 0.1)


def test_a_peer_that_ends_is_told_with_its_reason(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchmarkError, match="has ended") as error,
        serving([replace(BARE, factory="bare:missing")], tmp_path, pin=False),
    ):
        pass
    assert "missing" in "".join(error.value.__notes__)
