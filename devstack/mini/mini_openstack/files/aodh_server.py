"""Serve Aodh's API with waitress: aodh_server.py HOST PORT. Its configuration is ~/aodh.conf.

What it imports reads sys.argv by oslo.config, so that has to be clean by then.
"""

import sys

host, port = sys.argv[1], int(sys.argv[2])
sys.argv = ["aodh-api"]

import waitress  # noqa: E402 - see above
from aodh.api.app import build_wsgi_app  # noqa: E402

waitress.serve(build_wsgi_app(argv=[]), host=host, port=port, threads=4, ident="aodh", _quiet=True)
