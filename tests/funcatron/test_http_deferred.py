"""funcatron.http.deferred: connexion comes without what it seldom uses, and only the time it takes tells."""

from __future__ import annotations

import subprocess
import sys

SELDOM = "{'httpx', 'requests', 'starlette.testclient'}"


def _run(code: str) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_seldom_used_is_not_imported() -> None:
    _run(f"import sys, funcatron.http.plan.planned_app; assert not {SELDOM} & set(sys.modules)")


def test_who_uses_it_gets_it() -> None:
    _run(
        "import funcatron.http, connexion.json_schema as j, connexion.security as s, sys, warnings\n"
        "from requests.exceptions import Timeout\n"
        "import httpx, requests\n"
        "assert issubclass(httpx.HTTPError, Exception) and httpx.AsyncClient.__module__ == 'httpx'\n"
        "assert requests.Timeout is Timeout\n"
        "assert j.requests.get is requests.get and s.httpx.AsyncClient is httpx.AsyncClient\n"
        "warnings.simplefilter('ignore')\n"
        "from starlette.testclient import TestClient; assert isinstance(TestClient, type)"
    )


def test_connexions_test_client_works() -> None:
    _run(
        "from funcatron.http import PlannedApp\n"
        "app = PlannedApp('t')\n"
        "app.add_api({'openapi': '3.0.3', 'info': {'title': 't', 'version': '1'}, 'paths': {}})\n"
        "client = app.test_client()\n"
        "assert client.get('/nowhere').status_code == 404\n"
        "from starlette.testclient import TestClient; assert type(client) is TestClient"
    )


def test_who_imported_connexion_before_keeps_what_was_imported() -> None:
    _run(
        "import warnings; warnings.simplefilter('ignore')\n"
        "import connexion, httpx, requests, sys\n"
        "import funcatron.http, connexion.security, connexion.json_schema\n"
        "assert connexion.security.httpx is httpx is sys.modules['httpx']\n"
        "assert connexion.json_schema.requests is requests"
    )


def test_who_imports_in_the_meantime_gets_the_module() -> None:
    _run(
        "from funcatron.http.deferred import deferred\n"
        "import sys\n"
        "with deferred():\n"
        "    from httpx import HTTPError\n"
        "    import requests.exceptions\n"
        "assert issubclass(HTTPError, Exception) and issubclass(requests.exceptions.Timeout, Exception)\n"
        "import httpx; assert httpx.HTTPError is HTTPError"
    )
