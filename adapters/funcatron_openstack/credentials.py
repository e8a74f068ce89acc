"""Credentials: what an entry of clouds.yaml, and a trust on top of it, says to Keystone.

They are read once per process and stay in this module. What goes to others is a TokenOnly: an auth plugin that knows
the name of the credentials and the token that came of them, never a password. Whoever may run code in this process can
ask for everything that the process can read, so this keeps passwords out of reach of mistakes (logs, tracebacks,
records, debuggers), not out of reach of a handler that means harm; see docs/openstack.md.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from funcatron.errors import SettingsError
from funcatron.extras import needs
from funcatron.settings import Settings

with needs("openstack"):
    import requests
    from keystoneauth1 import exceptions as keystone
    from keystoneauth1 import loading
    from keystoneauth1.access import AccessInfo
    from keystoneauth1.identity import BaseIdentityPlugin
    from keystoneauth1.session import Session
    from openstack import exceptions as sdk
    from openstack.config import OpenStackConfig
    from openstack.config.cloud_region import CloudRegion
    from openstack.config.loader import CONFIG_FILES, SECURE_FILES

__all__ = ["Cloud", "TokenOnly", "public_region"]

TIMEOUT = 10.0
"""Seconds for each answer of Keystone to a request for a token."""
FRESH = 1.0
"""Seconds after which a token that is refused is not the one that was just made because another one was refused."""

_SCOPE = ("project", "domain_", "system", "tenant")
"""How the options that scope a token begin: a trust is a scope of its own."""

_reading = threading.RLock()


@dataclass(frozen=True, slots=True)
class Cloud:
    """The name of credentials: an entry of clouds.yaml, and the id of a trust that its user acts by.

    ``files`` and ``secure_files`` are the only ones read, where any are given; else those of openstacksdk.
    """

    name: str
    trust: str | None = None
    files: tuple[str, ...] = ()
    secure_files: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings, *, name: str | None = None, trust: str | None = None) -> Cloud:
        """Return the cloud of this name, or the one that the settings name; raises SettingsError without either."""
        chosen = name or settings.cloud
        if not chosen:
            raise SettingsError("no cloud is named: give --cloud, FUNCATRON_CLOUD or OS_CLOUD an entry of clouds.yaml")
        return cls(
            chosen,
            trust,
            (settings.clouds_file,) if settings.clouds_file else (),
            (settings.clouds_secure_file,) if settings.clouds_secure_file else (),
        )


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What is read of a cloud; the secrets are in ``auth``."""

    auth: BaseIdentityPlugin = field(repr=False)
    session: Session = field(repr=False)
    region: CloudRegion = field(repr=False)


class TokenOnly(BaseIdentityPlugin):
    """An auth plugin that has tokens made elsewhere in this process, and made anew before they expire."""

    def __init__(self, cloud: Cloud) -> None:
        """Raises SettingsError where there are no such credentials."""
        super().__init__(auth_url=_credentials(cloud, os.getpid()).auth.auth_url)
        self._cloud = cloud
        self._made = 0.0

    def get_auth_ref(self, session: Session) -> AccessInfo:
        """Return a new token; raises keystoneauth1's exceptions where Keystone refuses, or is out of reach."""
        held = _credentials(self._cloud, os.getpid())
        return held.auth.get_auth_ref(held.session)

    def get_access(self, session: Session, **_: Any) -> AccessInfo:
        """Return the token, a new one if it is about to expire; for any number of threads."""
        with self._lock:
            if self.auth_ref is None or self._needs_reauthenticate():
                self.auth_ref = self.get_auth_ref(session)
                self._made = time.monotonic()
            return self.auth_ref

    def invalidate(self) -> bool:
        """Have a new token made after a service refused this one; True: it is worth another try.

        Of several threads that are refused at once one has a token made, and all try again with that.
        """
        with self._lock:
            if time.monotonic() - self._made > FRESH:
                self.auth_ref = None
        return True

    def get_cache_id_elements(self) -> dict[str, str | None]:
        """Return what tells this plugin's tokens from others'."""
        return {"cloud": self._cloud.name, "trust": self._cloud.trust, "auth_url": self.auth_url}


def public_region(cloud: Cloud, timeout: float, *, transport: requests.Session | None = None) -> CloudRegion:
    """Return what clouds.yaml says of a cloud, its credentials left out, with a session that authenticates.

    ``timeout``: seconds for each answer, where the entry has no ``api_timeout``; ``transport`` sends its requests.
    Raises SettingsError.
    """
    region = _credentials(cloud, os.getpid()).region
    verify, certificate = region.get_requests_verify_args()
    session = Session(
        auth=TokenOnly(cloud),
        session=transport,
        verify=verify,
        cert=certificate,
        timeout=region.config.get("api_timeout") or timeout,
        app_name="funcatron",
    )
    public = {name: value for name, value in region.config.items() if name not in ("auth", "password", "passcode")}
    return CloudRegion(name=region.name, config=public, session=session)


def _credentials(cloud: Cloud, process: int) -> _Credentials:
    with _reading, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's, of settings of its own that nobody has given
        return _read(cloud, process)


@cache
def _read(cloud: Cloud, process: int) -> _Credentials:
    """Read clouds.yaml; ``process`` is there for the cache: sessions are not shared with forked children."""
    region = _region(cloud)
    auth = region._auth if cloud.trust is None else _by_trust(cloud, region)  # noqa: SLF001 - there is no other way
    if not isinstance(auth, BaseIdentityPlugin):
        raise SettingsError(f"the cloud {cloud.name!r} has an auth_type that gets no tokens from Keystone")
    verify, certificate = region.get_requests_verify_args()
    session = Session(auth=auth, verify=verify, cert=certificate, timeout=TIMEOUT, app_name="funcatron")
    return _Credentials(auth, session, region)


def _region(cloud: Cloud) -> CloudRegion:
    try:
        config = OpenStackConfig(
            config_files=list(cloud.files or CONFIG_FILES),
            secure_files=list(cloud.secure_files or SECURE_FILES),
            load_envvars=False,  # OS_PASSWORD and the like would be mixed with the entry's own credentials
        )
        names = sorted({*config.get_cloud_names()} - {"defaults"})  # which the SDK makes up where there are none
        if cloud.name not in names:
            known = ", ".join(names) or "none"
            place = config.config_filename or "clouds.yaml, which was not found"
            raise SettingsError(f"there is no cloud {cloud.name!r} in {place}; there are: {known}")
        return config.get_one(cloud.name)
    except (sdk.ConfigException, keystone.AuthPluginException) as error:
        raise SettingsError(f"the cloud {cloud.name!r} cannot be used: {error}") from None
    except (OSError, yaml.YAMLError) as error:  # what YAML says of an error may quote the file
        raise SettingsError(f"clouds.yaml cannot be read: {type(error).__name__}") from None


def _by_trust(cloud: Cloud, region: CloudRegion) -> BaseIdentityPlugin:
    """Return the entry's user, acting by the trust."""
    given: Mapping[str, Any] = region.config["auth"]
    if "password" not in given:
        raise SettingsError(
            f"the cloud {cloud.name!r} cannot act by a trust: Keystone takes the trustee's password for that, "
            "and no application credential"
        )
    loader: loading.BaseLoader[Any] = loading.get_plugin_loader("v3password")
    known = {option.dest for option in loader.get_options()}
    user = {name: value for name, value in given.items() if name in known and not name.startswith(_SCOPE)}
    made = loader.load_from_options(**{**user, "trust_id": cloud.trust})
    if not isinstance(made, BaseIdentityPlugin):
        raise TypeError(f"v3password is {type(made)}")
    return made
