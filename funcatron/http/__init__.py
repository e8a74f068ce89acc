"""The HTTP door: requests in, answers out, on connexion."""

import warnings

with warnings.catch_warnings():
    # While it is imported connexion uses what starlette and jsonschema deprecate: nothing that our users could mend.
    warnings.simplefilter("ignore")
    import connexion as connexion

from funcatron.http.access import refuse_public
from funcatron.http.door import build_door

__all__ = ["build_door", "refuse_public"]
