"""Logging in: who, with which secret, at which provider.

How depends on the provider's type: a name and a password; the private key of a service account; or a browser, whose last page
shows a token to be pasted here.

A password comes from ``--password-file``, ``DCOS_PASSWORD``, ``--password`` or a prompt without echo; it is sent once and
kept nowhere.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urljoin

import click

from dcos.cli.output import fail, notice
from dcos.client.adminrouter import identity
from dcos.client.adminrouter.failures import LoginNeeded
from dcos.client.adminrouter.transport import Transport

F = TypeVar("F", bound=Callable[..., Any])

ATTEMPTS: Final = 3
_PASSWORD_TYPES: Final = frozenset({"dcos-uid-password", "dcos-uid-password-ldap"})
_KEY_TYPES: Final = frozenset({"dcos-uid-servicekey"})
_BROWSER_TYPES: Final = frozenset(
    {
        *("saml-sp-initiated", "oidc-authorization-code-flow", "oidc-implicit-flow", "dcos-oidc-auth0"),
        "dcos-credential-post-receive-authtoken",
    }
)
_SIGNED_BY_OTHERS: Final = frozenset({"oidc-implicit-flow", "dcos-oidc-auth0"})
"""What is pasted is the other authority's token, to be exchanged for the cluster's."""
KEY_TOKEN_FOR_S: Final = 300


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was given on the command line and in the environment."""

    provider: str | None = None
    username: str | None = None
    password: str | None = None
    password_file: str | None = None
    private_key: str | None = None


def options(function: F) -> F:
    """The login flags of a command, passed on as ``credentials`` fields."""
    for option in (
        click.option("--private-key", help="File with the private key of a service account, PEM."),
        click.option("--password-file", help="File with the password in its first line."),
        click.option(
            "--password",
            envvar="DCOS_PASSWORD",
            help="Password; better in DCOS_PASSWORD or --password-file, since others can see a program's arguments.",
        ),
        click.option("--username", envvar="DCOS_USERNAME", help="User id."),
        click.option("--provider", help="Login provider, see `dcos auth list-providers`."),
    ):
        function = option(function)
    return function


def obtain_token(transport: Transport, credentials: Credentials) -> str:
    """The token of a login; asks for what is missing where somebody can answer.   Errors: LoginNeeded, ClickException."""
    provider = _choose(identity.providers(transport), credentials)
    kind = str(provider.get("authentication-type"))
    if kind in _KEY_TYPES:
        return _with_key(transport, credentials)
    if kind in _BROWSER_TYPES:
        return _with_browser(transport, provider, kind)
    return _with_password(transport, credentials)


def _with_password(transport: Transport, credentials: Credentials) -> str:
    username = credentials.username or _ask("Username", hidden=False)
    password = _password_given(credentials)
    if password is not None:
        return _login(transport, username, password)
    for attempt in range(ATTEMPTS):
        try:
            return identity.login(transport, username, _ask("Password", hidden=True))
        except LoginNeeded as error:
            if attempt == ATTEMPTS - 1:
                fail(error.message)
            notice(error.message)
    raise AssertionError("the last attempt either returns or fails")


def _with_key(transport: Transport, credentials: Credentials) -> str:
    """A token that is good for minutes, signed with the account's key, is exchanged for the cluster's."""
    from cryptography.hazmat.primitives import serialization  # large, and seldom needed
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from dcos.wire import jwt

    if not credentials.username or not credentials.private_key:
        fail("a service account logs in with --username and --private-key")
    try:
        key = serialization.load_pem_private_key(Path(credentials.private_key).read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        fail(f"cannot read the private key {credentials.private_key}: {error}")
    if not isinstance(key, RSAPrivateKey):
        fail(f"{credentials.private_key} is no RSA key")
    signed = jwt.sign(credentials.username, int(time.time()) + KEY_TOKEN_FOR_S, key)
    try:
        return identity.login_with_token(transport, credentials.username, signed)
    except LoginNeeded as error:
        fail(error.message)


def _with_browser(transport: Transport, provider: Mapping[str, Any], kind: str) -> str:
    """The last page of the login shows a token, which is pasted here."""
    start = str((provider.get("config") or {}).get("start_flow_url") or "/login")
    url = urljoin(transport.url + "/", start)
    mark = "&" if "?" in url else "?"
    url += f"{mark}target={quote('dcos:authenticationresponse:html')}" if kind not in _SIGNED_BY_OTHERS else ""
    notice(f"If your browser does not open, go to this address:\n\n    {url}\n")
    click.launch(url)
    pasted = _ask("Token from the browser", hidden=True).strip()
    if kind in _SIGNED_BY_OTHERS:
        return identity.login_with_token(transport, None, pasted)
    identity.check_token(transport, pasted)
    return pasted


def _login(transport: Transport, username: str, password: str) -> str:
    try:
        return identity.login(transport, username, password)
    except LoginNeeded as error:
        fail(error.message)


def _choose(providers: Mapping[str, Mapping[str, Any]], given: Credentials) -> Mapping[str, Any]:
    """The provider that is named; else the one for which something was given; else the one that is chosen."""
    if given.provider is not None:
        if given.provider not in providers:
            known = ", ".join(sorted(providers)) or "none"
            fail(
                f"unknown provider '{given.provider}', the cluster has: {known}", "`dcos auth list-providers` says more"
            )
        return providers[given.provider]

    def of(types: frozenset[str]) -> dict[str, Mapping[str, Any]]:
        return {name: one for name, one in providers.items() if one.get("authentication-type") in types}

    for wanted, types in ((given.private_key, _KEY_TYPES), (given.username or given.password_file, _PASSWORD_TYPES)):
        if wanted:
            found = of(types)
            if not found:
                fail("the cluster offers no such login", "`dcos auth list-providers` shows which it offers")
            return found.get("dcos-users") or next(iter(found.values()))
    people = of(_PASSWORD_TYPES | _BROWSER_TYPES)
    if not people:
        fail("the cluster offers no login for people", "`dcos auth list-providers` shows which it offers")
    if len(people) == 1 or not sys.stdin.isatty():
        return people.get("dcos-users") or next(iter(people.values()))
    for name, one in sorted(people.items()):
        notice(f"{name}: {one.get('description') or one.get('authentication-type')}")
    return people[click.prompt("Login provider", type=click.Choice(sorted(people)), err=True)]


def _password_given(credentials: Credentials) -> str | None:
    if credentials.password_file:
        try:
            lines = Path(credentials.password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            fail(f"cannot read the password file: {error}")
        if not lines or not lines[0]:
            fail(f"{credentials.password_file} is empty")
        return lines[0]
    return credentials.password


def _ask(what: str, *, hidden: bool) -> str:
    if not sys.stdin.isatty() and hidden:
        fail("a password is needed: use DCOS_PASSWORD, --password-file, or a terminal")
    answer: str = click.prompt(what, hide_input=hidden, err=True)
    return answer
