"""Serialisation of parameters: OpenAPI 3.0.3 section 4.7.12, the style table of 4.7.12.5, RFC 6570 read backwards.

Values come in as ``Pairs``: names, decoded, to the texts given for them, as they stood on the wire. A delimiter is
looked for before percent-decoding, so that an encoded one is data; where none is found, after it, because many clients
encode a whole list. Each ``read`` function is pure and made for one parameter by ``compile_reader``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote, unquote_plus

from funcatron.http.shapes import Shape
from funcatron.types import MISSING, Location

__all__ = ["Pairs", "Read", "compile_reader", "pairs_of"]

Pairs: TypeAlias = Mapping[str, list[str]]
Read: TypeAlias = Callable[[Pairs], Any]
"""Returns the value that the pairs hold for one parameter, or MISSING. Raises UnicodeDecodeError for percent-encoded
bytes that are not UTF-8."""
Decode: TypeAlias = Callable[[str], str]

DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def decode_plus(text: str) -> str:
    """Decode a query's text (WHATWG URL, application/x-www-form-urlencoded): ``+`` is a space."""
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def decode_percent(text: str) -> str:
    """Decode percent-encoded UTF-8 (RFC 3986 section 2.1)."""
    return unquote(text, errors="strict") if "%" in text else text


def decode_nothing(text: str) -> str:
    """Return a header's text; OpenAPI's simple style is not percent-encoded there."""
    return text.strip()


DECODERS: Mapping[Location, Decode] = {
    "path": decode_percent,
    "query": decode_plus,
    "header": decode_nothing,
    "cookie": decode_percent,
}


def pairs_of(text: str, separator: str = "&", decode: Decode = decode_plus) -> dict[str, list[str]]:
    """Return ``a=1&b=2`` as Pairs: names decoded, values not yet."""
    pairs: dict[str, list[str]] = {}
    for part in text.split(separator):
        if part:
            name, _, value = part.partition("=")
            pairs.setdefault(decode(name), []).append(value)
    return pairs


def compile_reader(
    name: str, style: str, shape: Shape, *, explode: bool, decode: Decode, others: Collection[str] = ()
) -> Read:
    """Return the function that reads one parameter, or one property of a form.

    ``decode`` turns one text of the wire into what it says. ``others`` are the names of the other parameters of the
    same location: an exploded object with free members does not take them.
    """
    if style == "deepObject":
        return _deep_object(name, shape, decode)
    if style in ("label", "simple"):
        return _single(name, _text_reader(style, shape, decode, explode=explode))
    if style == "matrix":
        return _matrix(name, _matrix_form(name, shape, decode, explode=explode))
    delimiter = DELIMITERS.get(style)
    if delimiter is not None and not explode and (shape.is_array or shape.is_object):
        return _single(name, _delimited(shape, delimiter, decode))
    return _form(name, shape, decode, explode=explode, others=others)


def _single(name: str, read: Callable[[str], Any]) -> Read:
    """Read the last of the texts given under a name, as connexion does."""
    return lambda pairs: read(texts[-1]) if (texts := pairs.get(name)) else MISSING


def _form(name: str, shape: Shape, decode: Decode, *, explode: bool, others: Collection[str]) -> Read:
    """``color=blue``, ``color=blue&color=black``, ``R=100&G=200``; without explode ``color=R,100,G,200``."""
    if explode and shape.is_object:
        free = shape.additional is not None or not (shape.properties or shape.closed)
        return _exploded_object(
            name, shape, decode, lambda member: member in shape.properties or (free and member not in others)
        )
    if explode and shape.is_array:
        return lambda pairs: shape.cast_items(map(decode, texts)) if (texts := pairs.get(name)) else MISSING
    return _single(name, _text_reader("simple", shape, decode, explode=False))


def _exploded_object(name: str, shape: Shape, decode: Decode, takes: Callable[[str], bool]) -> Read:
    """``takes`` says which of the pairs are members: those beside them belong to other parameters, or to none."""

    def read(pairs: Pairs) -> Any:
        given = {
            member: _cast_member(shape.member(member), [decode(text) for text in texts])
            for member, texts in pairs.items()
            if takes(member)
        }
        if given:
            return given
        return shape.cast(decode(pairs[name][-1])) if name in pairs else MISSING

    return read


def _matrix_form(name: str, shape: Shape, decode: Decode, *, explode: bool) -> Read:
    """All pairs in a path segment are the parameter's own, so a member that should not be there is seen."""
    if explode and shape.is_object:
        return _exploded_object(name, shape, decode, lambda member: True)
    return _form(name, shape, decode, explode=explode, others=())


def _cast_member(shape: Shape, texts: list[str]) -> Any:
    """Return a member of an exploded object: a list where it may be one and is given several times, or is no text."""
    if shape.is_array and (len(texts) > 1 or "string" not in shape.kinds):
        return shape.cast_items(texts)
    return shape.cast(texts[-1])


def _matrix(name: str, read_form: Read) -> Read:
    """``;color=blue``: the form style in a path segment, with ``;`` for ``&``."""

    def read(pairs: Pairs) -> Any:
        texts = pairs.get(name)
        return read_form(pairs_of(texts[-1], ";", decode_percent)) if texts else MISSING

    return read


def _text_reader(style: str, shape: Shape, decode: Decode, *, explode: bool) -> Callable[[str], Any]:
    """Read one text: ``blue,black``, ``R,100,G,200``, exploded ``R=100,G=200``; the same with dots after a dot."""
    split = _split_label if style == "label" else _split_commas

    def read(text: str) -> Any:
        if style == "label":
            text = text.removeprefix(".")
        if shape.is_array:
            return shape.cast_items(split(text, decode, explode))
        if shape.is_object:
            return _object(shape, split(text, decode, explode), decode(text), explode=explode)
        return shape.cast(decode(text))

    return read


def _delimited(shape: Shape, delimiter: str, decode: Decode) -> Callable[[str], Any]:
    """``blue%20black``: the delimiters are no URL characters, they come encoded."""

    def read(text: str) -> Any:
        decoded = decode(text)
        parts = decoded.split(delimiter) if decoded else []
        return shape.cast_items(parts) if shape.is_array else _object(shape, parts, decoded, explode=False)

    return read


def _split_commas(text: str, decode: Decode, _explode: bool) -> list[str]:
    if not text:
        return []
    parts = text.split(",") if "," in text else decode(text).split(",")
    return [decode(part) for part in parts] if "," in text else parts


def _split_label(text: str, decode: Decode, explode: bool) -> list[str]:
    """OpenAPI 3.0's table has dots in both forms, 3.1's has commas where there is no explode (RFC 6570 too)."""
    delimiter = "," if "," in text and not explode else "."
    return [decode(part) for part in text.split(delimiter)] if text else []


def _object(shape: Shape, parts: list[str], text: str, *, explode: bool) -> Any:
    """Return an object from ``R=100`` parts or from names and values in turn; the text where it is neither."""
    if explode:
        members = {key: value for key, separator, value in (part.partition("=") for part in parts) if separator}
        return shape.cast_members(members) if len(members) == len(parts) else text
    if len(parts) % 2:
        return text
    return shape.cast_members(dict(zip(parts[::2], parts[1::2], strict=True)))


def _deep_object(name: str, shape: Shape, decode: Decode) -> Read:
    """``color[R]=100``; nested as ``a[b][c]=1``, a list as ``a[b]=1&a[b]=2`` or ``a[b][]=1``, as connexion reads it."""

    def read(pairs: Pairs) -> Any:
        found: dict[str, Any] = {}
        given = False
        for key, texts in pairs.items():
            if key.startswith(name + "[") and key.endswith("]"):
                given = True
                path = _BRACKETS.findall(key[len(name) :])
                _place(found, [part for part in path if part], [decode(text) for text in texts], shape)
        return found if given else MISSING

    return read


def _place(found: dict[str, Any], path: list[str], texts: list[str], shape: Shape) -> None:
    if not path:
        return
    for part in path[:-1]:
        shape = shape.member(part)
        inner = found.get(part)
        if not isinstance(inner, dict):
            inner = found[part] = {}
        found = inner
    shape = shape.member(path[-1])
    found[path[-1]] = shape.cast_items(texts) if shape.is_array else shape.cast(texts[-1])
