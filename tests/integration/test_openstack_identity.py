"""Keystone's tokens and the connections of handlers, with the real Keystone and Swift of devstack/mini."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import socketserver
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from funcatron import Funcatron
from funcatron.cli import main
from funcatron.event import CloudEvent
from funcatron.settings import Settings, load_settings
from funcatron.testing import application
from tests.services import OpenStack

pytestmark = [
    pytest.mark.service,
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # the SDK's, of itself
]

PASSWORD = "secret"
RESPONSES = {"200": {"description": "fine"}}


def operation(name: str, *roles: str, **extension: Any) -> dict[str, Any]:
    return {
        "post": {
            "operationId": name,
            "security": [{"keystone": list(roles)}],
            "x-funcatron": extension,
            "responses": RESPONSES,
        }
    }


SPEC: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "components": {
        "securitySchemes": {
            "keystone": {
                "type": "apiKey",
                "in": "header",
                "name": "X-Auth-Token",
                "x-apikeyInfoFunc": "funcatron_openstack.keystone.token_info",
            }
        }
    },
    "paths": {
        "/anybody": operation("anybody"),
        "/members": operation("members", "MEMBER", "reader"),
        "/admins": operation("admins", "admin"),
        "/later": operation("later", mode="async"),
    },
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clouds:
    """clouds.yaml of these tests: that of the stack, with entries of their own."""

    def __init__(self, openstack: OpenStack, folder: Path) -> None:
        self.file = folder / "clouds.yaml"
        self.entries = openstack.clouds
        self.add("service", **self.entries["service"] | {"api_timeout": 30})  # the machine may be busy
        self._tokens: dict[str, str] = {}

    def add(self, name: str, **entry: Any) -> None:
        """Add an entry, or put it in the place of another."""
        self.entries[name] = entry
        self.file.write_text(json.dumps({"clouds": self.entries}))

    def settings(self, cloud: str = "service", **more: Any) -> Settings:
        given = {"cloud": cloud, "clouds_file": str(self.file), **more}
        return load_settings(given, environ={})

    def connection(self, cloud: str) -> Any:
        """Return a Connection as a person would make it, with the password in it."""
        from openstack.config import OpenStackConfig
        from openstack.connection import Connection

        with warnings.catch_warnings(action="ignore"):  # the SDK's, of settings that nobody has given
            return Connection(config=OpenStackConfig(config_files=[str(self.file)], load_envvars=False).get_one(cloud))

    def new_token(self, cloud: str) -> str:
        """Return a token that nobody has used."""
        return str(self.connection(cloud).auth_token)

    def token(self, cloud: str) -> str:
        """Return a token, which others use too."""
        if cloud not in self._tokens:
            self._tokens[cloud] = self.new_token(cloud)
        return self._tokens[cloud]


@pytest.fixture(scope="module")
def clouds(openstack: OpenStack, tmp_path_factory: pytest.TempPathFactory) -> Clouds:
    return Clouds(openstack, tmp_path_factory.mktemp("clouds"))


def app(clouds: Clouds, **settings: Any) -> Funcatron:
    def who(context: Any, token_info: Any) -> Any:
        principal = context.principal
        assert "x-auth-token" not in context.headers
        logging.getLogger("handler").info("called by %s", principal.id)
        return [principal.project_id, sorted(principal.roles), principal.domain_id, token_info["user_name"]]

    handlers = dict.fromkeys(("anybody", "members", "admins", "later"), who)
    given = {"cloud": "service", "clouds_file": str(clouds.file), "control_keystone": True}
    return application(SPEC, handlers=handlers, **given | settings)


@contextlib.asynccontextmanager
async def client(made: Funcatron) -> AsyncIterator[Callable[..., Any]]:
    """Give what asks the application as one who shows a token."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://192.0.2.1") as http:

        async def ask(token: str | bytes | None, method: str, path: str) -> httpx.Response:
            headers = {} if token is None else {"X-Auth-Token": token}
            answer = await http.request(method, path, headers=headers)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["status"] == answer.status_code
            return answer

        yield ask


async def test_who_calls_and_what_they_may(clouds: Clouds, caplog: pytest.LogCaptureFixture) -> None:
    demo, admin, token = clouds.connection("demo"), clouds.token("admin"), clouds.token("demo")
    with caplog.at_level(logging.DEBUG):
        async with client(app(clouds)) as ask:
            answer = await ask(token, "POST", "/anybody")
            assert answer.json() == [demo.current_project_id, ["member", "reader"], "default", "demo"]
            assert (await ask(token, "POST", "/members")).status_code == 200
            assert (await ask(admin, "POST", "/admins")).status_code == 200
            refused = await ask(token, "POST", "/admins")
            assert refused.status_code == 403
            assert "role admin" in refused.json()["detail"]
            huge = ("x" * 9000, "x" * 8000, "gAAAA" + "B" * 178)
            for wrong in (None, "garbage", "", *huge, token[:-2], token + "x", "é".encode()):
                assert (await ask(wrong, "POST", "/anybody")).status_code == 401, wrong
    for secret in (token, admin):
        assert secret not in caplog.text


async def test_a_token_that_is_scoped_to_nothing_is_nobodys(clouds: Clouds) -> None:
    from keystoneauth1.identity import v3
    from keystoneauth1.session import Session

    given = {name: value for name, value in clouds.entries["demo"]["auth"].items() if not name.startswith("project")}
    session = Session(v3.Password(**given, unscoped=True))
    async with client(app(clouds)) as ask:
        assert (await ask(session.get_token(), "POST", "/anybody")).status_code == 403


async def test_a_revoked_token_is_refused_within_the_time(clouds: Clouds) -> None:
    token, admin = clouds.new_token("demo"), clouds.connection("admin")
    async with client(app(clouds, token_cache=0.5)) as ask:
        assert (await ask(token, "POST", "/anybody")).status_code == 200
        revoked = admin.identity.delete("/auth/tokens", headers={"X-Subject-Token": token})
        assert revoked.status_code == 204
        end = time.monotonic() + 60
        while (await ask(token, "POST", "/anybody")).status_code == 200:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        assert (await ask(token, "POST", "/anybody")).status_code == 401


def short_lived(clouds: Clouds, seconds: float) -> tuple[str, datetime]:
    """Return a token and when it ends: with what it was made by."""
    demo, soon = clouds.connection("demo"), datetime.now(UTC) + timedelta(seconds=seconds)
    made = demo.identity.create_application_credential(
        demo.current_user_id, name=f"short {time.time()}", expires_at=soon.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    )
    clouds.add(f"short{seconds}", auth_type="v3applicationcredential", auth=credential(clouds, made))
    return clouds.new_token(f"short{seconds}"), soon


async def test_an_expired_token_is_refused_however_long_tokens_are_kept(clouds: Clouds) -> None:
    async with client(app(clouds, token_cache=3600)) as ask:
        for seconds in (4, 16, 64):  # the machine may be busy
            token, soon = short_lived(clouds, seconds)
            if (await ask(token, "POST", "/anybody")).status_code == 200:
                break
        end = time.monotonic() + 60
        while (await ask(token, "POST", "/anybody")).status_code == 200:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        assert datetime.now(UTC) >= soon - timedelta(seconds=1)
        assert (await ask(token, "POST", "/anybody")).status_code == 401


async def test_no_project_sees_anothers_executions(clouds: Clouds, tmp_path: Path) -> None:
    demo, alt, admin = [clouds.token(name) for name in ("demo", "alt", "admin")]
    made = app(clouds)
    async with client(made) as ask:
        locations = {token: (await ask(token, "POST", "/later")).headers["location"] for token in (demo, alt)}
        for token, other in ((demo, alt), (alt, demo)):
            listed = await ask(token, "GET", "/_funcatron/executions")
            assert [one["links"]["self"] for one in listed.json()["executions"]] == [locations[token]]
            assert (await ask(token, "GET", "/_funcatron/executions?all_projects=true")).status_code == 403
            for method, path in ONE:
                hidden = await ask(token, method, locations[other] + path)
                assert hidden.status_code == 404
                assert (await ask("garbage", method, locations[other] + path)).status_code == 401
                assert (await ask(None, method, locations[other] + path)).status_code == 401
        assert (await ask(admin, "GET", "/_funcatron/executions")).json()["executions"] == []
        everything = await ask(admin, "GET", "/_funcatron/executions?all_projects=true")
        assert {one["links"]["self"] for one in everything.json()["executions"]} == set(locations.values())
        assert (await ask(demo, "POST", locations[demo] + "/cancel")).json()["state"] == "cancelled"
        assert (await ask(admin, "POST", locations[alt] + "/cancel")).status_code == 404
        assert (await ask(admin, "POST", locations[alt] + "/cancel?all_projects=true")).status_code == 200
        shown = await ask(demo, "GET", locations[demo])
    record = made.store.get(locations[demo].rpartition("/")[2])
    for token in (demo, alt, admin):
        assert token not in shown.text + str(record)


ONE = [("GET", ""), ("GET", "/result"), ("GET", "/logs"), ("POST", "/cancel"), ("POST", "/redrive")]


class Wire(socketserver.ThreadingTCPServer):
    """A wire to Keystone that can be cut."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.target = (parts.hostname or "", parts.port or 80)
        self.cut = False
        super().__init__(("127.0.0.1", 0), _Wire)
        self.url = f"http://127.0.0.1:{self.server_address[1]}{parts.path}"


class _Wire(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire = self.server
        assert isinstance(wire, Wire)
        if wire.cut:
            return
        with contextlib.suppress(OSError), socket.create_connection(wire.target) as far:
            back = threading.Thread(target=self.carry, args=(far, self.request), daemon=True)
            back.start()
            self.carry(self.request, far)
            back.join()

    def carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(65536):
                if self.server.cut:  # type: ignore[attr-defined]
                    break
                other.sendall(piece)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(clouds: Clouds) -> Iterator[Wire]:
    """Between the service and Keystone."""
    made = Wire(clouds.entries["service"]["auth"]["auth_url"])
    serving = threading.Thread(target=made.serve_forever, args=(0.02,))
    serving.start()
    entry = clouds.entries["service"]
    clouds.add("wired", **entry | {"auth": entry["auth"] | {"auth_url": made.url}})
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()
        serving.join()


async def test_while_keystone_is_away_nobody_is_told_that_they_are_nobody(clouds: Clouds, wire: Wire) -> None:
    token, other = clouds.token("demo"), clouds.token("alt")
    async with client(app(clouds, cloud="wired")) as ask:
        assert (await ask(token, "POST", "/anybody")).status_code == 200
        wire.cut = True
        assert (await ask(other, "POST", "/anybody")).status_code == 503
        assert (await ask(token, "POST", "/anybody")).status_code == 200  # known
        refused = await ask(other, "GET", "/_funcatron/executions")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        wire.cut = False
        end = time.monotonic() + 60
        while (answer := await ask(other, "POST", "/anybody")).status_code == 503:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        assert answer.status_code == 200


async def test_a_service_that_may_not_validate_says_so_in_its_log_alone(
    clouds: Clouds, caplog: pytest.LogCaptureFixture
) -> None:
    token = clouds.token("demo")
    for cloud, said in (("alt", "needs the role service or admin"), ("wrong", "Keystone cannot be asked")):
        entry = clouds.entries["alt"]
        clouds.add("wrong", **entry | {"auth": entry["auth"] | {"password": "n0t-th1s"}})
        async with client(app(clouds, cloud=cloud)) as ask:
            answer = await ask(token, "POST", "/anybody")
            assert answer.status_code == 503
            assert said not in answer.text
        assert said in caplog.text
        assert "n0t-th1s" not in caplog.text
        assert token not in caplog.text


# context.openstack


def credential(clouds: Clouds, made: Any) -> dict[str, Any]:
    return {
        "auth_url": clouds.entries["demo"]["auth"]["auth_url"],
        "application_credential_id": made.id,
        "application_credential_secret": made.secret,
    }


def writer(clouds: Clouds, **openstack: str) -> tuple[Funcatron, list[Any]]:
    """Return an application whose function writes an object named by its event, and the connections it had."""
    connections = []

    def write(context: Any, event: Any) -> Any:
        connections.append(context.openstack)
        context.openstack.object_store.upload_object(
            "written", event.subject, data=event.subject.encode(), content_type="text/plain"
        )
        return context.openstack.object_store.get_object_metadata(event.subject, container="written").etag

    spec = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {},
        "x-webhooks": {
            "w": {
                "post": {
                    "operationId": "write",
                    "x-funcatron": {"timeout": 300, "openstack": openstack, "triggers": [{"event": {"type": "t"}}]},
                    "responses": RESPONSES,
                }
            }
        },
    }
    given = {"clouds_file": str(clouds.file)}
    return application(spec, handlers={"write": write}, **given), connections


def event(name: str, **extensions: Any) -> CloudEvent:
    return CloudEvent(id=name, source="s", type="t", subject=name, extensions=extensions)


async def called(made: Funcatron, name: str, **extensions: Any) -> Any:
    result = await made.invoke("write", event=event(name, **extensions))
    assert result.ok, result.value
    return result.value


@pytest.fixture
def container(clouds: Clouds) -> Any:
    """The container of the project demo that functions write to, asked directly."""
    store = clouds.connection("demo").object_store
    store.create_container("written")
    return store


async def test_one_connection_serves_all_calls_in_all_threads(clouds: Clouds, container: Any) -> None:
    made, connections = writer(clouds, cloud="demo")
    names = [f"many {number}" for number in range(12)]
    await asyncio.gather(*(called(made, name) for name in names))
    assert len({id(connection) for connection in connections}) == 1
    assert {one.name for one in container.objects("written", prefix="many ")} >= set(names)


async def test_a_token_that_is_refused_is_made_anew(clouds: Clouds, container: Any) -> None:
    made, connections = writer(clouds, cloud="demo")
    await called(made, "before")
    session = connections[0].session
    first = session.auth.get_access(session).auth_token
    session.auth.auth_ref._auth_token = "garbage"  # Swift keeps revoked tokens for minutes, but no garbage
    session.auth._made -= 2
    with ThreadPoolExecutor(4) as threads:
        heads = list(threads.map(lambda _: connections[0].object_store.head("/written").status_code, range(4)))
    assert set(heads) == {204}
    assert session.auth.get_access(session).auth_token not in (first, "garbage")
    session.auth.auth_ref._data["token"]["expires_at"] = "2020-01-01T00:00:00.000000Z"
    await called(made, "after")
    assert not session.auth.get_access(session).will_expire_soon()


async def test_an_application_credential(clouds: Clouds, container: Any) -> None:
    demo = clouds.connection("demo")
    made = demo.identity.create_application_credential(
        demo.current_user_id, name=f"robot {time.time()}", roles=[{"name": "member"}]
    )
    clouds.add("robot", auth_type="v3applicationcredential", auth=credential(clouds, made))
    one, connections = writer(clouds, cloud="robot")
    await called(one, "by a robot")
    assert connections[0].current_project_id == demo.current_project_id
    assert made.secret not in reach(connections[0])


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["trust", *arguments])
    out, err = capsys.readouterr()
    return exit_.value.code or 0, out, err  # type: ignore[return-value]


async def test_a_trust_lets_functions_act_for_a_user_until_it_is_taken_back(
    clouds: Clouds, container: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds.file))
    monkeypatch.setenv("OS_CLOUD", "demo")
    assert command(capsys, "create")[0] == 2
    code, out, err = command(capsys, "create", "--trustee-cloud", "service", "--role", "member", "--expires", "1h")
    trust = out.strip()
    assert code == 0
    assert trust in err
    (listed,) = [one for one in json.loads(command(capsys, "list", "--json")[1]) if one["id"] == trust]
    assert (listed["roles"], listed["expires_at"] > listed["id"][:0]) == (["member"], True)
    assert trust in command(capsys, "list", "--given-to-me", "--cloud", "service")[1]
    assert trust not in command(capsys, "list", "--cloud", "alt")[1]
    assert command(capsys, "delete", trust, "--cloud", "alt")[0] == 1

    made, connections = writer(clouds, cloud="service", trust=trust)
    await called(made, "by a trust")
    demo = clouds.connection("demo")
    assert connections[0].current_project_id == demo.current_project_id
    assert connections[0].current_user_id == demo.current_user_id
    assert PASSWORD not in reach(connections[0])

    assert command(capsys, "delete", trust)[:2] == (0, trust + "\n")
    assert command(capsys, "delete", trust)[0] == 1
    session = connections[0].session
    session.auth._made -= 2  # or it is taken for the one that another thread has just had made
    session.auth.invalidate()
    result = await made.invoke("write", event=event("no more"))
    assert (result.status, result.failure) == (500, "handler")
    assert "no more" not in {one.name for one in container.objects("written")}


async def test_what_functions_write_is_marked(clouds: Clouds, container: Any) -> None:
    made, _ = writer(clouds, cloud="demo")
    for name, extensions, generation in (("first", {}, "1"), ("second", {"generation": 3}, "4")):
        await called(made, f"marked {name}", **extensions)
        mark = container.head(f"/written/marked {name}").headers["X-Object-Meta-Funcatron-Mark"]
        assert mark.split(".")[2] == generation


async def test_segments_are_marked_and_calls_side_by_side_keep_their_own_marks(clouds: Clouds, container: Any) -> None:
    from funcatron.invocation import Invocation
    from funcatron_openstack.cloud import connection_for

    def upload(function: str) -> None:
        invocation = Invocation(id="i", function=function, trigger="event", arguments={})
        connection = connection_for(clouds.settings("demo"), invocation)
        for number in range(3):
            name = f"large {function}/{number}"
            connection.create_object("written", name, data=b"x" * 30, segment_size=10, use_slo=True)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(upload, ["a", "b", "c"]))
    from funcatron_openstack.marks import Mark

    for name in [one.name for one in container.objects("written", prefix="large ")]:
        mark = container.head(f"/written/{name}").headers["X-Object-Meta-Funcatron-Mark"]
        assert mark.startswith(str(Mark.by(name[6], 1)))


async def test_no_password_is_in_reach_of_a_connection_that_was_used(clouds: Clouds, container: Any) -> None:
    made, connections = writer(clouds, cloud="demo")
    await called(made, "used")
    assert PASSWORD not in reach(connections[0])


def reach(start: Any) -> set[str]:
    """Return all texts that attributes, items, closures and bound methods lead to."""
    seen: set[int] = set()
    texts: set[str] = set()
    stack = [start]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            texts.add(item)
        if id(item) in seen or isinstance(item, type(json) | type):
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            stack += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set | frozenset):
            stack += item
        stack += list(getattr(item, "__dict__", {}).values())
        stack += [cell.cell_contents for cell in getattr(item, "__closure__", None) or ()]
        stack += [getattr(item, name) for name in ("__self__", "__func__") if hasattr(item, name)]
    assert len(texts) > 100
    return texts


# Bundles in Swift


async def test_a_bundle_in_swift_is_run(
    clouds: Clouds, container: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from funcatron.bundles.errors import BundleError
    from funcatron.bundles.making import make
    from funcatron.errors import FuncatronError

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "openapi.json").write_text(json.dumps(SPEC | {"components": {}, "paths": PACKED}))
    (tmp_path / "project" / "packed_handlers.py").write_text("def hello():\n    return 'from Swift'\n")
    digest = make(tmp_path / "project", tmp_path / "b.zip")
    container.put("/written/packages%20of/b.zip", data=(tmp_path / "b.zip").read_bytes())
    settings = clouds.settings("demo", data_dir=str(tmp_path))
    for pin in ("", f"#sha256={digest}"):
        made = Funcatron(f"swift://written/packages%20of/b.zip{pin}", settings=settings)
        assert (await made.invoke("packed_handlers.hello")).value == "from Swift"
        made.close()
    with pytest.raises(BundleError, match=f"has the digest sha256={digest}"):
        Funcatron(f"swift://written/packages%20of/b.zip#sha256={'0' * 64}", settings=settings)
    for absent in ("swift://written/none.zip", "swift://none/b.zip", "swift://written.zip"):
        with pytest.raises(FuncatronError, match=r"404 Not Found|write swift://"):
            Funcatron(absent, settings=settings)
    entry = clouds.entries["alt"]
    clouds.add("wrong-password", **entry | {"auth": entry["auth"] | {"password": "n0t-th1s"}})
    with pytest.raises(FuncatronError, match=r"packages%20of/b\.zip: Unauthorized"):
        Funcatron("swift://written/packages%20of/b.zip", settings=clouds.settings("wrong-password"))


PACKED = {"/hello": {"get": {"operationId": "packed_handlers.hello", "responses": RESPONSES}}}
