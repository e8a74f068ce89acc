"""The gallery example: what a thumbnail is made of, and uploads into a real Swift that get one."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from tests.integration.running import Program, running, until
from tests.services import OpenStack, Swift

GALLERY = Path(__file__).parents[2] / "openapi" / "examples" / "gallery"
RED = (200, 30, 30)
ORIENTATION = 0x0112  # the EXIF tag; 6 says: turn it by 90 degrees to see it


@pytest.fixture(scope="module")
def pictures() -> Iterator[ModuleType]:
    sys.path.insert(0, str(GALLERY))
    try:
        import pictures as found

        yield found
    finally:
        sys.path.remove(str(GALLERY))
        sys.modules.pop("pictures", None)


def picture(mode: str, form: str, colour: Any = RED, size: tuple[int, int] = (640, 480), **saved: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, form, **saved)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (picture("RGB", "PNG"), "#c81e1e"),
        (picture("RGBA", "PNG", (0, 0, 255, 0)), "#ffffff"),
        (picture("L", "PNG", 128), "#808080"),
        (picture("P", "GIF", 3), "#000000"),
        (picture("RGB", "WEBP", (255, 255, 255)), "#ffffff"),
    ],
)
def test_a_thumbnail(pictures: ModuleType, data: bytes, colour: str) -> None:
    made = pictures.thumbnail_of(io.BytesIO(data))
    assert (made.width, made.height, made.colour) == (640, 480, colour)
    with Image.open(io.BytesIO(made.data)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (256, 192))


def test_a_picture_is_seen_the_way_it_was_held(pictures: ModuleType) -> None:
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    made = pictures.thumbnail_of(io.BytesIO(picture("RGB", "JPEG", exif=turned)))
    assert (made.width, made.height) == (480, 640)


@pytest.mark.parametrize("data", [b"", b"hello", picture("RGB", "PNG")[:200], picture("RGB", "JPEG")[:900]])
def test_what_is_no_picture(pictures: ModuleType, data: bytes) -> None:
    with pytest.raises(pictures.NotAPictureError):
        pictures.thumbnail_of(io.BytesIO(data))


@pytest.fixture(scope="module")
def swift(openstack: OpenStack) -> Swift:
    client = openstack.swift("alt")
    client.put("photos")
    return client


@pytest.fixture(scope="module")
def app(
    openstack: OpenStack, swift: Swift, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[Program]:
    environ = {**openstack.environ, "OS_CLOUD": "alt"}
    folder = tmp_path_factory.mktemp("gallery")
    with running("run", GALLERY / "openapi.yaml", folder=folder, port=free_port(), extra=environ) as program:
        yield program


def listed(app: Program, **query: Any) -> dict[str, Any]:
    answer = app.http.get("/gallery/thumbnails", params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


@pytest.mark.service
def test_an_upload_gets_a_thumbnail_and_takes_it_along(app: Program, swift: Swift) -> None:
    assert listed(app, prefix="cats/") == {"thumbnails": [], "next": None}
    etag = swift.put("photos/cats/Tom 東京.png", picture("RGB", "PNG")).headers["Etag"]
    swift.put("photos/cats/notes.txt", b"no picture")

    (thumbnail,) = until(lambda: listed(app, prefix="cats/")["thumbnails"], "the thumbnail", patience=120)
    assert thumbnail["object"] == "cats/Tom 東京.png"
    assert thumbnail["picture"] == {"width": 640, "height": 480, "colour": "#c81e1e", "etag": etag}
    kept = swift.ask("HEAD", "thumbnails/cats/Tom 東京.png").headers
    assert (kept["X-Object-Meta-Picture-Colour"], kept["Content-Type"]) == ("#c81e1e", "image/jpeg")

    shown = app.http.get("/gallery/thumbnails/image", params={"object": "cats/Tom 東京.png"})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(shown.content)).size == (256, 192)

    assert swift.ask("DELETE", "photos/cats/Tom 東京.png").status_code == 204
    until(lambda: not listed(app, prefix="cats/")["thumbnails"], "the thumbnail to go", patience=120)
    (run,) = app.executions(function="gallery.make_thumbnail", trigger="swift", state="succeeded")
    assert (run["attempt"], run["input"]["object"]) == (1, "cats/Tom 東京.png")


@pytest.mark.service
def test_the_same_function_on_demand(app: Program, swift: Swift) -> None:
    swift.put("before")
    for name in ("a.png", "b.png", "broken.png"):
        swift.put(f"before/page/{name}", b"none" if name == "broken.png" else picture("RGB", "PNG"))

    def made(name: str) -> Any:
        return app.http.post("/gallery/thumbnails", params={"container": "before", "object": f"page/{name}"})

    assert [made(name).status_code for name in ("a.png", "b.png")] == [201, 201]
    refused = made("broken.png")
    assert (refused.status_code, refused.json()["title"]) == (422, "Not a picture")
    assert made("gone.png").status_code == 404
    assert app.http.post("/gallery/thumbnails").status_code == 400
    assert app.http.get("/gallery/thumbnails/image", params={"object": "page/gone.png"}).status_code == 404

    swift.put("thumbnails/page/another.jpg", b"not made here")
    page = listed(app, prefix="page/", limit=1)
    assert [one["object"] for one in page["thumbnails"]] == ["page/a.png"]
    assert page["next"] == "page/a.png"
    page = listed(app, prefix="page/", limit=2, after=page["next"])  # what others have put there is passed over
    assert [one["object"] for one in page["thumbnails"]] == ["page/b.png"]
    assert page["next"] is None
