"""check, functions and invoke, in this process: what they write, and their exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from funcatron.cli import main

DOCUMENT = """\
openapi: 3.0.3
info: {title: Test, version: "1"}
servers: [{url: /v1}]
paths:
  /things/{thingId}:
    get:
      operationId: things.show
      parameters:
        - {name: thingId, in: path, required: true, schema: {type: integer}}
        - {name: X-Count, in: header, schema: {type: integer, default: 1}}
      responses: {"200": {description: fine}}
    post:
      operationId: things.change
      x-funcatron: {mode: async, triggers: [{schedule: {cron: "0 5 * * *", input: {thingId: 1, body: {}}}}]}
      parameters:
        - {name: thingId, in: path, required: true, schema: {type: integer}}
      requestBody: {required: true, content: {application/json: {schema: {type: object}}}}
      responses: {"200": {description: fine}, "202": {description: later}}
  /text:
    get:
      operationId: things.text
      responses: {"200": {description: fine, content: {text/plain: {schema: {type: string}}}}}
x-webhooks:
  counted:
    post:
      operationId: things.counted
      x-funcatron: {triggers: [{event: {type: com.example.counted}}], concurrency: 2, ordering: subject}
      requestBody: {required: true, content: {application/json: {schema: {type: object}}}}
      responses: {"200": {description: fine}}
"""
SURPRISING = """\
openapi: 3.0.3
info: {title: Test, version: "1"}
paths:
  /a/{id}:
    get:
      operationId: things.text
      x-funcatron: {mode: async, concurrency: 2}
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: id, in: query, schema: {type: string}}
      responses: {"200": {description: fine}}
"""
HANDLERS = """\
from funcatron import Problem

def show(thing_id, x_count):
    if thing_id == 0:
        raise Problem(404, detail="no such thing")
    return {"thing": thing_id, "count": x_count}

def change(thing_id, body):
    return {"changed": thing_id}

def text():
    return "grüezi"

def counted(event):
    return {"id": event.id}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "openapi.yaml").write_text(DOCUMENT)
    (tmp_path / "things.py").write_text(HANDLERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("things", None)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return call


def test_check_of_what_is_right(run: Run) -> None:
    assert run("check", "openapi.yaml") == (0, "", "4 functions, 3 of them planned, no mistakes\n")


def test_check_lists_every_mistake_of_every_document(run: Run, project: Path) -> None:
    (project / "broken.yaml").write_text("openapi: 3.0.3\npaths: {}\n")
    (project / "things.py").write_text(HANDLERS.replace("def text()", "def texts()").replace("x_count", "count"))
    code, out, err = run("check", "openapi.yaml", "broken.yaml")
    assert code == 1
    assert "broken.yaml" in out
    assert "openapi.yaml:21 #/paths/~1text/get/operationId: " in out
    assert "openapi.yaml:7 #/paths/~1things~1{thingId}/get/operationId: " in out
    assert err == "3 mistakes\n"


def test_check_as_json(run: Run, project: Path) -> None:
    (project / "things.py").write_text(HANDLERS.replace("def text()", "def texts()"))
    code, out, _ = run("check", "openapi.yaml", "--json")
    assert code == 1
    (mistake,) = json.loads(out)["mistakes"]
    assert mistake["pointer"] == "/paths/~1text/get/operationId"
    assert mistake["line"] == 21
    assert mistake["file"].endswith("openapi.yaml")
    assert "text" in mistake["message"]


def test_check_warns_of_what_may_surprise(run: Run, project: Path) -> None:
    (project / "openapi.yaml").write_text(SURPRISING)
    code, out, err = run("check", "openapi.yaml")
    assert code == 0
    assert [line.partition("#")[2] for line in out.splitlines()] == [
        "/paths/~1a~1{id}/get: two arguments would be called id; the query parameter is id_query",
        "/paths/~1a~1{id}/get: things.text is answered with 202, and the document does not say so",
    ]
    assert all(line.startswith("warning: ") for line in out.splitlines())
    assert err == "1 function, 1 of them planned, no mistakes\n"
    assert len(json.loads(run("check", "openapi.yaml", "--json")[1])["warnings"]) == 2


def test_functions_as_a_table(run: Run) -> None:
    code, out, _ = run("functions", "openapi.yaml")
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["FUNCTION", "ROUTE", "MODE", "TRIGGERS", "HANDLER"],
        ["things.show", "GET", "/v1/things/{thingId}", "sync", "things.show"],
        [
            "things.change",
            "POST",
            "/v1/things/{thingId}",
            "async",
            "schedule",
            "0",
            "5",
            "*",
            "*",
            "*",
            "things.change",
        ],
        ["things.text", "GET", "/v1/text", "sync", "things.text"],
        [
            *("things.counted", "(events", "only)", "async", "(2", "at", "a", "time,", "in", "order", "of", "subject)"),
            *("event", "com.example.counted", "things.counted"),
        ],
    ]


def test_functions_as_json(run: Run) -> None:
    _, out, _ = run("functions", "openapi.yaml", "--json")
    by_name: dict[str, Any] = {function["name"]: function for function in json.loads(out)}
    assert by_name["things.change"]["route"] == "/v1/things/{thingId}"
    assert by_name["things.change"]["mode"] == "async"
    assert by_name["things.change"]["triggers"][0]["schedule"]["cron"] == "0 5 * * *"
    assert (by_name["things.counted"]["route"], by_name["things.counted"]["mode"]) == (None, "async")
    assert (by_name["things.counted"]["concurrency"], by_name["things.counted"]["ordering"]) == (2, "subject")
    assert (by_name["things.show"]["concurrency"], by_name["things.show"]["ordering"]) == (None, None)


def test_invoke_writes_the_body(run: Run) -> None:
    assert run("invoke", "openapi.yaml", "things.show", "--input", '{"thingId": 1}') == (
        0,
        '{"thing":1,"count":1}\n',
        "",
    )


def test_invoke_writes_text_as_it_is(run: Run) -> None:
    assert run("invoke", "openapi.yaml", "things.text")[:2] == (0, "grüezi\n")


def test_invoke_takes_snake_case_and_a_file(run: Run, project: Path) -> None:
    (project / "input.json").write_text('{"thing_id": 1, "x_count": 7}')
    assert json.loads(run("invoke", "openapi.yaml", "things.show", "--input", "@input.json")[1])["count"] == 7


def test_invoke_as_json(run: Run) -> None:
    _, out, _ = run("invoke", "openapi.yaml", "things.show", "--input", '{"thingId": 1}', "--json")
    assert json.loads(out) == {"status": 200, "headers": {}, "body": {"thing": 1, "count": 1}}


@pytest.mark.parametrize(("given", "status"), [('{"thingId": 0}', 404), ('{"thingId": "x"}', 400), ("{}", 400)])
def test_a_refusal_is_on_standard_error(run: Run, given: str, status: int) -> None:
    code, out, err = run("invoke", "openapi.yaml", "things.show", "--input", given)
    assert (code, out) == (1, "")
    assert json.loads(err)["status"] == status


def test_invoke_of_an_unknown_function(run: Run) -> None:
    code, out, err = run("invoke", "openapi.yaml", "things.shwo")
    assert (code, out, err) == (1, "", "Error: no function is called 'things.shwo'; did you mean 'things.show'?\n")
    code, out, err = run("invoke", "openapi.yaml", "zzz")
    assert err == "Error: no function is called 'zzz'; funcatron functions openapi.yaml lists them\n"


def test_invoke_async_queues_an_execution(run: Run) -> None:
    code, out, _ = run("invoke", "openapi.yaml", "things.change", "--input", '{"thingId": 1, "body": {}}', "--async")
    assert code == 0
    execution = json.loads(out)
    assert (execution["state"], execution["function"]) == ("queued", "things.change")
    code, out, _ = run("executions", "show", execution["id"], "--json")
    assert (code, json.loads(out)["id"]) == (0, execution["id"])


def test_invoke_async_of_invalid_input(run: Run) -> None:
    code, out, err = run("invoke", "openapi.yaml", "things.change", "--input", '{"thingId": "x"}', "--async")
    assert (code, out) == (1, "")
    assert json.loads(err)["status"] == 400


def test_an_event_is_accepted_once(run: Run) -> None:
    event = json.dumps({"specversion": "1.0", "id": "1", "source": "/x", "type": "com.example.counted", "data": {}})
    first, second = (run("invoke", "openapi.yaml", "things.counted", "--event", event) for _ in range(2))
    assert (first[0], second[0]) == (0, 0)
    assert json.loads(first[1])[0]["id"] == json.loads(second[1])[0]["id"]


def test_what_is_no_event(run: Run) -> None:
    code, out, err = run("invoke", "openapi.yaml", "things.counted", "--event", '{"id": "1"}')
    assert (code, out) == (1, "")
    assert {error["pointer"] for error in json.loads(err)["errors"]} >= {"/event/source", "/event/type"}


APPLICATION = """\
from funcatron import Funcatron

app = Funcatron("openapi.yaml", handlers={"things.text": lambda word: word})

@app.service("word")
def word():
    yield "from a service"

nothing = None
"""


@pytest.fixture
def made(project: Path) -> Iterator[None]:
    (project / "made.py").write_text(APPLICATION)
    (project / "broken.py").write_text("1 / 0\n")
    yield
    for name in ("made", "broken"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("made")
def test_an_application_brings_its_handlers_and_services(run: Run) -> None:
    assert run("check", "made:app")[::2] == (0, "4 functions, 3 of them planned, no mistakes\n")
    assert run("invoke", "made:app", "things.text")[:2] == (0, "from a service\n")
    assert len(json.loads(run("functions", "made:app", "--json")[1])) == 4


@pytest.mark.usefixtures("made")
def test_an_application_takes_the_settings_of_the_command_line(run: Run, project: Path) -> None:
    given = '{"thingId": 1, "body": {}}'
    code, _, err = run("invoke", "made:app", "things.change", "--input", given, "--async", "--data-dir", "elsewhere")
    assert code == 0, err
    assert (project / "elsewhere" / "funcatron.db").exists()
    assert not (project / ".funcatron").exists()


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("made:nothing", "made:nothing is no Funcatron: made.nothing is NoneType"),
        ("made:ap", "made:ap is no Funcatron: made has no 'ap'; did you mean 'app'?"),
        ("made:other", "made:other is no Funcatron"),
        ("unmade:app", "unmade cannot be imported: ModuleNotFoundError: No module named 'unmade'"),
        ("broken:app", "broken cannot be imported: ZeroDivisionError: division by zero (broken.py, line 1)"),
    ],
)
def test_what_is_no_application(run: Run, spec: str, message: str) -> None:
    code, _, err = run("functions", spec)
    assert code == 1
    assert err.startswith(f"Error: {message}")


@pytest.mark.usefixtures("made")
def test_an_application_stands_alone(run: Run) -> None:
    assert run("functions", "made:app", "openapi.yaml")[0] == 2


@pytest.mark.parametrize("command", ["run", "serve"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_public_address_needs_a_control_token(run: Run, command: str, host: str) -> None:
    code, _, err = run(command, "openapi.yaml", "--host", host)
    assert code == 2
    assert err.startswith(f"Error: {host} can be reached from other machines: set FUNCATRON_CONTROL_TOKEN")


def test_what_a_handlers_module_prints_is_no_answer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "talkative.py").write_text("print('hello from the module')\ndef greet(): return {}\n")
    (tmp_path / "openapi.yaml").write_text(
        "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths:\n  /a:\n    get:\n      operationId: talkative.greet\n"
        "      responses: {'200': {description: ok}}\n"
    )
    answer = subprocess.run(
        [sys.executable, "-m", "funcatron.cli", "functions", str(tmp_path / "openapi.yaml"), "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert [function["name"] for function in json.loads(answer.stdout)] == ["talkative.greet"]
    assert "hello from the module" in answer.stderr


HOOKED = """\
openapi: 3.1.0
info: {title: Test, version: "1"}
webhooks:
  counted:
    post:
      operationId: things.counted
      x-funcatron: {triggers: [{webhook: {path: /hooks, secret: HOOKS, match: {body.kind: counted}}}]}
      responses: {default: {description: ""}}
"""


def test_a_webhook_without_its_secret(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "hooks.yaml").write_text(HOOKED)
    monkeypatch.delenv("FUNCATRON_HOOKS", raising=False)
    code, out, _ = run("check", "hooks.yaml")
    assert (code, out.partition("webhook: ")[2]) == (
        0, "FUNCATRON_HOOKS is not set: HTTP does not start without a secret of /hooks\n",
    )  # fmt: skip
    code, _, err = run("serve", "hooks.yaml", "--port", "0")
    assert (code, err) == (2, "Error: a webhook's secret is not set: FUNCATRON_HOOKS\n")
    monkeypatch.setenv("FUNCATRON_HOOKS", "whsec_!")
    assert run("serve", "hooks.yaml", "--port", "0")[2] == "Error: HOOKS must be whsec_ followed by base64\n"


@pytest.fixture
def own_signals() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
def test_a_dry_run_names_what_comes_by_http(run: Run, project: Path) -> None:
    (project / "hooks.yaml").write_text(HOOKED)
    said = "webhook POST /hooks, signed as standard, where body.kind is counted: not shown, it comes by HTTP"
    told = f"things.counted: {said} (funcatron serve)\nThere is nothing to show.\n"
    assert run("triggers", "--dry-run", "hooks.yaml") == (0, "", told)
