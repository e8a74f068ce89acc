"""What somebody says has happened to an object. Whether it did is asked of Swift: see ``watch``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Hint", "Malformed", "Verb"]

Verb: TypeAlias = Literal["put", "post", "delete", "seen", "gone"]
"""What was asked of the object; ``seen`` and ``gone``: it stands in a listing, or does so no longer."""


class Malformed(ValueError):
    """The message is no notification of any kind that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One change that may have happened, names as the client of Swift spelled them.

    ``account`` is None where the source does not know it (Ceph). ``object`` is None where objects of ``container``
    have changed that are not named (an archive that was unpacked, a form), ``container`` where it is not known either.
    ``user_id`` and ``transaction_id`` are those of the request, where the source tells them.
    """

    verb: Verb
    account: str | None = None
    container: str | None = None
    object: str | None = None
    transaction_id: str | None = None
    user_id: str | None = None

    def is_about(self, account: str, container: str) -> bool:
        """Whether this may concern a container."""
        return self.container in (container, None) and self.account in (account, None)
