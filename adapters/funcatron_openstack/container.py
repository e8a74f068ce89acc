"""One container as Swift's API shows it, asked with the credentials of a cloud."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from funcatron.errors import FuncatronError, SettingsError, Unavailable
from funcatron.settings import Settings
from funcatron_openstack.objects import Entry, ObjectVersion, entry_of, version_of

if TYPE_CHECKING:
    from datetime import datetime

    from keystoneauth1.session import Session

__all__ = ["Container", "Denied"]

PAGE = 10_000
TIMEOUT = 30.0
quoted = partial(quote, safe="/")


class Denied(FuncatronError):
    """Swift or Keystone refuses what the credentials are used for."""


@dataclass(frozen=True, slots=True)
class _Access:
    session: Session
    url: str
    account: str


class Container:
    """A container of ``account`` (default: that of the cloud's project; default cloud: that of the settings).

    Any thread may ask.

    Every method raises Unavailable where Swift or Keystone is out of reach, and Denied where they refuse.
    """

    def __init__(self, name: str, settings: Settings, *, cloud: str | None = None, account: str | None = None) -> None:
        self.name = name
        self._settings = settings
        self._cloud = cloud
        self._account = account
        self._lock = threading.Lock()
        self._made: _Access | None = None

    @property
    def account(self) -> str:
        """The account's name, such as ``AUTH_3e3fe35d``."""
        return self._access.account

    def clock(self) -> datetime:
        """Return Swift's own time, to the second."""
        return parsedate_to_datetime(self._ask("HEAD", "").headers["Date"])

    def head(self, name: str) -> ObjectVersion | None:
        """Return the newest version of an object, None where there is none. A link stands for what it leads to."""
        answer = self._ask("HEAD", "/" + quoted(name), headers={"X-Newest": "true"})
        return None if answer.status_code == 404 else version_of(name, answer.headers)

    def pages(self, prefix: str = "") -> Iterator[list[Entry]]:
        """Yield the listing in the order of names; the last page is empty. Without a container it is the only one."""
        marker = ""
        while True:
            query = f"?format=json&limit={PAGE}&prefix={quote_plus(prefix)}&marker={quote_plus(marker)}"
            answer = self._ask("GET", query)
            page = [] if answer.status_code == 404 else [entry_of(line) for line in answer.json()]
            yield page
            if not page:
                return
            marker = page[-1].name

    def _ask(self, method: str, rest: str, headers: dict[str, str] | None = None) -> Any:
        from keystoneauth1.exceptions import ClientException

        access = self._access
        url = f"{access.url}/{quote(self.name, safe='')}{rest}"
        try:
            answer = access.session.request(
                url, method, headers=headers or {}, raise_exc=False, timeout=TIMEOUT, log=False
            )
        except ClientException as error:
            raise _refused(error) from error
        if answer.status_code == 403:
            raise Denied(f"Swift answers {answer.status_code} to {method} {url}")
        # A 401 passes, too: the token is renewed soon; credentials that are no good any more Keystone itself refuses.
        if answer.status_code not in (200, 204, 404) or "X-Trans-Id" not in answer.headers:
            raise Unavailable(f"Swift answers {answer.status_code} to {method} {url}")
        return answer

    @property
    def _access(self) -> _Access:
        with self._lock:
            if self._made is None:
                self._made = _access(self._cloud, self._account, self._settings)
            return self._made


def _access(cloud: str | None, account: str | None, settings: Settings) -> _Access:
    """Find the cloud's object store. Imported here: whoever does not watch Swift does without openstacksdk."""
    from keystoneauth1.exceptions import ClientException

    from funcatron_openstack.credentials import Cloud, public_region

    try:
        region = public_region(Cloud.of(settings, name=cloud), TIMEOUT)
        session = region.get_session()
        url = region.get_endpoint("object-store") or session.get_endpoint(
            service_type="object-store",
            interface=region.get_interface("object-store"),
            region_name=region.get_region_name("object-store"),
        )
        own = f"AUTH_{session.get_project_id()}"
    except SettingsError as error:
        raise Denied(str(error)) from error
    except ClientException as error:
        raise _refused(error) from error
    if not url:
        raise Denied("the cloud has no object store in its catalog")
    base, _, last = str(url).rstrip("/").rpartition("/")
    if last == "v1":  # Ceph's: the account is that of the token
        return _Access(session, f"{base}/{last}", own)
    return _Access(session, f"{base}/{quote(account or last)}", account or last)


def _refused(error: Exception) -> FuncatronError:
    """Tell what passes from what does not."""
    from keystoneauth1 import exceptions

    names = ("Unauthorized", "Forbidden", "EndpointNotFound", "MissingRequiredOptions")
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, tuple(getattr(exceptions, name) for name in names)):
        return Denied(said)
    return Unavailable(f"Keystone or Swift is out of reach: {said}")
