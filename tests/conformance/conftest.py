"""The suite's functions are found as a user's would be: beside their document."""

import sys
from pathlib import Path

import funcatron.http  # noqa: F401 - connexion is first imported there, without its warnings
from tests.integration.oas_examples import oas_package

__all__ = ["oas_package"]

sys.path.insert(0, str(Path(__file__).parent))
