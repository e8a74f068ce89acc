"""Serve Keystone with waitress: keystone_server.py HOST PORT.

Importing keystone.wsgi reads sys.argv by oslo.config, so that has to be clean by then.
"""

import sys

host, port = sys.argv[1], int(sys.argv[2])
sys.argv = ["keystone"]

import waitress  # noqa: E402 - see above
from keystone.wsgi.api import application  # noqa: E402

waitress.serve(application, host=host, port=port, threads=4, ident="keystone", _quiet=True)
