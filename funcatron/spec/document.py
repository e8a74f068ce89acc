"""An OpenAPI document, read, bundled, checked and understood: ``load`` makes one of a file, a URL or a dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from funcatron.errors import Mistake, SpecError
from funcatron.spec import checks, metaschema
from funcatron.spec.cache import DocumentCache
from funcatron.spec.kept import keep, kept
from funcatron.spec.operation import Operation
from funcatron.spec.operations import READERS, operations
from funcatron.spec.overlay import apply
from funcatron.spec.pointer import find, split
from funcatron.spec.pruning import prune
from funcatron.spec.references import Bundle, follow
from funcatron.spec.source import Source, read
from funcatron.spec.structure import DIALECTS

__all__ = ["Document", "examine", "load"]


class Document:
    """A valid document as one tree whose references are all local.

    ``source`` is the file or URL as it was given, or ``<dict>``; ``version`` such as (3, 0); ``content`` the bundled
    tree, not to be changed; ``base_path`` such as ``/v1``, or empty; ``folder`` where the file is, None for others;
    ``files`` all that were read; ``operations`` in the document's order, webhooks last.
    """

    def __init__(self, bundle: Bundle, version: tuple[int, int]) -> None:
        self._bundle = bundle
        self._may_have: dict[str, bool] = {}
        self.source = bundle.root.name
        self.version = version
        self.content: dict[str, Any] = bundle.tree
        self.title: str = bundle.tree["info"]["title"]
        self.files: tuple[Path, ...] = tuple(s.path for s in bundle.sources.values() if s.path is not None)
        self.folder: Path | None = bundle.root.path and bundle.root.path.parent
        reading = READERS[version](bundle.tree)
        self.base_path: str = reading.base_path()
        self.operations: tuple[Operation, ...] = operations(self, reading, DIALECTS[version])

    def __repr__(self) -> str:
        return f"Document({self.source!r})"

    def may_have(self, key: str) -> bool:
        """Whether a key of this name may stand anywhere; False is certain, and quickly known of files and URLs."""
        if key not in self._may_have:
            self._may_have[key] = any(_may_have(source.text, key) for source in self._bundle.sources.values())
        return self._may_have[key]

    def resolve(self, ref: str) -> Any:
        """Return what a local reference (``#/...``) stands for; references to references are followed.

        Raises LookupError where it leads nowhere, which no reference of the document itself does.
        """
        return follow(self.content, {"$ref": ref})

    def mistake(self, pointer: str, message: str) -> Mistake:
        """Return a Mistake at a JSON Pointer into ``content``, with the file and line that it came from."""
        return self._bundle.mistake(split(pointer), message)


def load(
    source: str | Path | Mapping[str, Any], cache: DocumentCache | None = None, overlays: Sequence[Source] = ()
) -> Document:
    """Read a document from a path (YAML or JSON), a file: or http(s): URL, or a dict, which is not changed.

    OpenAPI 2.0, 3.0 and 3.1 are read. A file whose content is in the ``cache`` is not parsed and checked again.
    ``overlays`` (``overlay.read_overlays``) are applied before it is checked. Raises SpecError that lists every
    mistake, each with file, line and JSON Pointer.
    """
    document, mistakes = examine(source, cache, overlays)
    if mistakes or document is None:
        raise SpecError(mistakes)
    return document


def examine(
    source: str | Path | Mapping[str, Any], cache: DocumentCache | None = None, overlays: Sequence[Source] = ()
) -> tuple[Document | None, list[Mistake]]:
    """As ``load``, but return every mistake together with what of the document is sound, None if nothing is.

    Raises SpecError where it cannot be read at all.
    """
    if (found := kept(source, cache, overlays)) is not None:
        return Document(*found), []
    root = read(source)
    patches = apply(overlays, root) if overlays else {}
    version = _version(root)
    bundle = Bundle(root, DIALECTS[version], patches)
    bundle.complete()
    for overlay in overlays:
        bundle.sources.setdefault(overlay.uri, overlay)
    mistaken = [*((mistake, None) for mistake in bundle.mistakes), *_mistakes(bundle, version)]
    if not mistaken:
        keep(source, bundle, version, cache, overlays)
        return Document(bundle, version), []
    mistakes = [mistake for mistake, _ in mistaken]
    places = [place or (split(mistake.pointer) if mistake.file == root.name else ()) for mistake, place in mistaken]
    if not prune(bundle.tree, places):
        return None, mistakes
    return Document(bundle, version), mistakes


def _mistakes(bundle: Bundle, version: tuple[int, int]) -> Iterator[tuple[Mistake, tuple[str, ...]]]:
    """Give each mistake of a bundle and its place in the tree (the Mistake itself names the place in its file)."""
    for finding in (*metaschema.check(version, bundle.tree), *checks.check(bundle, version)):
        place = tuple(str(step) for step in finding.path)
        yield bundle.mistake(place, finding.message), place
    for kind, stray in bundle.strays:
        for finding in metaschema.check(version, find(bundle.tree, stray), kind):
            place = (*stray, *(str(step) for step in finding.path))
            yield bundle.mistake(place, finding.message), place


def _may_have(text: str | None, key: str) -> bool:
    return text is None or any(part in text for part in (key, "\\u", "\\x"))  # it may be written with escapes


def _version(root: Source) -> tuple[int, int]:
    """Return (2, 0), (3, 0) or (3, 1) as the document says. Raises SpecError for others and for what is none."""
    if not isinstance(root.tree, dict):
        raise SpecError([root.mistake((), "not an OpenAPI document: it must be an object")])
    given = {key: root.tree[key] for key in ("swagger", "openapi") if key in root.tree}
    if len(given) != 1:
        told = "both 'swagger' and 'openapi'" if given else "neither 'openapi: 3.0.x' nor 'swagger: \"2.0\"'"
        raise SpecError([root.mistake((), f"not an OpenAPI document: it has {told}")])
    ((key, value),) = given.items()
    numbers = str(value).split(".")
    if len(numbers) >= 2 and numbers[0].isdigit() and numbers[1].isdigit():
        version = int(numbers[0]), int(numbers[1])
        if version in DIALECTS and (version < (3, 0)) == (key == "swagger"):
            return version
    *others, last = ("{}.{}".format(*known) for known in DIALECTS)
    raise SpecError([root.mistake((key,), f"version {value!r} is not supported; {', '.join(others)} and {last} are")])
