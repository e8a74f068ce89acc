"""``python -m funcatron.cli`` is ``funcatron``."""

from funcatron.cli.main import main

main()
