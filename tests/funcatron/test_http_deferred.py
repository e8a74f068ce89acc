"""funcatron.http.deferred: connexion comes without what it seldom uses, and only the time it takes tells."""

from __future__ import annotations

import subprocess
import sys

import pytest

SELDOM = "{'a2wsgi', 'asgiref', 'flask', 'httpx', 'jinja2', 'requests', 'starlette.testclient'}"
EMPTY = "{'openapi': '3.0.3', 'info': {'title': 't', 'version': '1'}, 'paths': {}}"


def _run(code: str) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["funcatron.http.plan.planned_app", "funcatron.http.door"])
def test_what_is_seldom_used_is_not_imported(module: str) -> None:
    _run(f"import sys, {module}; assert not {SELDOM} & set(sys.modules), {SELDOM} & set(sys.modules)")


def test_who_uses_it_gets_it() -> None:
    _run(
        "import funcatron.http, connexion.json_schema as j, connexion.security as s, connexion.spec as p, sys\n"
        "assert not [name for name, found in sys.modules.items() if type(found).__name__ == '_Deferred']\n"
        "from requests.exceptions import Timeout\n"
        "import asgiref.sync, httpx, jinja2, requests, warnings\n"
        "for module in (asgiref.sync, httpx, jinja2, requests):\n"
        "    assert module is sys.modules[module.__spec__.name]\n"
        "assert issubclass(httpx.HTTPError, Exception) and httpx.AsyncClient.__module__ == 'httpx'\n"
        "assert requests.Timeout is Timeout\n"
        "assert j.requests.get is requests.get and s.httpx.AsyncClient is httpx.AsyncClient\n"
        "assert p.jinja2.Template is jinja2.Template\n"
        "warnings.simplefilter('ignore')\n"
        "from starlette.testclient import TestClient; assert isinstance(TestClient, type)\n"
        "from starlette.templating import Jinja2Templates; assert isinstance(Jinja2Templates, type)\n"
        "from connexion.frameworks import flask; assert flask.flaskify_path('/{a}') == '/<a>'"
    )


def test_connexions_test_client_works() -> None:
    _run(
        "from funcatron.http import PlannedApp\n"
        "app = PlannedApp('t')\n"
        f"app.add_api({EMPTY})\n"
        "client = app.test_client()\n"
        "assert client.get('/nowhere').status_code == 404 and client.get('/ui/').status_code == 200\n"
        "from starlette.testclient import TestClient; assert type(client) is TestClient"
    )


def test_a_flask_app_works() -> None:
    _run(
        "import funcatron.http, connexion, warnings\n"
        "from connexion.decorators.main import FlaskDecorator\n"
        "from connexion.resolver import Resolver\n"
        "async def hello(): return 'hello'\n"
        "class App(connexion.FlaskApp): pass\n"
        "warnings.simplefilter('ignore')\n"
        "app = App('t')\n"
        f"document = {EMPTY}\n"
        "described = {'operationId': 'hello', 'responses': {'200': {'description': 'ok'}}}\n"
        "document['paths']['/hello'] = {'get': described}\n"
        "app.add_api(document, resolver=Resolver(lambda _: hello))\n"
        "assert app.test_client().get('/hello').text.strip() == '\"hello\"'\n"
        "import flask\n"
        "assert isinstance(app.app, flask.Flask) and FlaskDecorator.framework.is_framework_response(flask.Response())"
    )


def test_connexion_offers_what_it_always_offers() -> None:
    _run(
        "import funcatron.http, connexion\n"
        "offered = {'Api', 'App', 'FlaskApi', 'FlaskApp'}\n"
        "assert offered < set(dir(connexion)) and not hasattr(connexion, 'Nothing')\n"
        "from connexion import App, FlaskApi, FlaskApp\n"
        "from connexion.apps.flask import FlaskApp as itself\n"
        "assert App is FlaskApp is itself and connexion.Api is FlaskApi and issubclass(App, connexion.AbstractApp)\n"
        "assert offered < set(vars(connexion))"
    )


def test_without_flask_connexion_says_so_itself() -> None:
    _run(
        "import sys; sys.modules['flask'] = None\n"
        "import funcatron.http, connexion\n"
        "try: connexion.FlaskApp('t')\n"
        "except ImportError as error: assert \"'flask' extra\" in str(error)\n"
        "else: raise AssertionError"
    )


def test_who_imported_connexion_before_keeps_what_was_imported() -> None:
    _run(
        "import warnings; warnings.simplefilter('ignore')\n"
        "import connexion, httpx, requests, sys\n"
        "import funcatron.http, connexion.security, connexion.json_schema\n"
        "assert connexion.security.httpx is httpx is sys.modules['httpx']\n"
        "assert connexion.json_schema.requests is requests and 'FlaskApp' in vars(connexion)"
    )


def test_who_imports_in_the_meantime_gets_the_module() -> None:
    _run(
        "from funcatron.http.deferred import deferred\n"
        "import sys\n"
        "with deferred():\n"
        "    from httpx import HTTPError\n"
        "    import requests.exceptions\n"
        "    from starlette.templating import Jinja2Templates\n"
        "    class Templates(Jinja2Templates): pass\n"
        "    import connexion\n"
        "assert issubclass(HTTPError, Exception) and issubclass(requests.exceptions.Timeout, Exception)\n"
        "import httpx; assert httpx.HTTPError is HTTPError\n"
        "from starlette.templating import Jinja2Templates; assert issubclass(Templates, Jinja2Templates)"
    )
