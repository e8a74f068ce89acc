"""``funcatron trust``: Keystone's trusts, by which functions act for a user without the user's password."""

from __future__ import annotations

from typing import Any, Protocol

import click

from funcatron import plugins
from funcatron.cli.console import note, print_json, print_table
from funcatron.cli.moments import Until
from funcatron.cli.options import json_option, read_settings, settings_options
from funcatron.errors import FuncatronError

COLUMNS = ("ID", "PROJECT", "TRUSTOR", "TRUSTEE", "ROLES", "EXPIRES")


class Trusts(Protocol):
    """What the plugin ``keystone`` of ``funcatron.trusts`` makes of Settings."""

    def user_id(self, cloud: str) -> str:
        """Return the id of the user that an entry of clouds.yaml is of."""

    def create(self, trustee: str, roles: tuple[str, ...], expires_at: float | None) -> dict[str, Any]:
        """Make a trust, and return it."""

    def list(self, *, given_to_me: bool) -> list[dict[str, Any]]:
        """Return the user's trusts."""

    def delete(self, trust_id: str) -> None:
        """Take one back."""


@click.group("trust")
def command() -> None:
    """Keystone trusts: let the user that runs functions act for you in your project.

    --cloud is your own entry of clouds.yaml (default OS_CLOUD).
    """


@command.command()
@click.option("--trustee", metavar="USER-ID", help="The id of the user that runs functions.")
@click.option("--trustee-cloud", metavar="CLOUD", help="Or that user's entry of clouds.yaml.")
@click.option("--role", "roles", metavar="NAME", multiple=True, help="A role to give; default: all that you have.")
@click.option("--expires", type=Until(), metavar="WHEN", help="When it ends: 30d, 2030-01-31; default: never.")
@json_option
@settings_options("cloud")
def create(
    trustee: str | None,
    trustee_cloud: str | None,
    roles: tuple[str, ...],
    expires: float | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Make a trust, and write its id."""
    if (trustee is None) == (trustee_cloud is None):
        raise click.UsageError("Say who is trusted: --trustee USER-ID, or --trustee-cloud CLOUD.")
    trusts = _trusts(given)
    made = trusts.create(trustee or trusts.user_id(str(trustee_cloud)), roles, expires)
    if as_json:
        print_json(made)
        return
    click.echo(made["id"])
    entry = trustee_cloud or "the trustee's entry of clouds.yaml"
    note(f"in x-funcatron, for the functions that act for you:  openstack: {{cloud: {entry}, trust: {made['id']}}}")


@command.command("list")
@click.option("--given-to-me", is_flag=True, help="Those by which you may act for others.")
@json_option
@settings_options("cloud")
def list_(given_to_me: bool, as_json: bool, **given: Any) -> None:
    """List the trusts that you have given."""
    found = _trusts(given).list(given_to_me=given_to_me)
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, [_row(trust) for trust in found])


@command.command()
@click.argument("trust_ids", nargs=-1, required=True, metavar="ID...")
@settings_options("cloud")
def delete(trust_ids: tuple[str, ...], **given: Any) -> int:
    """Take trusts back: exit code 1 where one is not there, or not yours."""
    trusts, refused = _trusts(given), 0
    for trust_id in trust_ids:
        try:
            trusts.delete(trust_id)
            click.echo(trust_id)
        except FuncatronError as error:
            note(f"{trust_id}: {error}")
            refused = 1
    return refused


def _trusts(given: dict[str, Any]) -> Trusts:
    made: Trusts = plugins.load("funcatron.trusts", "keystone")(read_settings(given))
    return made


def _row(trust: dict[str, Any]) -> tuple[str, ...]:
    return (
        trust["id"],
        trust["project_id"],
        trust["trustor_user_id"],
        trust["trustee_user_id"],
        ", ".join(trust["roles"]),
        trust["expires_at"] or "never",
    )
