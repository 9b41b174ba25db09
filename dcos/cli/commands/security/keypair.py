"""``dcos security org service-accounts keypair``: apart, since it alone has to load the library that makes keys."""

from __future__ import annotations

import os

import click
from cryptography.hazmat.primitives.asymmetric import rsa

from dcos.cli.output import fail
from dcos.wire.jwt import private_pem, public_pem


@click.command()
@click.argument("private_key")
@click.argument("public_key")
@click.option("-l", "--key-length", type=click.Choice(["2048", "4096"]), default="2048", help="Bits of the RSA key.")
def keypair(private_key: str, public_key: str, key_length: str) -> None:
    """Make a pair of keys in two new files; the private one is for you alone.

    \b
    Example: dcos security org service-accounts keypair private.pem public.pem
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=int(key_length))
    for path, text, mode in (
        (private_key, private_pem(key), 0o600),
        (public_key, public_pem(key.public_key()), 0o644),
    ):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            fail(f"cannot make {path}: {error.strerror}")
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
