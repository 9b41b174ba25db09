"""Getting to know a cluster: its address, whom to trust, logging in, its id and name."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from dcos.cli import login as logins
from dcos.cli.config_store import TOKEN, Cluster
from dcos.cli.context import USER_AGENT, Context
from dcos.cli.login import Credentials
from dcos.cli.output import fail, notice
from dcos.client.adminrouter import identity
from dcos.client.adminrouter.failures import NotFound, Untrusted
from dcos.client.adminrouter.transport import Transport, Verify, tls_context
from dcos.runtime.files import write_atomic

_AUTHORITY: Final = "dcos_ca.crt"
_LONG_S: Final = 10**6


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the flags of ``cluster setup`` say."""

    insecure: bool = False
    no_check: bool = False
    ca_certs: str | None = None
    name: str | None = None
    no_timeout: bool = False
    credentials: Credentials = field(default_factory=Credentials)


def set_up(context: Context, url: str, wanted: Wanted, *, attach: bool = True) -> Cluster:
    """Ask the cluster at ``url``, log in, keep what it says."""
    timeout_s = _LONG_S if wanted.no_timeout else context.timeout_s
    if wanted.ca_certs and not Path(wanted.ca_certs).is_file():
        fail(f"{wanted.ca_certs} is no file")
    given: bool | str = False if wanted.insecure else str(Path(wanted.ca_certs).resolve()) if wanted.ca_certs else True
    real_url, verify, authority = _reached(url, given, wanted.no_check, timeout_s)
    with Transport(real_url, verify=verify, timeout_s=timeout_s, user_agent=USER_AGENT) as transport:
        token = context.environ.get("DCOS_CLUSTER_SETUP_ACS_TOKEN", "")
        if token:
            identity.check_token(transport, token)
        elif identity.needs_login(transport):
            token = logins.obtain_token(transport, wanted.credentials)
        transport.token = token
        facts = identity.cluster_facts(transport)
    found = context.store.new(facts.id)
    chosen = wanted.name or facts.name
    if wanted.name and any(one.name == chosen and one.id != facts.id for one in context.store.clusters()):
        fail(f"another cluster is called '{chosen}' already", "--name gives this one another name")
    stored = str(found.folder / _AUTHORITY) if authority is not None else _stored(verify)
    found.values |= {"core.dcos_url": real_url, "cluster.name": chosen, "core.ssl_verify": stored}
    found.values.pop(TOKEN, None)
    if token:
        found.values[TOKEN] = token
    found.save()
    if authority is not None:
        write_atomic(found.folder / _AUTHORITY, authority, mode=0o600)
    if attach:
        context.store.attach(found)
        notice(f"The current cluster is now {chosen} ({facts.id}) at {real_url}")
    return found


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
        der = ssl.PEM_cert_to_DER_cert(authority.decode())
        issuer, validity = _described(der)
    except (ValueError, UnicodeDecodeError):
        fail(
            f"{url} has no readable certificate authority", "--ca-certs names a file with it; --insecure trusts anybody"
        )
    fingerprint = hashlib.sha256(der).hexdigest().upper()
    pairs = ":".join(fingerprint[index : index + 2] for index in range(0, len(fingerprint), 2))
    notice(
        f"The certificate of {url} is signed by the cluster's own authority.\n"
        f"Issuer: {issuer}\n{validity}\nSHA256 fingerprint: {pairs}"
    )
    click.confirm("Do you trust it?", abort=True, err=True)


def _described(der: bytes) -> tuple[str, str]:
    """Issuer, and from when to when it is valid.   Errors: ValueError."""
    from cryptography import x509  # large; only who must decide whom to trust waits for it

    found = x509.load_der_x509_certificate(der)
    begin, end = found.not_valid_before_utc, found.not_valid_after_utc
    return found.issuer.rfc4514_string(), f"Validity: from {begin:%Y-%m-%d %H:%M:%S} UTC to {end:%Y-%m-%d %H:%M:%S} UTC"
