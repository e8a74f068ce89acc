"""What every test may ask for: ports, services that CI must have, and the command line as a subprocess."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable
from typing import NoReturn

import pytest

PORTS = range(20_000, 32_768)  # below the range from which the kernel takes the ports of outgoing connections


@pytest.fixture(scope="session")
def required_in_ci() -> Callable[[str], NoReturn]:
    """Return ``required_in_ci(reason)``: skips at a desk, fails in CI (where the variable CI is set)."""

    def missing(reason: str) -> NoReturn:
        if os.environ.get("CI"):
            pytest.fail(f"{reason} (required in CI)", pytrace=False)
        pytest.skip(reason)

    return missing


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return ``free_port()``: each call gives a TCP port of the loopback that is free, and that no call gave before."""
    given: set[int] = set()

    def port() -> int:
        while True:
            number = random.choice(PORTS)
            if number not in given and _is_free(number):
                given.add(number)
                return number

    return port


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
