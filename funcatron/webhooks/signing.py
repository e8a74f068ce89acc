"""How those who post sign what they post: made for callbacks, checked for webhooks, always of the raw body.

Source: Standard Webhooks 1.0.0 (symmetric signatures, ``v1``); GitHub, "Validating webhook deliveries"
(``X-Hub-Signature-256``). Signatures are compared in constant time. A refusal names the scheme and its headers in a
challenge (RFC 9110 section 11.6.1): HTTP has no registered name for either, so the names are ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from funcatron.errors import Problem, SettingsError

__all__ = ["SCHEMES", "GitHub", "Scheme", "Standard", "Unsigned", "key_of", "sign"]

TOLERANCE = 300
"""Seconds that the time of a signature may differ from ours, either way; what Standard Webhooks' own libraries take."""
MOST_DIGITS = 12
STANDARD = 'StandardWebhooks headers="webhook-id webhook-timestamp webhook-signature"'
HUB = 'HubSignature headers="X-Hub-Signature-256"'


class Scheme(Protocol):
    """One way to sign requests; their headers are given by name in lower case.

    ``id_header`` is where its deliveries' ids are, in lower case, None where nothing is said; ``headers`` are those
    that carry signatures, which no record keeps.
    """

    id_header: ClassVar[str | None]
    headers: ClassVar[frozenset[str]]

    def examine(self, headers: Mapping[str, str], now: float) -> None:
        """Look at what is known before the body is read, ``now`` in seconds since the epoch; raises Problem 401."""

    def verify(self, headers: Mapping[str, str], content: bytes) -> None:
        """Check the signature of a request that was examined; raises Problem 401."""

    def signed(self, delivery: str, content: bytes, now: float) -> dict[str, str]:
        """Return the headers with which a delivery of this id is posted: what the other side does, for tests."""


@dataclass(frozen=True, slots=True)
class Standard:
    """Standard Webhooks: id, time and body are signed together, so what is replayed late is refused."""

    secrets: Sequence[bytes] = field(repr=False)
    id_header: ClassVar[str | None] = "webhook-id"
    headers: ClassVar[frozenset[str]] = frozenset({"webhook-signature"})

    @classmethod
    def of(cls, secrets: Mapping[str, str]) -> Standard:
        """Return the scheme of secrets by their settings' names, ``whsec_`` and base64; raises SettingsError."""
        return cls([key_of(secret, name) for name, secret in secrets.items()])

    def examine(self, headers: Mapping[str, str], now: float) -> None:
        """See Scheme."""
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            if not headers.get(name):
                raise _refused(STANDARD, f"the header {name} is required (Standard Webhooks)")
        written = headers["webhook-timestamp"]
        if not (written.isascii() and written.isdigit() and len(written) <= MOST_DIGITS):
            raise _refused(STANDARD, "webhook-timestamp is not a time in whole seconds since 1970")
        if abs(now - int(written)) > TOLERANCE:
            raise _refused(STANDARD, f"webhook-timestamp is more than {TOLERANCE} seconds from this server's time")

    def verify(self, headers: Mapping[str, str], content: bytes) -> None:
        """See Scheme. Several signatures may be given, one for each secret of a sender that changes them."""
        signed = headers["webhook-id"], headers["webhook-timestamp"], content
        expected = [_signature(secret, *signed) for secret in self.secrets]
        if not _any_same(expected, headers["webhook-signature"].split()):
            raise _refused(STANDARD, "no signature in webhook-signature is right for this body")

    def signed(self, delivery: str, content: bytes, now: float) -> dict[str, str]:
        """See Scheme."""
        timestamp = str(int(now))
        signature = _signature(self.secrets[0], delivery, timestamp, content)
        return {"webhook-id": delivery, "webhook-timestamp": timestamp, "webhook-signature": signature}


@dataclass(frozen=True, slots=True)
class GitHub:
    """GitHub's scheme, and that of those who do the same: the body alone is signed."""

    secrets: Sequence[bytes] = field(repr=False)
    id_header: ClassVar[str | None] = "x-github-delivery"
    headers: ClassVar[frozenset[str]] = frozenset({"x-hub-signature", "x-hub-signature-256"})

    @classmethod
    def of(cls, secrets: Mapping[str, str]) -> GitHub:
        """Return the scheme of secrets by their settings' names, any text."""
        return cls([secret.encode() for secret in secrets.values()])

    def examine(self, headers: Mapping[str, str], now: float) -> None:
        """See Scheme."""
        if not headers.get("x-hub-signature-256"):
            raise _refused(HUB, "the header X-Hub-Signature-256 is required")

    def verify(self, headers: Mapping[str, str], content: bytes) -> None:
        """See Scheme."""
        expected = [_hub_signature(secret, content) for secret in self.secrets]
        if not _any_same(expected, [headers["x-hub-signature-256"]]):
            raise _refused(HUB, "X-Hub-Signature-256 is not right for this body")

    def signed(self, delivery: str, content: bytes, now: float) -> dict[str, str]:
        """See Scheme."""
        return {"x-github-delivery": delivery, "x-hub-signature-256": _hub_signature(self.secrets[0], content)}


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Nothing is asked for: anybody who can reach the path may post."""

    id_header: ClassVar[str | None] = None
    headers: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def of(cls, secrets: Mapping[str, str]) -> Unsigned:
        """Return the scheme; there are no secrets."""
        return cls()

    def examine(self, headers: Mapping[str, str], now: float) -> None:
        """See Scheme."""

    def verify(self, headers: Mapping[str, str], content: bytes) -> None:
        """See Scheme."""

    def signed(self, delivery: str, content: bytes, now: float) -> dict[str, str]:
        """See Scheme."""
        return {}


SCHEMES: Mapping[str, Callable[[Mapping[str, str]], Scheme]] = {
    "standard": Standard.of,
    "github": GitHub.of,
    "none": Unsigned.of,
}
"""By the word that a document has for it: what makes a scheme of secrets."""


def sign(secret: str, message_id: str, timestamp: str, content: bytes) -> str:
    """Return the ``webhook-signature`` of Standard Webhooks: ``v1,`` and HMAC-SHA256 of id, timestamp and body.

    ``secret`` is the setting ``callback_secret``. Raises SettingsError for one that is not ``whsec_`` and base64.
    """
    return _signature(key_of(secret, "callback_secret"), message_id, timestamp, content)


def key_of(secret: str, name: str) -> bytes:
    """Return the key that a secret of Standard Webhooks stands for; raises SettingsError that names the setting."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise SettingsError(f"{name} must be whsec_ followed by base64")
    return key


def _signature(key: bytes, message_id: str, timestamp: str, content: bytes) -> str:
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode(), hashlib.sha256)
    digest.update(content)
    return "v1," + base64.b64encode(digest.digest()).decode()


def _hub_signature(secret: bytes, content: bytes) -> str:
    return "sha256=" + hmac.new(secret, content, hashlib.sha256).hexdigest()


def _any_same(expected: Iterable[str], given: Sequence[str]) -> bool:
    """Whether one is right; how long that takes tells nothing of what would be."""
    texts = [text.encode() for text in given]
    return any([hmac.compare_digest(one.encode(), text) for one in expected for text in texts])  # noqa: C419 - all


def _refused(challenge: str, detail: str) -> Problem:
    return Problem(401, detail=detail, headers={"WWW-Authenticate": challenge})
