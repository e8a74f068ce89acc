"""Keystone's trusts: a user lets another one act for them in one project, with some of their roles.

Source: Identity API v3, OS-TRUST. A trust's id is no secret: only the trustee can use it, with a password of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from funcatron.errors import FuncatronError, Unavailable
from funcatron.extras import needs
from funcatron.settings import Settings
from funcatron_openstack.cloud import connect
from funcatron_openstack.credentials import Cloud

with needs("openstack"):
    from keystoneauth1 import exceptions as keystone
    from keystoneauth1.access import AccessInfo
    from keystoneauth1.identity import BaseIdentityPlugin
    from openstack import exceptions as sdk
    from openstack.connection import Connection

__all__ = ["Trusts"]

SHOWN = ("id", "project_id", "trustor_user_id", "trustee_user_id", "expires_at")


class Trusts:
    """The trusts of the user whose credentials the settings name.

    Every method raises SettingsError where there are no such credentials, Unavailable where Keystone is out of reach,
    and FuncatronError where it refuses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def user_id(self, cloud: str) -> str:
        """Return the id of the user that an entry of clouds.yaml is of."""
        with _told():
            return str(_access(connect(Cloud.of(self._settings, name=cloud))).user_id)

    def create(self, trustee: str, roles: Sequence[str] = (), expires_at: float | None = None) -> dict[str, Any]:
        """Let the user with the id ``trustee`` act for this one in the project of the credentials; returns the trust.

        ``roles`` default to all that this user has there; ``expires_at`` is in seconds since the epoch, None for never.
        """
        with _told():
            connection = self._connection()
            access = _access(connection)
            if access.project_id is None:
                raise FuncatronError("a trust is for a project, and these credentials are for none")
            made = _identity(connection).create_trust(
                trustor_user_id=access.user_id,
                trustee_user_id=trustee,
                project_id=access.project_id,
                impersonation=True,
                roles=[{"name": role} for role in roles or access.role_names or ()],
                expires_at=None if expires_at is None else _keystone_time(expires_at),
            )
            return _shown(made)

    def list(self, *, given_to_me: bool = False) -> list[dict[str, Any]]:
        """Return the trusts that this user has given, or was given."""
        with _told():
            connection = self._connection()
            side = "trustee_user_id" if given_to_me else "trustor_user_id"
            identity = _identity(connection)
            found = list(identity.trusts(**{side: _access(connection).user_id}))
            return [_shown(identity.get_trust(trust.id)) for trust in found]  # a list has no roles

    def delete(self, trust_id: str) -> None:
        """Take a trust back. No new token is made by it; one that was made ends with the services' caches."""
        with _told():
            _identity(self._connection()).delete_trust(trust_id, ignore_missing=False)

    def _connection(self) -> Connection:
        return connect(Cloud.of(self._settings))


def _identity(connection: Connection) -> Any:
    """The SDK's proxy of version 3 (it may be another version's by type)."""
    return connection.identity


def _access(connection: Connection) -> AccessInfo:
    auth = connection.session.auth
    if not isinstance(auth, BaseIdentityPlugin):
        raise TypeError(f"{type(auth)} gets no tokens")
    return auth.get_access(connection.session)


def _shown(trust: Any) -> dict[str, Any]:
    roles = [role.get("name") or role.get("id") for role in trust.roles or ()]
    return {**{name: getattr(trust, name) for name in SHOWN}, "roles": roles}


def _keystone_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextmanager
def _told() -> Iterator[None]:
    """Turn what Keystone and the SDK raise into errors of ours."""
    try:
        yield
    except (keystone.ConnectFailure, keystone.ConnectTimeout, keystone.DiscoveryFailure) as error:
        raise Unavailable(f"Keystone does not answer: {error}") from error
    except sdk.HttpException as error:
        raise FuncatronError(f"Keystone refuses ({error.status_code}): {error.details or error}") from error
    except (keystone.ClientException, sdk.SDKException) as error:
        raise FuncatronError(f"Keystone refuses: {error}") from error
