"""``dcos cluster``: the clusters this machine knows. ``dcos.cli.cluster_setup`` gets to know one."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli import completing
from dcos.cli import login as logins
from dcos.cli.cluster_setup import Wanted, set_up
from dcos.cli.config_store import Cluster, ConfigError
from dcos.cli.context import Context, pass_context
from dcos.cli.login import Credentials
from dcos.cli.output import emit_json, emit_lines, emit_table, fail, notice
from dcos.client.adminrouter import identity
from dcos.client.adminrouter.failures import ClientError
from dcos.client.adminrouter.links import Links

_STATUS_TIMEOUT_S = 5.0
_LINKABLE = frozenset(
    {"dcos-uid-password", "dcos-uid-password-ldap", "saml-sp-initiated", "oidc-authorization-code-flow"}
)


@click.group()
def cluster() -> None:
    """Manage the clusters this machine knows.

    \b
    Example: dcos cluster list
    """


def _setup_options(function: Any) -> Any:
    """Flags of ``setup``, which ``link`` has too."""
    for option in (
        click.option("--no-timeout", is_flag=True, help="Wait as long as it takes."),
        click.option("--name", help="Name for the cluster instead of its own."),
        click.option("--ca-certs", help="File with the certificate authorities to trust."),
        click.option("--no-check", is_flag=True, help="Trust the cluster's own certificate authority without asking."),
        click.option("--insecure", is_flag=True, help="Do not verify certificates."),
    ):
        function = option(function)
    return function


def _wanted(given: dict[str, Any]) -> Wanted:
    names = ("insecure", "no_check", "ca_certs", "name", "no_timeout")
    login = {name: value for name, value in given.items() if name not in names}
    return Wanted(**{name: given[name] for name in names}, credentials=Credentials(**login))


@cluster.command()
@click.argument("url")
@_setup_options
@logins.options
@pass_context
def setup(context: Context, /, url: str, **given: Any) -> None:
    """Get to know the cluster at URL, log in, and make it the current one.

    \b
    Example: dcos cluster setup http://10.0.0.1 --username=admin --password-file=admin.password
    """
    set_up(context, url, _wanted(given))
    if context.environ.get("DCOS_CLI_EXPERIMENTAL_AUTOINSTALL_PACKAGE_CLIS"):
        _install_plugins(Context(context.environ, context.verbosity))


def _install_plugins(context: Context) -> None:
    """Those of the packages that are installed. One that cannot be had is told and left out."""
    from dcos.cli.plugins import fetch

    for one in context.cosmos.list(None, None)["packages"]:
        definition = one["packageInformation"]["packageDefinition"]
        try:
            found = context.cosmos.describe(str(definition["name"]), str(definition["version"]))
            if (found.get("resource") or {}).get("cli"):
                made = fetch.from_package(context, found)
                notice(f"New commands available: {', '.join(each.name for each in made.commands)}")
        except (ClientError, ConfigError, click.ClickException) as error:
            notice(f"The CLI of package '{definition['name']}' is left out: {error}")


@cluster.command("list")
@click.option("--attached", is_flag=True, help="Only the current cluster.")
@click.option("--names", is_flag=True, hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, attached: bool, names: bool, as_json: bool) -> None:
    """List the clusters, those too that the current one is linked to; `*` is before the current one.

    \b
    Example: dcos cluster list --json
    """
    current = context.store.current(context.environ.get("DCOS_CLUSTER"))
    known = [one for one in context.store.clusters() if not attached or (current is not None and one.id == current.id)]
    if attached and not known:
        fail("no cluster is attached")
    if names:
        emit_lines(one.name for one in known)
        return
    rows = [_described(context, one, current is not None and one.id == current.id) for one in known]
    if current is not None and not attached:
        rows += _linked(context, current, {one.id for one in known})
    if as_json:
        emit_json(rows)
        return
    emit_table(
        ("", "NAME", "ID", "STATUS", "VERSION", "URL"),
        [
            ("*" if row["attached"] else "", *(row[key] for key in ("name", "cluster_id", "status", "version", "url")))
            for row in rows
        ],
    )


def _linked(context: Context, current: Cluster, known: set[str]) -> list[dict[str, Any]]:
    """Clusters that the current one is linked to and that are not set up on this machine."""
    try:
        with context.transport_of(current, timeout_s=_STATUS_TIMEOUT_S) as transport:
            links = Links(transport).all()
    except ClientError:
        return []
    return [
        {
            "attached": False,
            "cluster_id": str(one["id"]),
            "name": str(one.get("name") or one["id"]),
            "status": "UNCONFIGURED",
            "url": str(one.get("url", "")),
            "version": "UNKNOWN",
        }
        for one in links
        if one.get("id") and str(one["id"]) not in known
    ]


def _described(context: Context, one: Cluster, attached: bool) -> dict[str, Any]:
    try:
        with context.transport_of(one, timeout_s=_STATUS_TIMEOUT_S) as transport:
            version = identity.version(transport)
        status = "AVAILABLE"
    except ClientError:
        status, version = "UNAVAILABLE", "UNKNOWN"
    return {
        "attached": attached,
        "cluster_id": one.id,
        "name": one.name,
        "status": status,
        "url": one.url,
        "version": version or "UNKNOWN",
    }


@cluster.command()
@click.argument("name", shell_complete=completing.clusters)
@pass_context
def attach(context: Context, name: str) -> None:
    """Make the cluster with this NAME, id, or unique beginning of either, the current one.

    One that the current cluster is linked to is set up first.

    \b
    Example: dcos cluster attach production
    """
    try:
        context.store.attach(context.store.find(name))
        return
    except ConfigError as error:
        current = context.store.current(context.environ.get("DCOS_CLUSTER"))
        links = [] if current is None else _linked(context, current, {one.id for one in context.store.clusters()})
        for one in links:
            if name in (one["cluster_id"], one["name"]):
                set_up(context, one["url"], Wanted())
                return
        fail(str(error), "`dcos cluster list` shows the clusters there are")


@cluster.command()
@click.argument("name", required=False, shell_complete=completing.clusters)
@click.option("--all", "every", is_flag=True, help="Remove all clusters.")
@click.option("--unavailable", is_flag=True, help="Remove the clusters that cannot be reached.")
@pass_context
def remove(context: Context, name: str | None, every: bool, unavailable: bool) -> None:
    """Forget a cluster. The cluster itself is left alone.

    \b
    Example: dcos cluster remove --unavailable
    """
    if sum((name is not None, every, unavailable)) != 1:
        fail("give a name, --all or --unavailable")
    if name is not None:
        context.store.remove(context.store.find(name))
        return
    for one in context.store.clusters():
        if every or _described(context, one, False)["status"] == "UNAVAILABLE":
            context.store.remove(one)


@cluster.command()
@click.argument("name", shell_complete=completing.clusters)
@click.argument("new_name")
@pass_context
def rename(context: Context, name: str, new_name: str) -> None:
    """Call the cluster NAME by NEW_NAME from now on.

    \b
    Example: dcos cluster rename dcos-4f2a production
    """
    found = context.store.find(name)
    if any(one.name == new_name and one.id != found.id for one in context.store.clusters()):
        fail(f"another cluster is called '{new_name}' already")
    found.values["cluster.name"] = new_name
    found.save()


@cluster.command("open")
@click.argument("name", required=False, shell_complete=completing.clusters)
@pass_context
def open_(context: Context, name: str | None) -> None:
    """Open the web interface of the current cluster, or of the cluster NAME, in a browser.

    \b
    Example: dcos cluster open
    """
    found = context.cluster if name is None else context.store.find(name)
    if click.launch(found.url) != 0:
        fail(f"no browser can be started for {found.url}")


@cluster.command()
@click.argument("other_name", metavar="NAME", shell_complete=completing.clusters)
@_setup_options
@logins.options
@pass_context
def link(context: Context, /, other_name: str, **given: Any) -> None:
    """Link the current cluster to the cluster NAME. (Clusters of DC/OS Enterprise keep links; others answer that they do not.)

    One that this machine does not know yet is set up first; NAME is its address then.

    \b
    Example: dcos cluster link production
    """
    current = context.cluster
    try:
        other = context.store.find(other_name)
    except ConfigError:
        click.confirm(f"'{other_name}' is not set up on this machine. Set it up now?", abort=True, err=True)
        other = set_up(context, other_name, _wanted(given), attach=False)
    if other.id == current.id:
        fail("cannot link a cluster to itself")
    with context.transport_of(other) as transport:
        providers = identity.providers(transport)
    usable = {key: one for key, one in sorted(providers.items()) if one.get("authentication-type") in _LINKABLE}
    wanted = given["provider"]
    if wanted is not None and wanted not in usable:
        fail(f"cluster '{other.name}' has no login provider '{wanted}' for links: {', '.join(usable) or 'none'}")
    if not usable:
        fail("couldn't determine a login provider")
    if wanted is None and len(usable) > 1:
        wanted = click.prompt("Login provider", type=click.Choice(list(usable)), err=True)
    chosen = wanted or next(iter(usable))
    context.links.add(
        {
            "id": other.id,
            "name": other.name,
            "url": other.url,
            "login_provider": {"id": chosen, "type": str(usable[chosen]["authentication-type"])},
        }
    )


@cluster.command()
@click.argument("name", shell_complete=completing.clusters)
@pass_context
def unlink(context: Context, name: str) -> None:
    """End the link from the current cluster to the cluster NAME.

    \b
    Example: dcos cluster unlink production
    """
    for one in context.links.all():
        if name in (one.get("id"), one.get("name")):
            context.links.remove(str(one["id"]))
            return
    fail(f"the current cluster is not linked to '{name}'")
