"""Bundles in Swift: ``swift://CONTAINER/OBJECT``, in the project of the settings' cloud."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote, unquote

from funcatron.errors import FuncatronError, Unavailable
from funcatron.extras import needs
from funcatron.settings import Settings
from funcatron_openstack.cloud import connect
from funcatron_openstack.credentials import Cloud

with needs("openstack"):
    import requests
    from keystoneauth1 import exceptions as keystone
    from openstack import exceptions as sdk

__all__ = ["download"]

CHUNK = 1 << 20
OUT_OF_REACH = (
    keystone.ConnectFailure,
    keystone.ConnectTimeout,
    keystone.DiscoveryFailure,
    requests.RequestException,  # in the middle of the content
)


class Sink(Protocol):
    """What takes the content."""

    def write(self, data: bytes, /) -> int:
        """Take a piece; raises FuncatronError where it is too much."""


def download(url: str, sink: Sink, settings: Settings) -> None:
    """Write an object's content to ``sink``; its name may be percent-encoded.

    Raises SettingsError, Unavailable where Swift or Keystone is out of reach, and FuncatronError where there is
    nothing, or nothing for these credentials.
    """
    container, _, name = (unquote(part) for part in url.removeprefix("swift://").partition("/"))
    if not container or not name:
        raise FuncatronError(f"{url}: write swift://CONTAINER/OBJECT")
    connection = connect(Cloud.of(settings))
    path = f"/{quote(container, safe='')}/{quote(name)}"
    try:
        answer = connection.object_store.get(path, headers={"X-Newest": "true"}, stream=True, raise_exc=False)
        with answer:
            if answer.status_code >= 500:
                raise Unavailable(f"{url}: Swift answers {answer.status_code}")
            if answer.status_code != 200:
                raise FuncatronError(f"{url}: Swift answers {answer.status_code} {answer.reason}")
            for piece in answer.iter_content(CHUNK):
                sink.write(piece)
    except OUT_OF_REACH as error:
        raise Unavailable(f"{url} is out of reach: {error}") from error
    except (keystone.ClientException, sdk.SDKException) as error:
        raise FuncatronError(f"{url}: {type(error).__name__}: {error}") from error
