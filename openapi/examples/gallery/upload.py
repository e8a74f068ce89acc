"""Upload pictures into the container ``photos``: files, or samples that are made here.

::

    python upload.py holiday/*.jpg
    python upload.py --samples 3

It knows nothing of funcatron: openstacksdk, with the cloud that OS_CLOUD names.
"""

from __future__ import annotations

import argparse
import io
import random
from collections.abc import Iterator
from pathlib import Path

import openstack
from PIL import Image, ImageDraw

PHOTOS = "photos"


def samples(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and pictures (PNG) of discs on a ground; each has a dominant colour of its own."""
    for number in range(1, count + 1):
        red, green, blue = (random.randrange(256) for _ in range(3))  # noqa: S311 - of no secret
        picture = Image.new("RGB", (640 + 160 * number, 480), (red, green, blue))
        ImageDraw.Draw(picture).ellipse((40, 40, 200, 200), fill=(255 - red, 255 - green, 255 - blue))
        out = io.BytesIO()
        picture.save(out, "PNG")
        yield f"samples/{red:02x}{green:02x}{blue:02x}.png", out.getvalue()


def main() -> None:
    """Make the container, upload, and say what was uploaded."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="*", type=Path)
    parser.add_argument("--samples", type=int, default=0, metavar="N", help="make and upload N pictures")
    wanted = parser.parse_args()
    with openstack.connect() as cloud:
        cloud.object_store.create_container(name=PHOTOS)
        for name, data in [*((file.name, file.read_bytes()) for file in wanted.file), *samples(wanted.samples)]:
            cloud.object_store.upload_object(container=PHOTOS, name=name, data=data)
            print(f"{PHOTOS}/{name}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
