"""Serves one peer: ``python -m tests.benchmarks.http.serve MODULE:FACTORY PORT``.

Every peer has the same server (uvicorn, uvloop, httptools), no access log, and a root logger that writes nowhere: log
records are made, as a service would make them, but not written.
"""

from __future__ import annotations

import logging
import sys

import uvicorn

__all__ = ["config"]


def config(target: str, port: int = 0) -> uvicorn.Config:
    """Return the server's configuration; the application is imported and made by ``load()`` or ``run``."""
    logging.getLogger().addHandler(logging.NullHandler())
    own = logging.StreamHandler()
    own.setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").addHandler(own)  # why an application does not start
    return uvicorn.Config(
        target,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        factory=True,
        access_log=False,
        log_config=None,
    )


if __name__ == "__main__":
    uvicorn.Server(config(sys.argv[1], int(sys.argv[2]))).run()
