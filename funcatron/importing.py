"""Finding what a document names: handlers and security functions, by import."""

from __future__ import annotations

import importlib
import sys
import sysconfig
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from funcatron.errors import FuncatronError, Mistake
from funcatron.extras import MissingExtra
from funcatron.spec.document import Document
from funcatron.spelling import did_you_mean

__all__ = [
    "HandlerMissing",
    "defined_schemes",
    "import_handler",
    "make_importable",
    "security_mistakes",
    "why_not_imported",
]


NOT_THEIRS = ("<", str(Path(__file__).parent), sysconfig.get_path("stdlib"))
"""How the file names of steps begin that are Python's, or ours: imports of frozen modules, the standard library."""


class HandlerMissing(FuncatronError):
    """There is nothing of this name; what is there and cannot be imported is another error."""


def make_importable(document: Document) -> None:
    """Have handlers found from the document's folder and the current one, in this order, before anything installed."""
    for folder in ("", str(document.folder or "")):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def import_handler(target: str, folder: Path | None = None) -> Any:
    """Import ``package.module.function`` (or ``package.module.Class.method``); raises FuncatronError saying why not.

    ``folder`` is the document's: a module that stands there is never taken for another one of its name, such as the
    standard library's, or one beside another document that was imported before.
    """
    parts = target.split(".")
    for split in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:split])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is not None and (module_name == error.name or module_name.startswith(error.name + ".")):
                continue
            needed = f"{module_name} needs {error.name!r}{_raised_at(error)}"
            raise FuncatronError(f"{target} cannot be imported: {needed}") from error
        except MissingExtra as error:
            raise FuncatronError(f"{target} cannot be imported: {error}") from error
        except (Exception, SystemExit) as error:
            raise FuncatronError(f"{target} cannot be imported: {why_not_imported(error)}") from error
        hidden = _hidden(found, folder)
        if hidden is not None:
            where = getattr(found, "__file__", None) or "a part of Python"
            raise FuncatronError(f"{target} cannot be imported: {hidden} is hidden by {where}; rename one of them")
        for depth, part in enumerate(parts[split:], split):
            if not hasattr(found, part):
                missing = f"{'.'.join(parts[:depth])} has no {part!r}{did_you_mean(part, dir(found))}"
                raise HandlerMissing(f"{target} cannot be imported: {missing}")
            found = getattr(found, part)
        return found
    if len(parts) == 1:
        raise HandlerMissing(f"{target!r} names no module: write package.module.function, or give handlers")
    raise HandlerMissing(f"{target} cannot be imported: there is no module {parts[0]!r} on the path")


def why_not_imported(error: BaseException) -> str:
    """Return what a module raised while it was imported, and where, for people."""
    where = "" if isinstance(error, SyntaxError) else _raised_at(error)  # Python says it of a SyntaxError
    return f"{type(error).__name__}: {error}{where}"


def _raised_at(error: BaseException) -> str:
    """Return file and line of the last step that is not a library's: there people look first."""
    own = [step for step in traceback.extract_tb(error.__traceback__) if not step.filename.startswith(NOT_THEIRS)]
    own = [step for step in own if "site-packages" not in step.filename]
    if not own:
        return ""
    file = Path(own[-1].filename)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f" ({shown}, line {own[-1].lineno})"


def _hidden(imported: ModuleType, folder: Path | None) -> Path | None:
    """Return the file beside the document that was meant, if ``imported`` is another module of its name."""
    if folder is None:
        return None
    path = folder.joinpath(*imported.__name__.split("."))
    meant = next((file for file in (path / "__init__.py", path.with_name(f"{path.name}.py")) if file.is_file()), None)
    file = getattr(imported, "__file__", None)
    return meant if meant is not None and (file is None or not meant.samefile(file)) else None


def defined_schemes(document: Document) -> dict[str, Mapping[str, Any]]:
    """Return a document's Security Scheme Objects by name, references followed."""
    content = document.content
    defined = content.get("securityDefinitions") or content.get("components", {}).get("securitySchemes", {})
    return {name: document.resolve(scheme["$ref"]) if "$ref" in scheme else scheme for name, scheme in defined.items()}


def security_mistakes(document: Document) -> list[Mistake]:
    """Return the security functions (``x-...Func``) of a document that cannot be imported."""
    place = "/securityDefinitions" if document.version[0] == 2 else "/components/securitySchemes"
    mistakes = []
    for name, scheme in defined_schemes(document).items():
        for key, target in scheme.items():
            if not (key.startswith("x-") and key.endswith("Func") and isinstance(target, str)):
                continue
            try:
                found = import_handler(target)
            except FuncatronError as error:
                mistakes.append(document.mistake(f"{place}/{name}/{key}", str(error)))
            else:
                if not callable(found):
                    kind = type(found).__name__
                    mistakes.append(document.mistake(f"{place}/{name}/{key}", f"{target} is a {kind}, not a function"))
    return mistakes
