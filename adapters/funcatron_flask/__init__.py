"""Flask applications as functions, and functions inside Flask applications.

``from_flask(app)`` is a Funcatron whose functions are the application's views; ``FuncatronFlask(app, "openapi.yaml")``
adds a document's functions to an application that stays the outer one.
"""

from __future__ import annotations

from funcatron.extras import needs

with needs("flask"):
    from funcatron_flask.adaptation import from_flask
    from funcatron_flask.extension import FuncatronFlask

__all__ = ["FuncatronFlask", "from_flask"]
