from __future__ import annotations

import copy
import pickle
from http import HTTPStatus

import pytest

from funcatron.errors import (
    FuncatronError,
    InvalidInput,
    Mistake,
    Problem,
    Retry,
    SettingsError,
    SpecError,
    TimeLimitExceeded,
    TransitionError,
    Unavailable,
    UnknownFunction,
    Violation,
    phrase,
)


@pytest.mark.parametrize(
    "cls", [SpecError, SettingsError, UnknownFunction, TransitionError, TimeLimitExceeded, Unavailable]
)
def test_what_operators_must_mend_is_one_branch_and_refusals_another(cls: type[Exception]) -> None:
    assert issubclass(cls, FuncatronError)
    assert not issubclass(cls, Problem)
    assert not issubclass(Problem, FuncatronError)
    assert not issubclass(Retry, (FuncatronError, Problem))
    assert issubclass(InvalidInput, Problem)


def test_the_docstring_is_the_default_message() -> None:
    assert str(UnknownFunction()) == "No function has this name."
    assert str(UnknownFunction("x")) == "x"

    class Undocumented(FuncatronError):
        pass

    Undocumented.__doc__ = None
    assert str(Undocumented()) == ""


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (Mistake("a.yaml", 3, "/paths/~1x", "no"), "a.yaml:3 #/paths/~1x: no"),
        (Mistake("a.yaml", None, "", "no"), "a.yaml: no"),
        (Mistake("", None, "/x", "no"), "#/x: no"),
        (Mistake("", None, "", "no"), "no"),
    ],
)
def test_a_mistake_says_where(mistake: Mistake, text: str) -> None:
    assert str(mistake) == text


def test_a_spec_error_lists_every_mistake_once_in_the_order_of_the_files() -> None:
    late = Mistake("a.yaml", 10, "/b", "second")
    early = Mistake("a.yaml", 9, "/z", "first")
    nowhere = Mistake("a.yaml", None, "/x", "placeless")
    error = SpecError([late, early, late, nowhere])
    assert error.mistakes == (nowhere, early, late)
    assert str(error).splitlines() == ["3 mistakes", *(f"  {m}" for m in (nowhere, early, late))]
    assert str(SpecError([late])).startswith("1 mistake\n")


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    problem = Problem(
        409, "Taken", "name is taken", type="https://example.com/taken", headers={"X-A": "1"}, name="a", instance="/x/1"
    )
    assert problem.to_json() == {
        "name": "a",
        "instance": "/x/1",
        "type": "https://example.com/taken",
        "title": "Taken",
        "status": 409,
        "detail": "name is taken",
    }
    assert str(problem) == "409 Taken: name is taken"
    assert problem.headers == {"X-A": "1"}


def test_the_title_of_a_problem_defaults_to_the_phrase_of_its_status() -> None:
    assert Problem(HTTPStatus.NOT_FOUND).to_json() == {"type": "about:blank", "title": "Not Found", "status": 404}
    assert Problem(499).title == "Status 499"
    assert phrase(418) == "I'm a Teapot"


@pytest.mark.parametrize("status", [0, 200, 302, 399, 600, 1000])
def test_a_problem_must_refuse(status: int) -> None:
    with pytest.raises(ValueError, match=f"400 to 599, not {status}"):
        Problem(status)


def test_what_a_problem_is_given_becomes_text() -> None:
    problem = Problem(503, detail=KeyError("x"), headers={"Retry-After": 5})  # type: ignore[arg-type, dict-item]
    assert problem.detail == "'x'"
    assert problem.headers == {"Retry-After": "5"}


def test_invalid_input_names_every_violation_and_tells_the_first_three() -> None:
    violations = [Violation(f"/query/{n}", "is required") for n in "abcde"]
    error = InvalidInput(violations)
    assert error.status == 400
    assert error.detail == "/query/a: is required; /query/b: is required; /query/c: is required; and 2 more"
    assert error.to_json()["errors"] == [{"pointer": v.pointer, "message": v.message} for v in violations]
    assert InvalidInput(violations[:1]).detail == "/query/a: is required"


def test_retry_knows_when() -> None:
    assert Retry(after=5).after == 5.0
    assert Retry(after="2.5").after == 2.5  # type: ignore[arg-type]
    assert Retry("busy").after is None
    assert str(Retry()) == "try again later"
    assert str(Retry("busy")) == "busy"
    for after in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match="number of seconds"):
            Retry(after=after)


def test_unavailable_says_when_to_try_again() -> None:
    assert Unavailable().retry_after == 1.0
    assert Unavailable("gone", retry_after=3).retry_after == 3


class Refined(Problem):
    def __init__(self, name: str) -> None:
        super().__init__(404, detail=f"no {name}", name=name)


ERRORS = [
    Problem(409, "Taken", "why", headers={"X-A": "1"}, extra=[1]),
    InvalidInput([Violation("/body", "is required")]),
    Refined("dog"),
    Retry("busy", after=3),
    Unavailable("gone", retry_after=7),
    SpecError([Mistake("a", 1, "/x", "no")]),
    UnknownFunction("x"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_errors_survive_the_way_from_another_process(error: Exception, again: object) -> None:
    other = again(error)  # type: ignore[operator]
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert vars(other) == vars(error)
