"""Ports for servers of the tests' own."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable

__all__ = ["free_ports"]

PORTS = range(20_000, 32_768)  # below the range from which the kernel takes the ports of outgoing connections
SIDE_BY_SIDE = 8  # processes whose ports are kept apart


def free_ports(process: int = 0) -> Callable[[], int]:
    """Return what gives, at each call, a TCP port of the loopback that is free, and that no call gave before.

    ``process`` numbers those that run side by side: none gets another's port.
    """
    given: set[int] = set()
    mine = PORTS[process % SIDE_BY_SIDE :: SIDE_BY_SIDE]

    def port() -> int:
        while True:
            number = random.choice(mine)
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
