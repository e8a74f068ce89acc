"""A Flask application on the real stack: ``funcatron run module:app``, its workers, its streams."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.integration.running import PATIENCE, Program, running, until

SITE = '''
"""A site."""
import os, time
from pathlib import Path
from flask import Flask, Response, request, session

app = Flask(__name__)
app.secret_key = "s"

@app.before_request
def begin():
    session["calls"] = session.get("calls", 0) + 1

@app.route("/where/<path:name>", methods=["GET", "POST"])
def where(name):
    """Say where a call runs."""
    context = request.environ.get("funcatron.context")
    told = None if context is None else context.trigger
    return {"name": name, "args": request.args, "told": told, "pid": os.getpid(), "calls": session["calls"]}

@app.post("/upload")
def upload():
    file = request.files["file"]
    return {"name": file.filename, "size": len(file.read()), "type": file.content_type}

@app.get("/endless")
def endless():
    def chunks():
        try:
            while True:
                yield b"x" * 1024
                time.sleep(0.01)
        finally:
            Path("ended").touch()
    return Response(chunks())
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("flask-site")
    (folder / "site_of_mine.py").write_text(SITE)
    with running("run", "site_of_mine:app", folder=folder, port=free_port()) as program:
        yield program


def test_views_are_listed_and_answer(site: Program) -> None:
    assert "where.post" in site.output()
    assert "site_of_mine.where" in site.output()
    answers = [site.http.get("/where/a/b?x=1&x=2").json() for _ in range(2)]
    assert [answer["calls"] for answer in answers] == [1, 2], "the session goes on"
    assert (answers[0]["name"], answers[0]["told"]) == ("a/b", None)
    assert site.http.get("/nowhere").headers["content-type"] == "text/html; charset=utf-8"
    assert site.http.get("/openapi.json").json()["paths"]["/where/{name}"]["get"]["summary"] == "Say where a call runs."


def test_a_worker_answers_later(site: Program) -> None:
    here = site.http.get("/where/x").json()["pid"]
    accepted = site.http.post("/where/a%20b/c?x=1", json={}, headers={"Prefer": "respond-async, wait=60"})
    assert accepted.status_code == 200, accepted.text
    said = accepted.json()
    assert (said["name"], said["args"], said["told"], said["calls"]) == ("a b/c", {"x": "1"}, "async", 1)
    assert said["pid"] != here


def test_a_file_is_there_later_too(site: Program) -> None:
    files = {"file": ("ü.bin", b"\x00\xff" * 100, "application/x-odd")}
    now = site.http.post("/upload", files=files).json()
    later = site.http.post("/upload", files=files, headers={"Prefer": "respond-async, wait=60"}).json()
    assert now == later == {"name": "ü.bin", "size": 200, "type": "application/x-odd"}


def test_a_stream_ends_with_its_client(site: Program) -> None:
    with httpx.stream("GET", f"{site.url}/endless", timeout=PATIENCE, verify=False) as answer:
        next(answer.iter_raw())
    until(lambda: (site.folder / "ended").exists() or None, "the view's own end")


def test_what_is_no_utf_8_is_the_applications_to_read(site: Program) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as raw:
        raw.sendall(b"GET /where/x?a=%ff&b=%C3%BC HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200"), answer
