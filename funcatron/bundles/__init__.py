"""Bundles: a document and its handlers in one archive, by path or from Swift, known by the digest of its content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from funcatron.settings import Settings

__all__ = ["documents_of", "is_bundle"]

_BUNDLE = re.compile(r"[^#]*\.(?:zip|tar\.gz|tgz)(?:#.*)?", re.DOTALL | re.IGNORECASE)


def is_bundle(spec: Any) -> bool:
    """Whether this names a bundle, and not a document."""
    return isinstance(spec, str) and not spec.startswith(("http://", "https://")) and bool(_BUNDLE.fullmatch(spec))


def documents_of(specs: Sequence[Any], settings: Settings) -> Sequence[Any]:
    """Return what is served, each bundle's document in its place; raises FuncatronError where one cannot be opened."""
    if not any(is_bundle(spec) for spec in specs):
        return specs
    from funcatron.bundles.opening import opened  # most applications have no bundle

    return [opened(spec, settings) if is_bundle(spec) else spec for spec in specs]
