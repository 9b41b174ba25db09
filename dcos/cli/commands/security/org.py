"""``dcos security org``: users, service accounts, groups, and what they may do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dcos.cli.context import Context, pass_context
from dcos.cli.lazy import Entry, LazyGroup
from dcos.cli.output import emit_json, emit_table, fail

_JSON = click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def org() -> None:
    """Manage accounts, groups and permissions."""


def _permission_commands(group: click.Group, kind: str, metavar: str) -> None:
    """``grant`` and ``revoke`` of users and of groups."""

    @group.command()
    @click.argument("who", metavar=metavar)
    @click.argument("rid")
    @click.argument("action")
    @click.option("--description", help="Of the access list, where this is its first permission.")
    @pass_context
    def grant(context: Context, who: str, rid: str, action: str, description: str | None) -> None:
        """Let somebody do ACTION (create, read, update, delete, full) to RID.

        \b
        Example: dcos security org users grant bob dcos:adminrouter:service:marathon full
        """
        context.security.grant(kind, who, rid, action, description)

    @group.command()
    @click.argument("who", metavar=metavar)
    @click.argument("rid")
    @click.argument("action")
    @pass_context
    def revoke(context: Context, who: str, rid: str, action: str) -> None:
        """Take ACTION on RID away.

        \b
        Example: dcos security org users revoke bob dcos:adminrouter:service:marathon full
        """
        context.security.revoke(kind, who, rid, action)


def _account_commands(group: click.Group, metavar: str, *, service: bool) -> None:
    """``delete`` and ``show`` of users and of service accounts."""
    which = "service account" if service else "user"
    path = f"dcos security org {'service-accounts' if service else 'users'}"

    @group.command(
        "delete",
        help=f"Delete the {which} {metavar}, with its memberships and permissions.\n\n\b\nExample: {path} delete bob",
    )
    @click.argument("uid", metavar=metavar)
    @pass_context
    def delete(context: Context, uid: str) -> None:
        context.security.delete_account(uid)

    @group.command(
        "show", help=f"Show {which}s; with {metavar}S their permissions too.\n\n\b\nExample: {path} show bob"
    )
    @click.argument("uids", nargs=-1, metavar=f"[{metavar}S]...")
    @_JSON
    @pass_context
    def show(context: Context, uids: tuple[str, ...], as_json: bool) -> None:
        _show_accounts(context, uids, as_json, service=service)


# ---- users -----------------------------------------------------------------------------------------------------------


@org.group()
def users() -> None:
    """Manage users."""


@users.command("create")
@click.argument("uid")
@click.option("-d", "--description", default="", help="Who that is.")
@click.option(
    "-p",
    "--password",
    envvar="DCOS_NEW_PASSWORD",
    help="Password; better in DCOS_NEW_PASSWORD or at the prompt, since others can see a program's arguments.",
)
@pass_context
def create_user(context: Context, uid: str, description: str, password: str | None) -> None:
    """Make the user UID.

    \b
    Example: dcos security org users create bob -d Bob
    """
    if password is None:
        if not sys.stdin.isatty():
            fail("a password is needed: DCOS_NEW_PASSWORD, --password, or a terminal")
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    context.security.add_account(uid, {"description": description, "password": password})


_account_commands(users, "UID", service=False)
_permission_commands(users, "users", "UID")


# ---- service accounts ------------------------------------------------------------------------------------------------


@org.group(
    "service-accounts",
    cls=LazyGroup,
    entries={"keypair": Entry("dcos.cli.commands.security.keypair:keypair", "Make a pair of keys in two new files")},
)
def service_accounts() -> None:
    """Manage accounts of services."""


@service_accounts.command("create")
@click.argument("uid", metavar="SID")
@click.option("-p", "--public-key", "public_key", required=True, help="File of the public key; - for standard input.")
@click.option("-d", "--description", help="What it is for; the account's id unless given.")
@pass_context
def create_service_account(context: Context, uid: str, public_key: str, description: str | None) -> None:
    """Make the service account SID.

    \b
    Example: dcos security org service-accounts create -p public.pem kafka
    """
    try:
        text = sys.stdin.read() if public_key == "-" else Path(public_key).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"cannot read {public_key}: {error}")
    body = {"description": description if description is not None else uid, "public_key": text}
    context.security.add_account(uid, body)


_account_commands(service_accounts, "SID", service=True)
_permission_commands(service_accounts, "users", "SID")


def _show_accounts(context: Context, uids: Sequence[str], as_json: bool, *, service: bool) -> None:
    found = [context.security.account(uid) for uid in uids] if uids else context.security.accounts(service=service)
    if as_json:
        emit_json({str(one["uid"]): one for one in found})
        return
    emit_table(
        ("UID", "DESCRIPTION", "PROVIDER"), [(one["uid"], one["description"], one["provider_type"]) for one in found]
    )
    rows = [(uid, *row) for uid in uids for row in _permission_rows(context.security.permissions(uid))]
    if rows:
        click.echo()
        emit_table(("UID", "RID", "ACTIONS", "BY GROUP"), rows)


def _permission_rows(found: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str, str]]:
    return [
        (str(row["rid"]), ", ".join(action["name"] for action in row["actions"]), str(row.get("gid", "")))
        for row in (*found.get("direct", ()), *found.get("groups", ()))
    ]


# ---- groups ----------------------------------------------------------------------------------------------------------


@org.group()
def groups() -> None:
    """Manage groups and their members."""


@groups.command("create")
@click.argument("gid")
@click.option("-d", "--description", default="", help="Who that is.")
@pass_context
def create_group(context: Context, gid: str, description: str) -> None:
    """Make the group GID.

    \b
    Example: dcos security org groups create devs -d Developers
    """
    context.security.add_group(gid, description)


@groups.command("delete")
@click.argument("gid")
@pass_context
def delete_group(context: Context, gid: str) -> None:
    """Delete the group GID, with its permissions.

    \b
    Example: dcos security org groups delete devs
    """
    context.security.delete_group(gid)


@groups.command("show")
@click.argument("gids", nargs=-1)
@_JSON
@pass_context
def show_groups(context: Context, gids: tuple[str, ...], as_json: bool) -> None:
    """Show groups.

    \b
    Example: dcos security org groups show
    """
    found = [context.security.group(gid) for gid in gids] if gids else context.security.groups()
    if as_json:
        emit_json({str(one["gid"]): one for one in found})
        return
    emit_table(("GID", "DESCRIPTION"), [(one["gid"], one["description"]) for one in found])


@groups.command()
@click.argument("gid")
@_JSON
@pass_context
def members(context: Context, gid: str, as_json: bool) -> None:
    """Show who is in the group GID.

    \b
    Example: dcos security org groups members devs
    """
    found = context.security.members(gid)
    if as_json:
        emit_json(found)
        return
    emit_table(("UID", "DESCRIPTION"), [(one["uid"], one["description"]) for one in found])


@groups.command("add_user")
@click.argument("gid")
@click.argument("uid")
@pass_context
def add_user(context: Context, gid: str, uid: str) -> None:
    """Make UID a member of GID.

    \b
    Example: dcos security org groups add_user devs bob
    """
    context.security.add_member(gid, uid)


@groups.command("del_user")
@click.argument("gid")
@click.argument("uid")
@pass_context
def del_user(context: Context, gid: str, uid: str) -> None:
    """Take UID out of GID.

    \b
    Example: dcos security org groups del_user devs bob
    """
    context.security.delete_member(gid, uid)


_permission_commands(groups, "groups", "GID")
