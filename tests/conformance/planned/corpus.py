"""Where documents under test come from: made at random, made by hypothesis, written by others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.conformance.planned.api import Api
from tests.conformance.planned.documents import api
from tests.conformance.planned.pairs import CONNEXION, CORRECTED, DOOR, UNCORRECTED, Pair
from tests.conformance.planned.real import real_apis
from tests.integration.npm import Unreachable
from tests.integration.oas_examples import fetch

__all__ = ["cases", "drawn_apis", "everything", "random_apis", "their_apis"]

AT_A_TIME = 10


def cases(start: int, source: Iterator[Api]) -> Iterator[tuple[Pair, Api, int]]:
    """Yield pairs, documents and seeds.

    Each document is for connexion's pair; of four, one is for funcatron's door, too, one for the corrected pair, and
    one for what is not corrected.
    """
    for number, made in enumerate(source, start):
        yield CONNEXION, made, number
        if number % 4 == 2:
            yield CORRECTED, made, number
        if number % 4 == 3:
            yield UNCORRECTED, UNCORRECTED.told(made), number
        if number % 4 == 0:
            yield DOOR, made, number


def everything(start: int) -> Iterator[Api]:
    """Yield documents for ever, the same for the same ``start``.

    Of five documents three are random and one is hypothesis's; the fifth is one of others', where these can be had.
    """
    ours, theirs = random_apis(start), their_apis(start)
    for made in drawn_apis(start):
        yield from (next(ours), made, next(ours), next(theirs, None) or next(ours), next(ours))


def random_apis(start: int) -> Iterator[Api]:
    """Yield random documents for ever."""
    for number in count(start):
        yield api(Random(number), f"random {number}")


def drawn_apis(start: int) -> Iterator[Api]:
    """Yield documents that hypothesis draws, for ever."""
    for number in count(start):
        yield from _drawn(number, AT_A_TIME)


def their_apis(start: int) -> Iterator[Api]:
    """Yield the documents of @readme/oas-examples again and again, with other options each time; none where absent."""
    try:
        package = fetch()
    except Unreachable as reason:
        print(f"without the documents of @readme/oas-examples: {reason}")
        return
    for number in count(start):
        yield from real_apis(package, Random(number))


def _drawn(start: int, number: int) -> list[Api]:
    found: list[Api] = []

    @seed(start)
    @settings(
        max_examples=number, database=None, phases=[Phase.generate], deadline=None, suppress_health_check=[*HealthCheck]
    )
    @given(st.randoms(use_true_random=False))
    def draw(random: Random) -> None:
        found.append(api(random, f"drawn {start}.{len(found)}"))

    draw()
    return found
