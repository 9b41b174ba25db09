"""``dcos-install``: configure, serve, hash a password, run clusters on this machine, make catalogs of packages."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from dcos.install import cluster_id, genconf, passwords, rotation, serve
from dcos.install.about import version
from dcos.install.command import CommandFailed
from dcos.install.local.commands import local
from dcos.model.layout import Layout
from dcos.runtime import tls


class _Commands(click.Group):
    """What makes catalogs takes a quarter of a second to import, and is imported by whoever asks for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*super().list_commands(ctx), "catalog"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "catalog":
            from dcos.install.catalog.commands import catalog

            return catalog
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="dcos-install")
def cli() -> None:
    """Install DC/OS on nodes of your own (genconf, serve) or as a cluster on this machine (local); make catalogs of packages
    (catalog).
    """


@cli.command("genconf")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("genconf/config.yaml"),
    show_default=True,
    help="What the cluster should be; config/config.yaml is an example.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("genconf"), show_default=True, help="Folder for serve/."
)
def genconf_command(config: Path, out: Path) -> None:
    """Check config.yaml and make genconf/serve."""
    try:
        served = genconf.generate(config, out, say=lambda text: click.echo(text, err=True))
    except genconf.ConfigError as trouble:
        _warn(trouble.warnings)
        click.echo(str(trouble), err=True)
        raise SystemExit(1) from None
    except CommandFailed as trouble:
        click.echo(str(trouble), err=True)
        raise SystemExit(1) from None
    _warn(served.warnings)
    click.echo(f"{served.folder} is ready; nodes fetch it from {served.arguments['bootstrap_url']}")


def _warn(warnings: tuple[tuple[str, str], ...]) -> None:
    for key, message in warnings:
        click.echo(f"warning: {key}: {message}", err=True)


@cli.command("serve")
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True), default=Path("genconf/serve"), show_default=True
)
@click.option("--address", default="0.0.0.0", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
def serve_command(folder: Path, address: str, port: int) -> None:
    """Serve genconf/serve over HTTP until interrupted. Only to a network you trust: it holds the cluster's secrets."""
    try:
        server = serve.make(folder, address, port)
    except OSError as trouble:
        raise click.ClickException(f"cannot listen on {address}:{port}: {trouble.strerror}") from None
    server.show_requests = True
    click.echo(f"serving {folder} on http://{address}:{server.server_address[1]}")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


@cli.command("hash-password")
def hash_password_command() -> None:
    """Read a password from standard input, or ask for it, and print its hash for superuser_password_hash."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        click.echo(passwords.hash_password(password))
    except ValueError as trouble:
        raise click.ClickException(str(trouble)) from None


@cli.command("cluster-id")
@click.option("--zk", envvar="DCOS_ZK", required=True, help="ZooKeeper's servers: zk://host:port,...")
def cluster_id_command(zk: str) -> None:
    """Agree with the cluster's other nodes on its id and write it to /var/lib/dcos/cluster-id."""
    try:
        servers = cluster_id.servers_of(zk)
    except ValueError as trouble:
        raise click.UsageError(f"--zk: {trouble}") from None
    file = Layout.from_environ(os.environ).cluster_id
    click.echo(f"this is cluster {asyncio.run(_establish(servers, file))}")


async def _establish(servers: tuple[str, ...], file: Path) -> str:
    """Errors: click.UsageError (what the environment says of TLS)."""
    try:
        await tls.begin(os.environ)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return await cluster_id.establish(servers, file)


@cli.command("rotate")
@click.argument("what", type=click.Choice(sorted(rotation.KINDS)))
@click.argument("stage", type=click.Choice(rotation.STAGES))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("genconf"), show_default=True, help="Folder of secrets.json."
)
def rotate_command(what: str, stage: str, out: Path) -> None:
    """Replace the cluster's authority or a key that seals, stage by stage, while the cluster runs."""
    try:
        then = rotation.rotate(out / "secrets.json", what, stage)
    except rotation.RotationError as trouble:
        raise click.ClickException(str(trouble)) from None
    click.echo(f"{what}: {stage} is noted. Now: {then}")


cli.add_command(local)


def main() -> int:
    cli.main(prog_name="dcos-install")
    return 0


if __name__ == "__main__":
    sys.exit(main())
