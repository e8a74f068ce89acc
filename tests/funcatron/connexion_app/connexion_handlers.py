"""Handlers and security functions as one writes them for connexion; not a word in here is of funcatron."""

from connexion import NoContent, ProblemException, context, request
from connexion.exceptions import OAuthProblem
from connexion.lifecycle import ConnexionResponse
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse

USERS = {"alice": "wonder", "bob": "builder"}


def basic(username, password, required_scopes=None):
    if USERS.get(username) == password:
        return {"sub": username, "scope": "read write"}
    return None


async def bearer(token):
    if token == "broken":
        raise OAuthProblem("the token is broken")
    return {"uid": token, "scope": ["read"]} if token.startswith("t-") else None


def api_key(key, required_scopes=None, request=None):
    return {"sub": "key", "path": request.url.path} if key == "k1" else None


def whoami(user, token_info):
    return {"user": user, "token_info": token_info}


def with_context(context_):
    return {"user": context_["user"], "same": context_ == dict(context)}


def by_key(user=None, token_info=None):
    return {"user": user, "token_info": token_info}


def maybe(user=None, token_info=None):
    return {"user": user, "token_info": token_info}


def parameters(item_id, limit=10, tags=(), flag=None):
    return {"item_id": item_id, "limit": limit, "tags": list(tags), "flag": flag}


def everything(**kwargs):
    return kwargs


def named_body(order):
    return order, 201


def plain_body(body):
    return {"type": type(body).__name__, "text": body.decode() if isinstance(body, bytes) else body}


def form(body):
    return body


async def upload(title, photo):
    return {"title": title, "photo": [photo.filename, (await photo.read()).decode()]}


async def upload_body(body, photo, pages=()):
    return {"body": body, "photo": photo.filename, "pages": [(await page.read()).decode() for page in pages]}


def unpacked(name, age):
    return {"name": name, "age": age}


def answers(kind):
    return {
        "value": lambda: {"a": 1},
        "status": lambda: ({"a": 1}, 202),
        "headers": lambda: ({"a": 1}, {"X-A": "1"}),
        "all": lambda: ({"a": 1}, 203, {"X-A": "1"}),
        "none": lambda: None,
        "no_content": lambda: (NoContent, 204),
        "list": lambda: [1, 2],
        "connexion": lambda: ConnexionResponse(
            status_code=202, content_type="application/json", body='{"b": 2}', headers={"X-B": "2"}
        ),
        "json_response": lambda: JSONResponse({"c": 3}, status_code=201, headers={"X-C": "3"}),
        "problem": lambda: _raise(ProblemException(status=409, title="No", detail="not now", ext={"x": 1})),
    }[kind]()


def text():
    return PlainTextResponse("plain")


def stream():
    return StreamingResponse(iter([b"a", b"b"]), media_type="text/plain")


def _raise(error):
    raise error


def seen(id):
    return {
        "method": request.method,
        "agent": request.headers["x-agent"],
        "query": request.query_params["q"],
        "path": request.path_params["id"],
        "id": id,
    }


async def reread(body):
    return {"body": body, "again": await request.json()}
