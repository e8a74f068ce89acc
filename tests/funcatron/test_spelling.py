"""What was meant by a name that nobody knows."""

import pytest

from funcatron.spelling import did_you_mean, nearest


@pytest.mark.parametrize(("name", "meant"), [("prot", "port"), ("worker", "workers"), ("zzz", None), ("", None)])
def test_the_nearest_name(name: str, meant: str | None) -> None:
    assert nearest(name, ["host", "port", "workers"]) == meant


def test_how_much_alike_names_must_be_can_be_said() -> None:
    assert nearest("prot", ["port"], 0.9) is None


def test_it_ends_a_message() -> None:
    assert did_you_mean("prot", ["port"]) == "; did you mean 'port'?"
    assert did_you_mean("zzz", ["port"]) == ""
