"""Whether the server that runs the application is to stop: what only waits then ends at once.

ASGI tells an application that its server stops only when all answers are complete, and an answer that follows an
execution is complete when that has ended. uvicorn knows more: the method that it has for SIGTERM is its server's, which
says ``should_exit`` for whatever reason. A server that runs in a thread, and any other one, is not known.
"""

from __future__ import annotations

import signal

__all__ = ["is_stopping"]


def is_stopping() -> bool:
    """Return True once the server of this process was asked to stop, False where that is not known."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", None) is True
