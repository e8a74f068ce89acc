"""Pictures: what a thumbnail is made of. Pillow alone; nothing here knows where pictures come from."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import IO

from PIL import Image, ImageOps, UnidentifiedImageError

SIDE = 256
"""The longer side of a thumbnail, in pixels."""

PALETTE = 8
"""Into how many colours a picture is sorted to find the dominant one."""


class NotAPictureError(ValueError):
    """What was read is no picture, or one too large to be opened."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A JPEG of at most SIDE by SIDE pixels, and what is known of the picture that it was made of."""

    data: bytes
    width: int
    height: int
    colour: str


def thumbnail_of(file: IO[bytes]) -> Thumbnail:
    """Return the thumbnail of the picture in ``file``.

    Width and height are the picture's, in pixels, the way it is meant to be seen (EXIF orientation); ``colour`` is
    the dominant one, ``#rrggbb``. Raises NotAPictureError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as opened:
                upright = ImageOps.exif_transpose(opened)
                width, height = upright.size
                upright.thumbnail((SIDE, SIDE))
                small = on_white(upright)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NotAPictureError(f"too large to be opened: {error}") from None
    except UnidentifiedImageError:
        raise NotAPictureError("in no format that is known") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's readers raise all of these on broken files
        raise NotAPictureError(str(error) or type(error).__name__) from None
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85, optimize=True)
    return Thumbnail(out.getvalue(), width, height, dominant_colour(small))


def on_white(picture: Image.Image) -> Image.Image:
    """Return the picture in RGB; what is transparent becomes white, for JPEG knows no transparency."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layers = picture.convert("RGBA")
    paper = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(paper, layers).convert("RGB")


def dominant_colour(picture: Image.Image) -> str:
    """Return the colour, ``#rrggbb``, of the largest of the PALETTE groups that the picture's pixels fall into."""
    groups = picture.quantize(PALETTE)
    _, index = max(groups.getcolors() or [(0, 0)])
    red, green, blue = (groups.getpalette() or [])[3 * index : 3 * index + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"
