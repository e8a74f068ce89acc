"""A Flask application with everything that is awkward about HTTP: hooks, sessions, streams, files, odd routes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    after_this_request,
    current_app,
    flash,
    g,
    get_flashed_messages,
    jsonify,
    redirect,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from flask.views import MethodView
from werkzeug.routing import BaseConverter

__all__ = ["make_app"]


class Listed(BaseConverter):
    """Words with plus signs between them."""

    def to_python(self, value: str) -> list[str]:
        return value.split("+")

    def to_url(self, value: list[str]) -> str:
        return "+".join(value)


class Refused(Exception):
    pass


class Items(MethodView):
    """Items, one class for all methods."""

    def get(self, number: int) -> Any:
        """Show an item.

        As JSON.
        """
        return jsonify(number=number, kind="item")

    def put(self, number: int) -> Any:
        return jsonify(number=number, sent=request.get_json()), 201, {"Location": url_for("items", number=number)}

    def delete(self, number: int) -> Any:
        return "", 204


def make_app() -> Flask:
    """Return a new application; what it was asked is in ``app.config["SEEN"]``."""
    app = Flask("rough", static_folder=None)
    app.config.update(SECRET_KEY="rough", SEEN=[])
    app.url_map.converters["listed"] = Listed
    _hooks(app)
    _plain(app)
    _answers(app)
    app.add_url_rule("/items/<int:number>", view_func=Items.as_view("items"))
    app.register_blueprint(_blueprint(), url_prefix="/area/<area>")
    return app


def _hooks(app: Flask) -> None:
    @app.before_request
    def begin() -> Any:
        g.before = ["app"]
        return ("stopped by a hook", 418) if "stop" in request.args else None

    @app.after_request
    def end(response: Response) -> Response:
        response.headers.add("X-After", "+".join(g.get("before", [])))
        return response

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        current_app.config["SEEN"].append((request.method, request.path, error is not None))

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Any:
        return jsonify(refused=str(error)), 409

    @app.errorhandler(404)
    def missing(error: Any) -> Any:
        return f"no {request.path} here", 404


def _plain(app: Flask) -> None:  # noqa: C901 - a list of views
    @app.route("/")
    def index() -> str:
        """Say where we are."""
        return f"index {request.url} {request.script_root!r} {url_for('index', _external=True)}"

    @app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def echo() -> Any:
        return jsonify(
            args=request.args.to_dict(flat=False),
            form=request.form.to_dict(flat=False),
            json=request.get_json(silent=True),
            cookies=dict(request.cookies),
            type=request.content_type,
            query=request.query_string.decode("latin-1"),
            accept=str(request.accept_mimetypes),
            custom=request.headers.get("X-Custom"),
        )

    @app.post("/raw")
    def raw() -> Any:
        content = request.get_data()
        return jsonify(size=len(content), digest=hashlib.sha256(content).hexdigest(), length=request.content_length)

    @app.post("/upload")
    def upload() -> Any:
        return jsonify(
            fields=request.form.to_dict(flat=False),
            files=[
                (key, file.filename, file.content_type, hashlib.sha256(file.read()).hexdigest())
                for key, file in request.files.items(multi=True)
            ],
        )

    @app.route("/slash/")
    def slash() -> str:
        return "slash"

    @app.route("/number/<int(signed=True, max=500):value>")
    def number(value: int) -> Any:
        return jsonify(value)

    @app.route("/measure/<float:value>")
    def measure(value: float) -> Any:
        return jsonify(value)

    @app.route("/uuid/<uuid:value>")
    def uuid(value: Any) -> str:
        return f"{type(value).__name__} {value}"

    @app.route("/colour/<any(red, 'light blue'):value>")
    def colour(value: str) -> str:
        return value

    @app.route("/file/<path:name>")
    def file(name: str) -> str:
        return f"file {name}"

    @app.route("/text/<string(maxlength=20):value>")
    def text(value: str) -> str:
        return f"text {value}"

    @app.route("/listed/<listed:words>")
    def listed(words: list[str]) -> Any:
        return jsonify(words)


def _answers(app: Flask) -> None:  # noqa: C901 - as above
    @app.route("/cookies")
    def cookies() -> Response:
        response = Response("cookies")
        response.set_cookie("one", "1", max_age=60, httponly=True)
        response.set_cookie("two", "zwei drei", path="/area")
        response.headers.add("Link", "</a>; rel=next")
        response.headers.add("Link", "</b>; rel=prev")
        return response

    @app.route("/count", methods=["GET", "POST"])
    def count() -> Any:
        session["count"] = session.get("count", 0) + 1
        flash(f"message {session['count']}")
        return jsonify(session["count"])

    @app.route("/flashes")
    def flashes() -> Any:
        return jsonify(get_flashed_messages())

    @app.route("/away")
    def away() -> Any:
        return redirect(url_for("area.show", area="north", page=2, q="a b"))

    @app.route("/broken")
    def broken() -> str:
        raise RuntimeError("broken")

    @app.route("/refused")
    def refused() -> str:
        raise Refused("no")

    @app.route("/abort/<int:status>")
    def aborted(status: int) -> str:
        abort(status)

    @app.route("/stream")
    def stream() -> Any:
        def chunks() -> Iterator[str]:
            for number in range(3):
                yield f"{request.args.get('word', 'word')} {number}\n"

        return Response(stream_with_context(chunks()), mimetype="text/plain")

    @app.route("/download")
    def download() -> Any:
        content = io.BytesIO(bytes(range(256)) * 8)
        return send_file(content, download_name="naïve.bin", as_attachment=True, etag="fixed", conditional=True)

    @app.route("/bare")
    def bare() -> Response:
        @after_this_request
        def strip(response: Response) -> Response:
            del response.headers["Content-Type"]
            return response

        return Response(b"bare")

    @app.route("/tea", methods=["GET", "OPTIONS"])
    def tea() -> Any:
        return ("options of its own" if request.method == "OPTIONS" else "tea"), {"X-Tea": "green"}

    @app.route("/not-modified")
    def not_modified() -> Response:
        response = Response("the same", headers={"ETag": '"v1"'})
        return response.make_conditional(request)


def _blueprint() -> Blueprint:
    area = Blueprint("area", __name__)

    @area.url_value_preprocessor
    def pull(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.area = (values or {}).pop("area", "")

    @area.before_request
    def begin() -> None:
        g.before.append("area")

    @area.app_url_defaults
    def put(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint.startswith("area.") and "area" in g:
            values.setdefault("area", g.area)

    @area.route("/", defaults={"page": 1})
    @area.route("/<int:page>")
    def show(page: int) -> Any:
        return jsonify(area=g.area, page=page, next=url_for(".show", page=page + 1), q=request.args.get("q"))

    return area
