"""``dcos cluster``: the clusters this machine knows."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import Any

import click

from dcos.cli import login as logins
from dcos.cli.config_store import TOKEN, Cluster
from dcos.cli.context import USER_AGENT, Context, pass_context
from dcos.cli.login import Credentials
from dcos.cli.output import emit_json, emit_lines, emit_table, fail, notice
from dcos.client.adminrouter import identity
from dcos.client.adminrouter.transport import ClientError, NotFound, Transport, Untrusted, Verify, tls_context
from dcos.runtime.files import write_atomic

_STATUS_TIMEOUT_S = 5.0
_AUTHORITY = "dcos_ca.crt"


@click.group()
def cluster() -> None:
    """Manage the clusters this machine knows."""


@cluster.command()
@click.argument("url")
@click.option("--insecure", is_flag=True, help="Do not verify certificates.")
@click.option("--no-check", is_flag=True, help="Trust the cluster's own certificate authority without asking.")
@click.option("--ca-certs", help="File with the certificate authorities to trust.")
@click.option("--name", help="Name for the cluster instead of its own.")
@click.option("--no-timeout", is_flag=True, help="Wait as long as it takes.")
@logins.options
@pass_context
def setup(
    context: Context,
    url: str,
    insecure: bool,
    no_check: bool,
    ca_certs: str | None,
    name: str | None,
    no_timeout: bool,
    provider: str | None,
    username: str | None,
    password: str | None,
    password_file: str | None,
) -> None:
    """Get to know the cluster at URL, log in, and make it the current one.

    Example: dcos cluster setup http://10.0.0.1 --username=admin --password-file=admin.password
    """
    timeout_s = 10**6 if no_timeout else context.timeout_s
    if ca_certs and not Path(ca_certs).is_file():
        fail(f"{ca_certs} is no file")
    given: bool | str = False if insecure else str(Path(ca_certs).resolve()) if ca_certs else True
    real_url, verify, authority = _reached(url, given, no_check, timeout_s)
    with Transport(real_url, verify=verify, timeout_s=timeout_s, user_agent=USER_AGENT) as transport:
        token = context.environ.get("DCOS_CLUSTER_SETUP_ACS_TOKEN", "")
        if not token and identity.needs_login(transport):
            token = logins.obtain_token(transport, Credentials(provider, username, password, password_file))
        transport.token = token
        facts = identity.cluster_facts(transport)
    found = context.store.new(facts.id)
    chosen = name or facts.name
    if name and any(one.name == name and one.id != facts.id for one in context.store.clusters()):
        fail(f"another cluster is called '{name}' already")
    stored = str(found.folder / _AUTHORITY) if authority is not None else _stored(verify)
    found.values |= {"core.dcos_url": real_url, "cluster.name": chosen, "core.ssl_verify": stored}
    found.values.pop(TOKEN, None)
    if token:
        found.values[TOKEN] = token
    found.save()
    if authority is not None:
        write_atomic(found.folder / _AUTHORITY, authority, mode=0o600)
    context.store.attach(found)
    notice(f"The current cluster is now {chosen} ({facts.id}) at {real_url}")


def _stored(verify: Verify) -> str:
    return verify if isinstance(verify, str) else str(verify).lower()


def _reached(url: str, verify: bool | str, no_check: bool, timeout_s: float) -> tuple[str, Verify, bytes | None]:
    """Canonical URL, how to verify, and the cluster's own authority where that is trusted from now on."""
    try:
        return identity.canonical_url(url, verify=verify, timeout_s=timeout_s, user_agent=USER_AGENT), verify, None
    except Untrusted as error:
        if verify is not True:
            raise
        untrusted = error
    real_url = identity.canonical_url(url, verify=False, timeout_s=timeout_s, user_agent=USER_AGENT)
    with Transport(real_url, verify=False, timeout_s=timeout_s, user_agent=USER_AGENT) as transport:
        try:
            authority = identity.authority(transport)
        except NotFound:
            raise untrusted from None
    if not no_check:
        _ask_trust(real_url, authority)
    trusted = tls_context(True, authority=authority)
    identity.canonical_url(real_url, verify=trusted, timeout_s=timeout_s, user_agent=USER_AGENT)
    return real_url, trusted, authority


def _ask_trust(url: str, authority: bytes) -> None:
    """Show whose certificate it is; end unless it is trusted."""
    try:
        fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(authority.decode())).hexdigest().upper()
    except (ValueError, UnicodeDecodeError):
        fail(f"{url} has no readable certificate authority; see --ca-certs and --insecure")
    pairs = ":".join(fingerprint[index : index + 2] for index in range(0, len(fingerprint), 2))
    notice(f"The certificate of {url} is signed by the cluster's own authority.\nSHA256 fingerprint: {pairs}")
    click.confirm("Do you trust it?", abort=True, err=True)


@cluster.command("list")
@click.option("--attached", is_flag=True, help="Only the current cluster.")
@click.option("--names", is_flag=True, hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, attached: bool, names: bool, as_json: bool) -> None:
    """List the clusters; `*` is before the current one."""
    current = context.store.current(context.environ.get("DCOS_CLUSTER"))
    known = [one for one in context.store.clusters() if not attached or (current is not None and one.id == current.id)]
    if attached and not known:
        fail("no cluster is attached")
    if names:
        emit_lines(one.name for one in known)
        return
    rows = [_described(context, one, current is not None and one.id == current.id) for one in known]
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
@click.argument("name")
@pass_context
def attach(context: Context, name: str) -> None:
    """Make the cluster with this NAME, id, or unique beginning of either, the current one."""
    context.store.attach(context.store.find(name))


@cluster.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Remove all clusters.")
@click.option("--unavailable", is_flag=True, help="Remove the clusters that cannot be reached.")
@pass_context
def remove(context: Context, name: str | None, every: bool, unavailable: bool) -> None:
    """Forget a cluster. The cluster itself is left alone."""
    if sum((name is not None, every, unavailable)) != 1:
        fail("give a name, --all or --unavailable")
    if name is not None:
        context.store.remove(context.store.find(name))
        return
    for one in context.store.clusters():
        if every or _described(context, one, False)["status"] == "UNAVAILABLE":
            context.store.remove(one)


@cluster.command()
@click.argument("name")
@click.argument("new_name")
@pass_context
def rename(context: Context, name: str, new_name: str) -> None:
    """Call the cluster NAME by NEW_NAME from now on."""
    found = context.store.find(name)
    if any(one.name == new_name and one.id != found.id for one in context.store.clusters()):
        fail(f"another cluster is called '{new_name}' already")
    found.values["cluster.name"] = new_name
    found.save()
