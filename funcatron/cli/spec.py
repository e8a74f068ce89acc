"""``funcatron spec``: a document derived from handlers, for those who start from code."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from funcatron.cli.console import note
from funcatron.cli.options import json_option


@click.command("spec")
@click.argument("target", metavar="MODULE[:NAME,...]")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output.")
@click.option("--title", help="Default: the first line of the module's docstring, or its name.")
@json_option
def command(target: str, output: Path | None, title: str | None, as_json: bool) -> None:
    """Derive an OpenAPI document from handlers: from signatures, types of bodies and answers, docstrings.

    Without names, those functions of a module are handlers whose body or answer has a type (a marshmallow Schema, a
    dataclass, a TypedDict, a Struct), or whose docstring has YAML.
    """
    from funcatron.deriving import derive, found_handlers
    from funcatron.spec.document import load

    with redirect_stdout(sys.stderr):  # what a module prints is no document
        module, handlers, left_out = found_handlers(target)
    described = title or (module.__doc__ or "").strip().partition("\n")[0].rstrip(".") or module.__name__
    document = derive(handlers, title=described, version=str(getattr(module, "__version__", "1")))
    load(document)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n" if as_json else _yaml(document)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
    if left_out:
        note(f"left out, for nothing of them has a type: {', '.join(left_out)}")


def _yaml(document: object) -> str:
    import yaml

    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
