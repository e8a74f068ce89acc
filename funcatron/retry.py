"""When a failed attempt is run again: exponential backoff with full jitter.

Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015 ("full jitter").
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

__all__ = ["RetryPolicy"]


class RetryPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often and how soon.

    ``attempts`` counts the first run; ``backoff`` and ``max_backoff`` are seconds; with ``jitter`` the delay is drawn
    evenly between 0 and the backoff.
    """

    attempts: int = 5
    backoff: float = 1.0
    max_backoff: float = 300.0
    jitter: bool = True

    def delay(
        self, attempt: int, *, after: float | None = None, uniform: Callable[[float, float], float] = random.uniform
    ) -> float | None:
        """Return the seconds to wait after attempt number ``attempt`` failed, or None to give up.

        ``after`` is what the failure itself asked for (``Retry(after=)``, a Retry-After header): it is honoured as
        it is.
        """
        if attempt >= self.attempts:
            return None
        if after is not None:
            return max(0.0, after)
        ceiling = min(self.max_backoff, self.backoff * 2.0 ** min(attempt - 1, 64))
        return uniform(0.0, ceiling) if self.jitter else ceiling
