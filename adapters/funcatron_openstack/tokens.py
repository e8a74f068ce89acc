"""Tokens: whether one is valid, asked of Keystone once and kept for a while.

A token is kept by its SHA-256 digest, never itself. What Keystone said of a valid one is kept for ``keep`` seconds, so
that is how long a revoked token may go on; that one is not valid for a sixth of it, ten seconds at most. Requests with
the same token at the same time share one question. While Keystone is out of reach nobody waits for it in line: after a
failure one question a second is tried, and all others are refused at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeAlias

from funcatron.errors import Unavailable

__all__ = ["Ask", "TokenValidator"]

TokenBody: TypeAlias = Mapping[str, Any]
Ask: TypeAlias = Callable[[str], TokenBody | None]
"""Asks Keystone: the token's body (the object ``token``), or None where it is not valid; raises Unavailable. Blocks."""

LONGEST = 8192
"""Characters of a token; a Fernet token has some 250, a JWS token less than 2,000."""
THREADS = 8
MOST_ASKED = 1000
"""Tokens that may wait for Keystone's answer at a time."""
PAUSE = 1.0
"""Seconds between two questions while Keystone is out of reach."""


class TokenValidator:
    """Answers for any number of event loops and threads of one process.

    ``keep`` and ``patience`` are in seconds; at most ``most`` tokens are kept, those longest unused go first.
    """

    def __init__(self, ask: Ask, *, keep: float, patience: float = 10.0, most: int = 10_000) -> None:
        self._ask = ask
        self._keep = keep
        self._keep_refused = min(10.0, keep / 6)
        self._patience = patience
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[float, TokenBody | None]] = OrderedDict()
        self._asked: dict[bytes, Future[TokenBody | None]] = {}
        self._away_until = 0.0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="keystone")

    async def validate(self, token: str) -> TokenBody | None:
        """Return what Keystone says of a token, None where it is not valid; raises Unavailable.

        Never blocks the event loop.
        """
        if not 0 < len(token) <= LONGEST or not token.isascii() or not token.isprintable() or " " in token:
            return None  # no token looks so: Keystone is not bothered
        digest = sha256(token.encode()).digest()
        with self._lock:
            until, body = self._known.get(digest, (0.0, None))
            if time.monotonic() < until:
                self._known.move_to_end(digest)
                return body
            asked = self._asked.get(digest) or self._submit(digest, token)
        answer = asyncio.wrap_future(asked)
        answer.add_done_callback(_seen)
        done, _ = await asyncio.wait({answer}, timeout=self._patience)  # others wait for it too: it is not cancelled
        if not done:
            raise Unavailable("Keystone does not answer", retry_after=PAUSE)
        return answer.result()

    def _submit(self, digest: bytes, token: str) -> Future[TokenBody | None]:
        now = time.monotonic()
        if now < self._away_until or len(self._asked) >= MOST_ASKED:
            raise Unavailable("Keystone does not answer", retry_after=PAUSE)
        if self._away_until:
            self._away_until = now + PAUSE  # this one tries, the others do not
        asked = self._asked[digest] = self._threads.submit(self._answer, digest, token, now + self._patience)
        return asked

    def _answer(self, digest: bytes, token: str, until: float) -> TokenBody | None:
        """Ask, and keep the answer (in a thread); after ``until`` nobody waits for it any more."""
        try:
            if time.monotonic() > until:
                raise Unavailable("Keystone does not answer", retry_after=PAUSE)
            body = self._ask(token)
        except Unavailable:
            with self._lock:
                self._away_until = time.monotonic() + PAUSE
                del self._asked[digest]
            raise
        except BaseException:
            with self._lock:
                del self._asked[digest]
            raise
        with self._lock:
            self._away_until = 0.0
            del self._asked[digest]
            self._known[digest] = time.monotonic() + self._seconds(body), body
            self._known.move_to_end(digest)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return body

    def _seconds(self, body: TokenBody | None) -> float:
        """Return how long an answer is good: never longer than the token itself."""
        if body is None:
            return self._keep_refused
        try:
            left = datetime.fromisoformat(body["expires_at"]).timestamp() - time.time()
        except (KeyError, TypeError, ValueError):  # Keystone always says
            return 0.0
        return max(0.0, min(self._keep, left))


def _seen(answer: asyncio.Future[Any]) -> None:
    """Have asyncio not complain of an error that nobody waited for any more."""
    if not answer.cancelled():
        answer.exception()
