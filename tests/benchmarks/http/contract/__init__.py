"""The document that every HTTP peer serves, and where it is."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DOCUMENT"]

DOCUMENT = Path(__file__).with_name("openapi.yaml")
