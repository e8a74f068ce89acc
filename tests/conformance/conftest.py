"""The suite's functions are found as a user's would be: beside their document."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
