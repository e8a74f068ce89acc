"""``context.openstack``: from a function's settings to what opens its Connection, imported on first use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from funcatron import plugins
from funcatron.errors import SEE_LOG, FuncatronError, SettingsError
from funcatron.invocation import Invocation
from funcatron.settings import Settings
from funcatron.spec.operation import Extension

__all__ = ["Clouds", "clouds_of"]

Clouds: TypeAlias = Callable[[Extension], Callable[[Invocation], Any] | None]
"""Gives what opens a function's Connection for an invocation; None for one that has no cloud."""


def clouds_of(settings: Settings) -> Clouds:
    """Return what opens Connections by these settings; nothing is read or imported yet."""

    def cloud_of(extension: Extension) -> Callable[[Invocation], Any] | None:
        cloud = extension.cloud or settings.cloud
        return partial(_open, settings, cloud, extension.trust) if cloud else None

    return cloud_of


def _open(settings: Settings, cloud: str, trust: str | None, invocation: Invocation) -> Any:
    connect = plugins.load("funcatron.connections", "openstack")
    try:
        return connect(settings, invocation, cloud=cloud, trust=trust)
    except SettingsError as error:  # paths and names of other clouds are not the caller's to know
        raise FuncatronError(f"the cloud of {invocation.function} cannot be used; {SEE_LOG}") from error
