"""funcatron.garbage: the collector rests while much is made, and comes back."""

from __future__ import annotations

import gc

import pytest

from funcatron.garbage import collected_later


def test_the_collector_rests_and_comes_back() -> None:
    with collected_later():
        assert not gc.isenabled()
        with collected_later():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_comes_back_after_an_error() -> None:
    with pytest.raises(KeyError), collected_later():
        raise KeyError
    assert gc.isenabled()


def test_who_does_without_it_goes_on_without_it() -> None:
    gc.disable()
    try:
        with collected_later():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
