from __future__ import annotations

from funcatron.types import MISSING, Missing


def test_missing_is_one_value_that_is_nothing() -> None:
    assert not MISSING
    assert Missing("missing") is MISSING
    assert repr(MISSING) == "MISSING"
    assert MISSING is not None
