"""Logging in: who, with which secret, at which provider.

A password comes from ``--password-file``, ``DCOS_PASSWORD``, ``--password`` or a prompt without echo; it is sent once and
kept nowhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from dcos.cli.output import fail, notice
from dcos.client.adminrouter import identity
from dcos.client.adminrouter.transport import LoginNeeded, Transport

F = TypeVar("F", bound=Callable[..., Any])

ATTEMPTS: Final = 3
_PASSWORD_TYPES: Final = frozenset({"dcos-uid-password", "dcos-uid-password-ldap"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was given on the command line and in the environment."""

    provider: str | None = None
    username: str | None = None
    password: str | None = None
    password_file: str | None = None


def options(function: F) -> F:
    """The login flags of a command, passed on as ``credentials`` fields."""
    for option in (
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
    _choose(identity.providers(transport), credentials.provider)
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


def _login(transport: Transport, username: str, password: str) -> str:
    try:
        return identity.login(transport, username, password)
    except LoginNeeded as error:
        fail(error.message)


def _choose(providers: Mapping[str, Mapping[str, Any]], wanted: str | None) -> None:
    """See that the provider takes a password."""
    if wanted is not None and wanted not in providers:
        fail(f"unknown provider '{wanted}', the cluster has: {', '.join(sorted(providers)) or 'none'}")
    candidates = [providers[wanted]] if wanted else list(providers.values())
    if not any(one.get("authentication-type") in _PASSWORD_TYPES for one in candidates):
        fail("the cluster offers no login with user name and password")


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
