"""``dcos security secrets``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, fail

F = TypeVar("F", bound=Callable[..., Any])
_STORE = click.option("-s", "--store-id", "store", default="default", help="Secrets backend to use.")
_JSON = click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")


def _value_options(function: F) -> F:
    for option in (
        click.option(
            "-f", "--file", "raw_file", help="File whose bytes, as they are, are the value; - for standard input."
        ),
        click.option("-t", "--text-file", "--value-file", "text_file", help="File whose text (UTF-8) is the value."),
        click.option("-v", "--value", help="The value; better a file, since others can see a program's arguments."),
    ):
        function = option(function)
    return function


@click.group()
def secrets() -> None:
    """Keep secrets for tasks."""


@secrets.command()
@click.argument("path")
@_value_options
@_STORE
@pass_context
def create(
    context: Context, path: str, value: str | None, text_file: str | None, raw_file: str | None, store: str
) -> None:
    """Store a secret under PATH. Without a value it is asked for.

    \b
    Example: dcos security secrets create --text-file=password.txt dev/db/password
    """
    context.security.add_secret(store, path, _value(value, text_file, raw_file))


@secrets.command()
@click.argument("path")
@_value_options
@_STORE
@pass_context
def update(
    context: Context, path: str, value: str | None, text_file: str | None, raw_file: str | None, store: str
) -> None:
    """Replace the secret under PATH. Tasks see it when they are started again.

    \b
    Example: dcos security secrets update --text-file=password.txt dev/db/password
    """
    context.security.change_secret(store, path, _value(value, text_file, raw_file))


@secrets.command("create-sa-secret")
@click.argument("private_key", metavar="SA_PRIVATE_KEY")
@click.argument("uid", metavar="SA_UID")
@click.argument("path", metavar="SECRET_PATH")
@click.option("--strict", is_flag=True, help="Log in over HTTPS.")
@_STORE
@pass_context
def create_sa_secret(context: Context, private_key: str, uid: str, path: str, strict: bool, store: str) -> None:
    """Store what a service needs to log in as the service account SA_UID.

    \b
    Example: dcos security secrets create-sa-secret --strict private.pem kafka kafka/account
    """
    where = "https://leader.mesos" if strict else "http://leader.mesos"
    made = {
        "scheme": "RS256",
        "uid": uid,
        "private_key": _read(private_key).decode(),
        "login_endpoint": f"{where}/acs/api/v1/auth/login",
    }
    context.security.add_secret(store, path, json.dumps(made))


@secrets.command()
@click.argument("path")
@_STORE
@pass_context
def delete(context: Context, path: str, store: str) -> None:
    """Delete the secret under PATH. Running tasks keep what they have.

    \b
    Example: dcos security secrets delete dev/db/password
    """
    context.security.delete_secret(store, path)


@secrets.command()
@click.argument("path")
@_STORE
@_JSON
@pass_context
def get(context: Context, path: str, store: str, as_json: bool) -> None:
    """Print the secret under PATH.

    \b
    Example: dcos security secrets get dev/db/password
    """
    raw = context.security.secret(store, path)
    if not as_json:
        sys.stdout.flush()
        stream = sys.stdout.buffer
        stream.write(raw)
        if sys.stdout.isatty() or not raw.endswith(b"\n"):
            stream.write(b"\n")
        stream.flush()
        return
    try:
        emit_json({"value": raw.decode()})
    except UnicodeDecodeError:
        fail("the secret is no text: leave --json out")


@secrets.command("list")
@click.argument("path")
@_STORE
@_JSON
@pass_context
def list_secrets(context: Context, path: str, store: str, as_json: bool) -> None:
    """List the secrets below PATH; / for all.

    \b
    Example: dcos security secrets list /
    """
    found = context.security.secrets(store, path)
    if as_json:
        emit_json({"array": found})
        return
    emit_lines(f"- {name}" for name in found)


@click.command("secret-store")
@_JSON
@pass_context
def secret_store(context: Context, as_json: bool) -> None:
    """Show the secret stores.

    \b
    Example: dcos security cluster secret-store
    """
    found = context.security.stores()
    if as_json:
        emit_json(found)
        return
    rows = [(one.get("name"), one.get("driver"), one.get("initialized"), one.get("sealed")) for one in found]
    emit_table(("NAME", "DRIVER", "INITIALIZED", "SEALED"), rows)


def _value(value: str | None, text_file: str | None, raw_file: str | None) -> str | bytes:
    given = [one for one in (value, text_file, raw_file) if one is not None]
    if len(given) > 1:
        fail("one of --value, --text-file and --file can be given")
    if raw_file is not None:
        return _read(raw_file)
    if text_file is not None:
        try:
            return _read(text_file).decode()
        except UnicodeDecodeError:
            fail(f"{text_file} is no text in UTF-8: use --file")
    if value is not None:
        return value
    if not sys.stdin.isatty():
        fail("a value is needed: --text-file, --file or --value")
    answer: str = click.prompt("Value", hide_input=True, err=True)
    return answer


def _read(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        fail(f"cannot read {path}: {error}")
