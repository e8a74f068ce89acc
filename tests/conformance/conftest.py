"""The suite's functions are found as a user's would be: beside their document."""

import sys
from pathlib import Path

import funcatron.http  # noqa: F401 - connexion is first imported there, without its warnings

sys.path.insert(0, str(Path(__file__).parent))
