"""Uploads into a real Swift call functions: what is true once, what is not never."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import subprocess
import sys
import tarfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from itertools import count, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from kombu import Connection

from funcatron.errors import Unavailable
from funcatron.settings import load_settings
from funcatron_openstack.container import Container, Denied
from funcatron_openstack.marks import Mark, headers_of
from tests.integration.running import environment, running, until
from tests.integration.surroundings import Passage
from tests.integration.uploading import ALL, HANDLERS, Uploads, document, uploads
from tests.services import OpenStack, Swift

pytestmark = pytest.mark.service

CLIENTS, ROUNDS, NAMES = 4, 10, 7
TRIGGERS = {
    "uploads.note": [
        {"container": "many"},
        {"container": "refused", "actions": ALL},
        {"container": "names"},
        {"container": "changes", "actions": ALL},
        {"container": "ways", "actions": ALL, "poll": 2},
        {"container": "going", "actions": ALL, "poll": 2},
        {"container": "ceph", "actions": ALL, "exchange": "rgw", "routing_key": "topic1", "poll": 3600},
    ],
    "uploads.echo": [{"container": "echo", "poll": 2}],
    "uploads.main": [{"container": "qinling", "prefix": ["a/", "b/"], "suffix": ".jpg"}],
}


@pytest.fixture(scope="module")
def swift(openstack: OpenStack) -> Swift:
    client = openstack.swift()
    for settings in TRIGGERS.values():
        for one in settings:
            client.put(one["container"])
    client.put("changes/before", b"was there before")
    return client


@pytest.fixture(scope="module")
def app(
    openstack: OpenStack, swift: Swift, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[Uploads]:
    old = float(swift.ask("HEAD", "changes/before").headers["X-Timestamp"]) + 3  # Swift tells its time to the second
    until(lambda: time.time() > old, "what was there before to be old")
    with uploads(openstack, tmp_path_factory.mktemp("uploads"), free_port(), TRIGGERS) as running:
        yield running
        running.succeeded()


def test_each_version_that_was_seen_is_one_call(app: Uploads, swift: Swift, openstack: OpenStack) -> None:
    def upload(client: int) -> None:
        mine = openstack.swift()
        for number in range(ROUNDS):
            mine.put(f"many/{(client + number) % NAMES}", f"{client}/{number}".encode())

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(upload, range(CLIENTS)))
    stored = {str(name): swift.ask("HEAD", f"many/{name}").headers for name in range(NAMES)}

    def last_seen() -> dict[str, str]:
        return {line["object"]: line["timestamp"] for line in app.seen("many")}

    last = {name: headers["X-Timestamp"] for name, headers in stored.items()}
    until(lambda: last_seen() == last, "the last version of each object")
    calls = app.seen("many")
    assert len({line["event"] for line in calls}) == len(calls)
    assert {line["attempt"] for line in calls} == {1}
    for _name, of_one in groupby(sorted(calls, key=itemgetter("object")), key=itemgetter("object")):
        versions = [line["timestamp"] for line in of_one]
        assert versions == sorted(versions)  # in the order of versions, as sorted() keeps that of the calls
    for line in calls:
        if line["timestamp"] == last[line["object"]]:
            assert line["etag"] == stored[line["object"]]["Etag"]


def test_what_swift_refused_and_own_writes_call_nobody(app: Uploads, swift: Swift, openstack: OpenStack) -> None:
    stranger = openstack.swift("alt")
    stranger_url = swift.url.removeprefix(stranger.url.rpartition("/")[0] + "/")
    swift.put("refused/kept", b"kept")
    answers = [
        swift.ask("PUT", "refused/forged", b"x", anonymous=True),
        swift.ask("PUT", "refused/kept", b"x", anonymous=True),
        swift.ask("DELETE", "refused/kept", anonymous=True),
        swift.ask("PUT", "refused/token", b"x", anonymous=True, X_Auth_Token="nonsense"),
        stranger.session.request(f"{swift.url}/refused/kept", "PUT", data=b"x", raise_exc=False, log=False),
        swift.ask("PUT", "no-such-container/a", b"x"),
        swift.ask("DELETE", "refused/missing"),
        swift.ask("PUT", "refused/kept", b"x", If_None_Match="*"),
        swift.ask("PUT", "refused/sum", b"x", ETag="0" * 32),
        swift.ask("DELETE", "refused"),
        swift.ask("GET", "refused/kept"),
        swift.ask("HEAD", "refused/kept"),
        swift.ask("GET", "refused"),
    ]
    assert stranger_url
    swift.ask("POST", "refused", X_Container_Meta_Quota_Bytes="10")
    answers.append(swift.ask("PUT", "refused/quota", b"x" * 100))
    statuses = [answer.status_code for answer in answers]
    assert statuses == [401, 401, 401, 401, 403, 404, 404, 412, 422, 409, 200, 200, 200, 413]
    own = headers_of(Mark.by("uploads.note", 1), "PUT", f"{swift.url}/refused/own")
    swift.ask("POST", "refused", X_Remove_Container_Meta_Quota_Bytes="x")
    swift.put("refused/own", b"written by the function itself", **own)
    swift.put("refused/end", b"end")
    calls = app.wait_for("refused", ("kept", "created"), ("end", "created"))
    assert sorted((line["object"], line["action"]) for line in calls) == [("end", "created"), ("kept", "created")]
    assert calls[0]["user_id"] == swift.session.get_user_id()


NAMED = {
    "déjà vu/東京 😀.txt": b"1",
    "100%25 of a+b?c#d&e=f;g%2Fh": b"12",
    "/lead//x": b"123",
    "é" * 512: b"1234",
    "x" * 1024: b"12345",
    "empty": b"",
    " space ": b"1",
    "quote\"\\'<>": b"12",
}


def test_names_and_sizes_are_those_of_the_client(app: Uploads, swift: Swift) -> None:
    for name, content in NAMED.items():
        swift.put(f"names/{name}", content, X_Object_Meta_Name=quote(name)[:200])
    swift.put("names/folder/", b"")
    swift.put("names/folder", b"", Content_Type="application/directory")
    swift.put("names/last")
    calls = app.wait_for("names", *((name, "created") for name in NAMED), ("last", "created"))
    assert {line["object"]: line["size"] for line in calls} == {
        **{name: len(content) for name, content in NAMED.items()},
        "last": 0,
    }
    assert len(calls) == len(NAMED) + 1
    for line in calls:
        assert line["metadata"] == ({} if line["object"] == "last" else {"name": quote(line["object"])[:200]})
        assert line["subject"] == line["object"]


def test_overwrites_metadata_and_deletes(app: Uploads, swift: Swift) -> None:
    def change(action: str, number: int) -> dict[str, Any]:
        found = until(
            lambda: [line for line in app.seen("changes") if line["action"] == action][number:],
            f"{action}, no. {number}",
        )
        return dict(found[0])

    swift.put("changes/a", b"1", Content_Type="text/plain")
    assert change("created", 0)["content_type"] == "text/plain"
    swift.ask("POST", "changes/a", X_Object_Meta_Colour="blue")
    assert change("updated", 0)["metadata"] == {"colour": "blue"}
    swift.put("changes/a", b"1")
    created = change("created", 1)
    swift.ask("DELETE", "changes/a")
    deleted = change("deleted", 0)
    assert (deleted["timestamp"], deleted["etag"]) == (created["timestamp"], created["etag"])
    assert "size" not in deleted
    swift.put("changes/a", b"1")
    change("created", 2)
    assert [line["action"] for line in app.seen("changes")] == ["created", "updated", "created", "deleted", "created"]
    assert [line["type"] for line in app.seen("changes")[:2]] == [
        "org.openstack.swift.object.created",
        "org.openstack.swift.object.updated",
    ]


def test_a_function_of_qinling(app: Uploads, swift: Swift) -> None:
    for name in ("a/1.jpg", "a/1.png", "c/1.jpg", "a/1.jpg/000000", "b/2.jpg"):
        swift.put(f"qinling/{name}")
    until(lambda: len(app.lines("main")) >= 2, "both")
    assert sorted(line[:2] for line in app.lines("main")) == [["qinling", "a/1.jpg"], ["qinling", "b/2.jpg"]]


def s3(swift: Swift, method: str, key: str, body: bytes = b"") -> int:
    """A request to the S3 API, signed as version 2 of its signatures is."""
    session = swift.session
    url = f"{session.auth.auth_url}/users/{session.get_user_id()}/credentials/OS-EC2"
    made = session.request(url, "POST", json={"tenant_id": session.get_project_id()}).json()["credential"]
    date = formatdate(usegmt=True)
    signed = hmac.new(made["secret"].encode(), f"{method}\n\n\n{date}\n/{key}".encode(), hashlib.sha1).digest()
    headers = {"Date": date, "Authorization": f"AWS {made['access']}:{b64encode(signed).decode()}", "Content-Type": ""}
    base = swift.url.partition("/v1/")[0]
    answer = session.request(f"{base}/{key}", method, data=body, headers=headers, authenticated=False, raise_exc=False)
    return int(answer.status_code)


def key_of(swift: Swift) -> bytes:
    swift.ask("POST", "", X_Account_Meta_Temp_URL_Key="k")
    return b"k"


def temp_url(swift: Swift, path: str, body: bytes) -> int:
    full = swift.url[swift.url.index("/v1/") :] + f"/{path}"
    expires = int(time.time()) + 300
    signature = hmac.new(key_of(swift), f"PUT\n{expires}\n{full}".encode(), hashlib.sha256).hexdigest()
    query = f"temp_url_sig={signature}&temp_url_expires={expires}"
    return int(swift.ask("PUT", path, body, query=query, anonymous=True).status_code)


def form_post(swift: Swift, container: str, prefix: str, name: str, body: bytes) -> int:
    path = swift.url[swift.url.index("/v1/") :] + f"/{container}/{prefix}"
    expires = int(time.time()) + 300
    text = f"{path}\n\n1000\n1\n{expires}"
    signature = hmac.new(key_of(swift), text.encode(), hashlib.sha256).hexdigest()
    fields = {"redirect": "", "max_file_size": 1000, "max_file_count": 1, "expires": expires, "signature": signature}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    file = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'
    content = "".join(parts).encode() + file.encode() + body + b"\r\n--b--\r\n"
    headers = {"Content_Type": "multipart/form-data; boundary=b"}
    return int(swift.ask("POST", f"{container}/{prefix}", content, anonymous=True, **headers).status_code)


def tar(**files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def test_every_way_to_write_ends_in_the_right_calls(app: Uploads, swift: Swift) -> None:
    swift.put("elsewhere")
    swift.put("elsewhere/source", b"source")
    assert swift.ask("COPY", "elsewhere/source", Destination="ways/copied").status_code == 201
    assert s3(swift, "PUT", "ways/by-s3", b"by s3") == 200
    assert swift.ask("PUT", "ways", tar(one=b"1", two=b"22"), query="extract-archive=tar").status_code == 200
    assert temp_url(swift, "ways/by-tempurl", b"t") == 201
    assert form_post(swift, "ways", "form_", "file", b"four") == 201
    for number in range(2):
        swift.put(f"ways/dynamic/{number}", b"x" * 100)
        swift.put(f"ways/static/00000{number}", b"y" * 100)
    swift.put("ways/dynamic-whole", X_Object_Manifest="ways/dynamic/")
    manifest = json.dumps([{"path": f"/ways/static/00000{number}"} for number in range(2)])
    swift.put("ways/static", manifest.encode(), query="multipart-manifest=put")
    swift.put("ways/link", X_Symlink_Target="elsewhere/source", Content_Type="application/symlink")
    sizes = {
        "copied": 6, "by-s3": 5, "one": 1, "two": 2, "by-tempurl": 1, "form_file": 4, "dynamic/0": 100,
        "dynamic/1": 100, "dynamic-whole": 200, "static": 200, "link": 6,
    }  # fmt: skip
    calls = app.wait_for("ways", *((name, "created") for name in sizes))
    assert {line["object"]: line["size"] for line in calls} == sizes
    assert len(calls) == len(sizes)
    assert s3(swift, "DELETE", "ways/by-s3") == 204
    assert swift.ask("DELETE", "ways/static", query="multipart-manifest=delete").status_code == 200
    assert swift.ask("POST", "", b"ways/one\nways/two\n", query="bulk-delete", Content_Type="text/plain").ok
    gone = ("by-s3", "static", "one", "two")
    calls = app.wait_for("ways", *((name, "deleted") for name in gone))
    assert len(calls) == len(sizes) + len(gone)
    swift.ask("POST", "ways", X_Versions_Enabled="true")
    swift.put("ways/versioned", b"1")
    app.wait_for("ways", ("versioned", "created"))
    swift.put("ways/versioned", b"2")
    until(lambda: sum(line["object"] == "versioned" for line in app.seen("ways")) == 2, "the second version")
    assert swift.ask("DELETE", "ways/versioned").status_code == 204
    calls = app.wait_for("ways", ("versioned", "deleted"))
    assert len(calls) == len(sizes) + len(gone) + 3


def test_a_container_that_goes_and_comes_again(app: Uploads, swift: Swift) -> None:
    swift.put("going/a", b"1")
    app.wait_for("going", ("a", "created"))
    assert swift.ask("DELETE", "going/a").status_code == 204
    assert swift.ask("DELETE", "going").status_code == 204
    app.wait_for("going", ("a", "deleted"))
    swift.put("going")
    swift.put("going/b", b"2")
    calls = app.wait_for("going", ("b", "created"))
    assert len(calls) == 3


def test_a_dry_run_shows_what_would_be_called(app: Uploads, swift: Swift, openstack: OpenStack, tmp_path: Path) -> None:
    swift.put("rehearsed")
    trigger = {"container": "rehearsed", "prefix": ["a", "f"]}
    (tmp_path / "openapi.json").write_text(json.dumps(document({"uploads.note": [trigger]})))
    (tmp_path / "uploads.py").write_text(HANDLERS.read_text())
    arguments = ("triggers", "--dry-run", "openapi.json")
    with running(*arguments, folder=tmp_path, extra=openstack.environ) as program:
        until(lambda: "listening to swift" in program.output(), "its queue")
        swift.ask("PUT", "rehearsed/forged", b"x", anonymous=True)
        swift.put("rehearsed/other", b"x")
        swift.put("rehearsed/a", b"x")
        until(lambda: "rehearsed/a: created at" in program.output(), "the upload", patience=120)
        until(lambda: "put rehearsed/forged: there is no such object" in program.output(), "the refused one")
        until(lambda: "put rehearsed/other: its name is not asked for" in program.output(), "the one of another name")
        assert "for uploads.note" in program.output()
    assert not (tmp_path / "seen").exists()
    assert not (tmp_path / ".funcatron").exists()


def test_an_object_that_is_there_calls_when_it_is_asked_for(app: Uploads, swift: Swift, openstack: OpenStack) -> None:
    folder = app.program.folder
    for name, code in (("changes/before", 0), ("changes/absent", 1)):
        command = [sys.executable, "-m", "funcatron.cli", "invoke", "openapi.json", "uploads.note"]
        done = subprocess.run(
            [*command, "--event", f"swift:{name}"], cwd=folder, env=environment(openstack.environ),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
    assert "there is no object 'absent'" in done.stderr
    calls = app.wait_for("changes", ("before", "created"))
    assert [line["size"] for line in calls if line["object"] == "before"] == [len("was there before")]


@dataclass
class Away:
    """A stack whose bus and whose Keystone may go away, for the application alone."""

    stack: OpenStack
    bus: Passage
    keystone: Passage


@pytest.fixture
def away(openstack: OpenStack, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Away]:
    def passage(url: str) -> Passage:
        return Passage(free_port(), urlsplit(url).port or 0)

    clouds = openstack.clouds
    auth_url = clouds["demo"]["auth"]["auth_url"]
    bus, keystone = passage(openstack.notifications), passage(auth_url)
    clouds["demo"]["auth"]["auth_url"] = auth_url.replace(str(urlsplit(auth_url).port), str(keystone.port))
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
    notifications = openstack.notifications.replace(str(urlsplit(openstack.notifications).port), str(bus.port))
    environ = {
        **openstack.environ,
        "OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"),
        "FUNCATRON_NOTIFICATIONS": notifications,
    }
    yield Away(OpenStack(openstack.folder, environ), bus, keystone)
    bus.close()
    keystone.close()


def test_nothing_is_lost_or_doubled_whatever_goes_away(
    away: Away, openstack: OpenStack, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    swift = openstack.swift()
    swift.put("outages")
    names = (f"{number:02}" for number in count())
    sent: list[str] = []

    def upload(number: int = 3) -> list[tuple[str, str]]:
        for _ in range(number):
            sent.append(next(names))
            swift.put(f"outages/{sent[-1]}", sent[-1].encode())
        return [(name, "created") for name in sent]

    triggers = {"uploads.note": [{"container": "outages", "actions": ALL, "poll": 3600}]}
    port = free_port()
    with uploads(away.stack, tmp_path / "app", port, triggers) as app:
        until(lambda: "listening to swift" in app.program.output(), "the queue")
        app.wait_for("outages", *upload())
        away.bus.close()
        until(lambda: "connecting again" in app.program.output(), "the bus to be missed")
        during = upload()
        away.bus.open()
        app.wait_for("outages", *during)  # they have waited in our queue: nobody looks for an hour
        app.succeeded()
        app.program.kill()
    upload()
    swift.ask("DELETE", "outages/00")
    away.keystone.close()
    with uploads(away.stack, tmp_path / "app", port, triggers) as app:
        until(lambda: "trying again until it goes" in app.program.output(), "Keystone to be missed")
        wanted = upload()
        away.keystone.open()
        calls = app.wait_for("outages", *wanted, ("00", "deleted"))
        app.succeeded()
    assert sorted(line["object"] for line in calls if line["action"] == "created") == sent
    assert len(calls) == len(sent) + 1


def test_a_token_that_is_no_good_any_more_is_replaced(openstack: OpenStack) -> None:
    openstack.swift().put("renewed")
    openstack.swift().put("renewed/a", b"a")
    settings = load_settings(environ=openstack.environ)
    box = Container("renewed", settings)
    assert box.head("a") is not None
    box._access.session.auth.auth_ref._auth_token = "expired"  # Swift answers 401

    def size() -> int | None:
        with suppress(Unavailable):  # a token that was made just now is not made again at once
            found = box.head("a")
            assert found is not None
            return found.size
        return None

    assert until(size, "another token") == 1


def test_who_is_refused_is_told_so(openstack: OpenStack) -> None:
    stranger = load_settings({"cloud": "alt"}, environ=openstack.environ)
    theirs = Container("refused", stranger, account=openstack.swift().account)
    with pytest.raises(Denied, match="403"):
        theirs.head("kept")
    with pytest.raises(Denied, match="no cloud 'nobody'"):
        Container("refused", load_settings({"cloud": "nobody"}, environ=openstack.environ)).head("kept")


def test_what_a_function_writes_does_not_call_it(app: Uploads, swift: Swift) -> None:
    for name in ("a", "b"):
        swift.put(f"echo/{name}", b"x")
        until(lambda name=name: swift.ask("HEAD", f"echo/{name}-echo").ok, "the echo")
    swift.put("echo/end", b"x")
    until(lambda: "end" in app.lines("echo"), "the last call")
    assert sorted(app.lines("echo")) == ["a", "b", "end"]


def ceph(event: str, key: str) -> dict[str, Any]:
    """A message of Ceph's."""
    bucket, identity = {"name": "ceph"}, {"x-amz-request-id": f"{event} {key}", "x-amz-id-2": "2"}
    record = {
        "eventVersion": "2.2", "eventSource": "ceph:s3", "awsRegion": "z", "eventTime": "2026-11-23T00:00:00.000000Z",
        "eventName": event, "userIdentity": {"principalId": "tester"}, "responseElements": identity,
        "s3": {"bucket": bucket, "object": {"key": key, "size": 1}},
    }  # fmt: skip
    return {"Records": [record]}


def test_ceph_tells_by_its_own_exchange_and_by_post(app: Uploads, swift: Swift, openstack: OpenStack) -> None:
    def post(body: dict[str, Any]) -> list[str]:
        answer = app.program.http.post("/_funcatron/events", json=body)
        assert answer.status_code == 202, answer.text
        return [execution["id"] for execution in answer.json()["executions"]]

    until(lambda: "listening to rgw" in app.program.output(), "the queue at Ceph's exchange")
    for key in ("by-bus", "by-post"):
        swift.put(f"ceph/{key}", b"1")
    with Connection(openstack.notifications) as connection, connection.Producer(serializer="json") as producer:
        for body in ("nonsense", ceph("ObjectCreated:Put", "forged"), ceph("ObjectCreated:Put", "by-bus")):
            producer.publish(body, exchange="rgw", routing_key="topic1")
    assert post(ceph("ObjectCreated:Put", "forged")) == []
    first = post(ceph("ObjectCreated:Put", "by-post"))
    assert post(ceph("ObjectCreated:Copy", "by-post")) == first  # one version, however often it is told of
    calls = app.wait_for("ceph", ("by-bus", "created"), ("by-post", "created"))
    assert len(calls) == 2
    assert [line["id"] for line in calls if line["object"] == "by-post"] == first
    assert "a message is no notification" in app.program.output()


def test_aodh_tells_by_post(app: Uploads, swift: Swift) -> None:
    swift.put("ceph/of-aodh", b"1")
    traits = [["target_metadata_path", 1, f"v1/{swift.account}/ceph/of-aodh"], ["target_action", 1, "put"]]
    event = {"message_id": "m1", "event_type": "objectstore.http.request", "generated": None, "traits": traits}
    alarm = {"alarm_id": "a1", "alarm_name": "n", "reason_data": {"type": "event", "event": {**event, "raw": {}}}}
    (execution,) = app.program.http.post("/_funcatron/events", json=alarm).json()["executions"]
    assert execution["trigger"] == "swift"
    app.wait_for("ceph", ("of-aodh", "created"))
