"""Callbacks (OpenAPI 3.0.3 section 4.7.18): the result of an async execution, POSTed to a URL that the caller named.

Each delivery is an execution of the function below: recorded, retried, and redriven like any other. It is signed as
Standard Webhooks 1.0 says where a secret is set. The URL comes from a stranger, so: http and https only, the host is
resolved once and that address is connected to, private and loopback addresses are refused unless a setting allows
them, and redirects are not followed.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, partial
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from funcatron.errors import Problem, Retry
from funcatron.invocation import Context
from funcatron.settings import Settings
from funcatron.webhooks.signing import sign

__all__ = ["deliverer"]

TIMEOUT = httpx.Timeout(20.0, connect=10.0)
WHOLE = 25.0
"""Seconds for all of a delivery, less than the function's ``timeout``: where nothing interrupts a thread, a receiver
whose answer drips would keep it until the worker is killed, with all that runs beside it."""
LONGEST_WAIT = 86_400.0
"""Seconds; a receiver that asks for more patience (Retry-After) is asked again after these."""

_EMBEDDING = ipaddress.ip_network("64:ff9b::/96")  # NAT64 (RFC 6052): the last 32 bits are an IPv4 address
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # all that IANA allocates of it; what is outside is special


def deliverer(settings: Settings, tls: Callable[[], ssl.SSLContext] | None = None) -> Callable[..., None]:
    """Return the handler of ``funcatron.callbacks.deliver`` for these settings.

    ``tls`` says whom to trust: certifi's authorities, or those that ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` names.
    Raises SettingsError where ``callback_secret`` cannot sign.
    """
    if settings.callback_secret:
        sign(settings.callback_secret, "", "", b"")
    return partial(_deliver, settings, cache(tls or httpx.create_ssl_context))  # reading authorities takes a while


def _deliver(settings: Settings, tls: Callable[[], ssl.SSLContext], body: Mapping[str, Any], context: Context) -> None:
    url = body["url"]
    address = resolve(url, allow_private=settings.callback_allow_private, hosts=settings.callback_hosts)
    content = base64.b64decode(body["base64"]) if "base64" in body else body.get("body", "").encode()
    headers = {
        "Content-Type": body["content_type"],
        "User-Agent": "funcatron",
        "webhook-id": context.id,
        "webhook-timestamp": str(int(time.time())),
        "X-Funcatron-Execution": body.get("execution", ""),
        "X-Funcatron-Function": quote(body.get("function", "")),
        "X-Funcatron-State": body.get("state", ""),
    }
    if settings.callback_secret:
        headers["webhook-signature"] = sign(settings.callback_secret, context.id, headers["webhook-timestamp"], content)
    verified: ssl.SSLContext | bool = tls() if urlsplit(url).scheme == "https" else False  # http: nothing to verify
    answer = _send(body["method"].upper(), url, address, headers, content, verified)
    shown = without_password(url)
    if answer.status_code == 410:
        raise Problem(410, detail=f"{shown} answered 410 Gone; nothing more is sent there for this execution")
    if answer.is_redirect:
        raise Problem(422, "Redirect refused", f"{shown} answered {answer.status_code}; redirects are not followed")
    if not answer.is_success:
        after = answer.headers.get("retry-after", "")
        wait = min(LONGEST_WAIT, float(after)) if after.isascii() and after.isdigit() else None
        raise Retry(f"{shown} answered {answer.status_code}", after=wait)
    context.logger.info("delivered to %s: %d", shown, answer.status_code)


def resolve(url: str, *, allow_private: bool, hosts: Sequence[str] = ()) -> str:
    """Return the IP address to connect to for ``url``; raises Problem where it may not be called, Retry where its
    name does not resolve for now. Where there are ``hosts`` (shell patterns), no other name is even looked up.
    """
    shown = without_password(url)
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise Problem(422, "Callback refused", f"{shown!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Problem(422, "Callback refused", f"{shown!r} is not an http or https URL")
    if hosts and not any(fnmatchcase(parts.hostname, pattern.lower()) for pattern in hosts):
        raise Problem(422, "Callback refused", f"{parts.hostname} is not one of callback_hosts")
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Retry(f"{parts.hostname} does not resolve: {error}") from None
    addresses = [str(item[4][0]) for item in found]
    allowed = [address for address in addresses if allow_private or is_public(address)]
    if not allowed:
        raise Problem(
            422,
            "Callback refused",
            f"{parts.hostname} is {addresses[0]}, which is not a public address; "
            "set callback_allow_private to allow it",
        )
    return allowed[0]


def is_public(address: str) -> bool:
    """Return whether an IP address is a global unicast one, and so is any IPv4 address that it embeds."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _EMBEDDING:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast


def without_password(url: str) -> str:
    """Return a URL without its user and password, for messages."""
    head, at, tail = url.partition("://")[2].partition("/")[0].rpartition("@")
    return url.replace(f"{head}{at}", "", 1) if at and tail else url


def _send(
    method: str,
    url: str,
    address: str,
    headers: Mapping[str, str],
    content: bytes,
    verified: ssl.SSLContext | bool,
) -> httpx.Response:
    """Send the request to ``address``, under the URL's own host name (Host, TLS server name, the certificate's name);
    what the answer has for a body is not read.
    """
    target = httpx.URL(url)
    request_headers = {**headers, "Host": target.netloc.decode()}
    whole = _Whole(WHOLE)
    try:
        with (
            whole,
            httpx.Client(verify=verified, timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client,
            client.stream(
                method,
                target.copy_with(host=address),
                headers=request_headers,
                content=content,
                extensions={"sni_hostname": target.raw_host.decode(), "trace": whole.trace},
            ) as answer,
        ):
            return answer
    except httpx.HTTPError as error:
        said = f"no answer within {WHOLE:g} s" if whole.passed else f"{type(error).__name__}: {error}"
        raise Retry(f"{without_password(url)}: {said}") from error


class _Whole:
    """Cuts a connection when the time for all of a request has passed; httpx has a limit for each step alone."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *raised: object) -> None:
        self._timer.cancel()

    def trace(self, step: str, told: Mapping[str, Any]) -> None:
        """Take the connection's socket as httpcore makes it, and again as it is once it speaks TLS."""
        if step in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = told["return_value"].get_extra_info("socket")
            if self.passed:
                self._cut()

    def _pass(self) -> None:
        self.passed = True
        self._cut()

    def _cut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is gone already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # an SSLSocket's own would go on in plain text
