"""What Celery's worker knows of a message while it is run; ours tells of hard time limits, too."""

from __future__ import annotations

from celery.worker import request

__all__ = ["Request"]


class Request(request.Request):  # type: ignore[misc]
    """Celery's request; found by ``Task.Request``."""

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """As Celery's; at the hard limit, which its prefork pool keeps, the child that it is about to kill is noted."""
        if not soft:
            self.app.tasks_of_functions.times_out(self.id)
        super().on_timeout(soft, timeout)
