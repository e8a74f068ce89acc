"""Signatures of what is posted, against the senders' own libraries and documentation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from funcatron.errors import Problem, SettingsError
from funcatron.webhooks.signing import SCHEMES, GitHub, Standard, Unsigned, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the example of the Standard Webhooks specification
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
ID, TIME, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

GITHUB_SECRET, GITHUB_BODY = "It's a Secret to Everybody", b"Hello, World!"  # GitHub's documentation
GITHUB_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def standard(**changed: str) -> dict[str, str]:
    """Return the headers of the specification's example, some of them changed."""
    headers = {"webhook-id": ID, "webhook-timestamp": str(TIME), "webhook-signature": SIGNATURE}
    return headers | {name.replace("_", "-"): value for name, value in changed.items()}


def check(
    headers: dict[str, str], body: bytes = BODY, *, now: float = TIME, secrets: tuple[str, ...] = (SECRET,)
) -> None:
    scheme = Standard.of({f"S{number}": secret for number, secret in enumerate(secrets)})
    scheme.examine(headers, now)
    scheme.verify(headers, body)


def test_the_example_of_standard_webhooks() -> None:
    assert sign(SECRET, ID, str(TIME), BODY) == SIGNATURE
    check(standard())


def test_what_the_senders_library_signs_is_right() -> None:
    when = datetime.now(UTC)
    text = '{"name": "Zoë", "n": 1.50}'
    signed = Webhook(SECRET).sign(ID, when, text)
    stamp = str(int(when.timestamp()))
    check(standard(webhook_timestamp=stamp, webhook_signature=signed), text.encode(), now=when.timestamp())


@pytest.mark.parametrize(
    ("signatures", "secrets"),
    [
        (f"v1,AAAA {SIGNATURE}", (SECRET,)),
        (f"v1a,whatever {SIGNATURE} v2,x", (SECRET,)),
        (SIGNATURE, (OTHER, SECRET)),
        (SIGNATURE, (SECRET.removeprefix("whsec_"),)),
    ],
)
def test_one_signature_of_one_secret_is_enough(signatures: str, secrets: tuple[str, ...]) -> None:
    check(standard(webhook_signature=signatures), secrets=secrets)


@pytest.mark.parametrize("late", [-300.0, -1.5, 299.0, 300.0])
def test_clocks_may_differ_a_little(late: float) -> None:
    check(standard(), now=TIME + late)


@pytest.mark.parametrize(
    ("headers", "now"),
    [
        (standard(webhook_signature=""), TIME),
        (standard(webhook_signature="v1,"), TIME),
        (standard(webhook_signature=SIGNATURE.removeprefix("v1,")), TIME),
        (standard(webhook_signature=SIGNATURE.replace("v1", "v2")), TIME),
        (standard(webhook_signature=sign(OTHER, ID, str(TIME), BODY)), TIME),
        (standard(webhook_signature="v1,ünïcode"), TIME),
        (standard(webhook_id="msg_other"), TIME),
        (standard(webhook_id=""), TIME),
        (standard(webhook_timestamp=str(TIME + 1)), TIME),
        (standard(webhook_timestamp=f" {TIME}"), TIME),
        (standard(webhook_timestamp=f"{TIME}.0"), TIME),
        (standard(webhook_timestamp="²"), TIME),
        (standard(webhook_timestamp="9" * 5000), TIME),
        (standard(), TIME + 301),
        (standard(), TIME - 301),
        ({}, TIME),
    ],
)
def test_anything_else_is_refused(headers: dict[str, str], now: float) -> None:
    with pytest.raises(Problem) as refused:
        check(headers, now=now)
    assert refused.value.status == 401
    assert SIGNATURE.removeprefix("v1,") not in str(refused.value)


@pytest.mark.parametrize("body", [b"", b'{"test": 2432232315}', b'{"test":2432232314}', BODY + b"\n"])
def test_every_byte_of_the_body_counts(body: bytes) -> None:
    with pytest.raises(Problem):
        check(standard(), body)


def test_githubs_example() -> None:
    scheme = GitHub.of({"S": GITHUB_SECRET})
    headers = {"x-hub-signature-256": GITHUB_SIGNATURE}
    scheme.examine(headers, 0)
    scheme.verify(headers, GITHUB_BODY)
    GitHub.of({"old": "x", "new": GITHUB_SECRET}).verify(headers, GITHUB_BODY)
    for wrong in (GITHUB_SIGNATURE.removeprefix("sha256="), "sha1=" + "0" * 40, "sha256=", GITHUB_SIGNATURE[:-1] + "8"):
        with pytest.raises(Problem, match="401"):
            scheme.verify({"x-hub-signature-256": wrong}, GITHUB_BODY)
    with pytest.raises(Problem, match="401"):
        scheme.verify(headers, GITHUB_BODY + b" ")
    with pytest.raises(Problem, match="X-Hub-Signature-256 is required"):
        scheme.examine({"x-hub-signature": "sha1=0"}, 0)


def test_nothing_signed_is_nothing_asked() -> None:
    Unsigned().examine({}, 0)
    Unsigned().verify({}, b"anything")


@pytest.mark.parametrize("secret", ["whsec_!", "whsec_", "no base64", ""])
def test_a_secret_that_is_none_is_told_by_its_name(secret: str) -> None:
    with pytest.raises(SettingsError, match="HOOK must be whsec_"):
        Standard.of({"HOOK": secret})


def test_secrets_are_not_shown() -> None:
    assert set(SCHEMES) == {"standard", "github", "none"}
    for scheme in (Standard.of({"S": SECRET}), GitHub.of({"S": GITHUB_SECRET})):
        assert "Secret" not in repr(scheme)
        assert "secrets" not in repr(scheme)
