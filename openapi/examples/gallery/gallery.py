"""A gallery in Swift: thumbnails of what lands in one container are kept in another.

``make_thumbnail`` takes two names. An upload fills them from its event, an HTTP request from its query.
"""

from __future__ import annotations

import tempfile
from typing import IO, Any
from urllib.parse import quote

from openstack.exceptions import raise_from_response
from openstack.object_store.v1._proxy import Proxy as ObjectStore
from pictures import NotAPictureError, thumbnail_of

from funcatron import Context, Problem

THUMBNAILS = "thumbnails"
LIMIT = 50_000_000  # bytes of a picture
CHUNK = 1 << 20
FACTS = {"width": int, "height": int, "colour": str, "etag": str}  # kept with a thumbnail, of its picture


def make_thumbnail(container: str, object: str, context: Context) -> tuple[dict[str, Any], int]:  # noqa: A002
    """Make the thumbnail of one picture, and keep it under the picture's own name."""
    swift = context.openstack.object_store
    with tempfile.TemporaryFile() as file:
        etag = download(swift, container, object, file)
        try:
            made = thumbnail_of(file)
        except NotAPictureError as error:
            raise Problem(422, "Not a picture", f"{container}/{object}: {error}") from None
    facts = {"width": made.width, "height": made.height, "colour": made.colour, "etag": etag}
    stored = upload(swift, object, made.data, facts)
    context.logger.info("%s/%s is %d by %d, %s", container, object, made.width, made.height, made.colour)
    return {"object": object, "size": len(made.data), "etag": stored, "picture": facts}, 201


def remove_thumbnail(object: str, context: Context) -> tuple[None, int]:  # noqa: A002
    """Remove the thumbnail of a picture that is gone; it may be gone already."""
    answer = context.openstack.object_store.delete(path(THUMBNAILS, object))
    if answer.status_code != 404:
        raise_from_response(answer)
    return None, 204


def list_thumbnails(prefix: str, limit: int, after: str, context: Context) -> dict[str, Any]:
    """List one page of thumbnails, with what is known of their pictures."""
    swift = context.openstack.object_store
    query = {"format": "json", "prefix": prefix, "marker": after, "limit": limit + 1}
    answer = swift.get(path(THUMBNAILS), params=query)
    if answer.status_code == 404:  # no picture came yet, so the container was not made
        return {"thumbnails": [], "next": None}
    raise_from_response(answer)
    names = [entry["name"] for entry in answer.json()]
    described = (describe(swift, name) for name in names[:limit])
    return {
        "thumbnails": [thumbnail for thumbnail in described if thumbnail],
        "next": names[limit - 1] if len(names) > limit else None,
    }


def show_thumbnail(object: str, context: Context) -> tuple[bytes, int, dict[str, str]]:  # noqa: A002
    """Answer with the thumbnail itself."""
    answer = context.openstack.object_store.get(path(THUMBNAILS, object))
    if answer.status_code == 404:
        raise Problem(404, "No such thumbnail", f"{object} has none; a POST to /thumbnails makes it")
    raise_from_response(answer)
    return answer.content, 200, {"Content-Type": "image/jpeg", "ETag": f'"{answer.headers["Etag"]}"'}


def download(swift: ObjectStore, container: str, name: str, file: IO[bytes]) -> str:
    """Write an object into ``file`` and return its MD5; Problem 404 where it is gone, 422 where it is too large."""
    with swift.get(path(container, name), stream=True) as answer:
        if answer.status_code == 404:
            raise Problem(404, "No such picture", f"{container}/{name} is not there (any more)")
        raise_from_response(answer)
        if int(answer.headers["Content-Length"]) > LIMIT:
            raise Problem(422, "Picture too large", f"{container}/{name} has more than {LIMIT:,} bytes")
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
        file.seek(0)
        return str(answer.headers["Etag"]).strip('"')


def upload(swift: ObjectStore, name: str, data: bytes, facts: dict[str, Any]) -> str:
    """Keep a thumbnail with ``facts`` of its picture as metadata, in a container made when needed; return its MD5."""
    headers = {"Content-Type": "image/jpeg"} | {f"X-Object-Meta-Picture-{key}": str(facts[key]) for key in FACTS}
    answer = swift.put(path(THUMBNAILS, name), data=data, headers=headers)
    if answer.status_code == 404:
        raise_from_response(swift.put(path(THUMBNAILS)))
        answer = swift.put(path(THUMBNAILS, name), data=data, headers=headers)
    raise_from_response(answer)
    return str(answer.headers["Etag"])


def describe(swift: ObjectStore, name: str) -> dict[str, Any] | None:
    """Return what is known of a thumbnail; None where it has gone since it was listed, or is none of ours."""
    answer = swift.head(path(THUMBNAILS, name))
    if answer.status_code == 404:
        return None
    raise_from_response(answer)
    known = {key: answer.headers.get(f"X-Object-Meta-Picture-{key}") for key in FACTS}
    if None in known.values():
        return None
    facts = {key: kind(known[key]) for key, kind in FACTS.items()}
    return {
        "object": name,
        "size": int(answer.headers["Content-Length"]),
        "etag": answer.headers["Etag"],
        "picture": facts,
    }


def path(container: str, name: str = "") -> str:
    """Return the path of a container or an object below the account, quoted (names may hold any character)."""
    return f"/{quote(container, safe='')}" + (f"/{quote(name)}" if name else "")
