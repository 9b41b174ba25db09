"""``dcos-install catalog``: one command each thing a person does with a catalog or a package of their own."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from dcos.catalog.core import lint as rules
from dcos.catalog.core.contents import Contents
from dcos.catalog.core.trial import tried
from dcos.install.catalog import folder, mirror, report, server, skeleton, sources
from dcos.install.catalog.sources import EVERY_RELEASE, SourceError
from dcos.wire.errors import WireError
from dcos.wire.universe import DESCRIPTION, Package, check_name

F = TypeVar("F", bound=Callable[..., Any])
_TO = click.option(
    "--to", "catalog", type=click.Path(path_type=Path, file_okay=False), required=True, help="The catalog."
)
_SOURCES = click.argument("sources_", metavar="SOURCE...", nargs=-1, required=True)


def _explained(command: F) -> F:
    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (SourceError, OSError) as trouble:
            raise click.ClickException(str(trouble)) from None

    return wrapper  # type: ignore[return-value]


def _choosing(command: F) -> F:
    for option in (
        click.option("--release", default=EVERY_RELEASE, help="Only what this release of DC/OS runs; all without it."),
        click.option("--latest", is_flag=True, help="Of each package the highest release only."),
        click.option(
            "--package", "-p", "wanted", multiple=True, help="Only this: NAME or NAME=VERSION; may be repeated."
        ),
    ):
        command = option(command)
    return command


@click.group("catalog")
def catalog() -> None:
    """Catalogs of packages, offline ones too, and packages of your own.

    A SOURCE is a repository's URL, a zip archive or JSON file of one, a Universe tree, or the folder of a package.
    """


# ---- catalogs --------------------------------------------------------------------------------------------------------


@catalog.command("build")
@_SOURCES
@_TO
@_choosing
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write it as one JSON file, too.")
@click.option("--zip", "zip_file", type=click.Path(path_type=Path), help="Write it as one zip archive, too.")
@_explained
def build(
    sources_: Sequence[str], catalog: Path, release: str, latest: bool, wanted: Sequence[str],
    json_file: Path | None, zip_file: Path | None,
) -> None:  # fmt: skip
    """Make a catalog of the packages of SOURCE...

    Example: dcos-install catalog build universe/ --to mine -p kafka -p spark --latest
    """
    if catalog.exists() and any(catalog.iterdir()):
        raise click.ClickException(f"{catalog} is not empty; dcos-install catalog add adds to a catalog")
    _add(sources_, catalog, release, latest, wanted)
    _write_files(catalog, json_file, zip_file)


@catalog.command("add")
@_SOURCES
@_TO
@_choosing
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all of it as one JSON file.")
@click.option("--zip", "zip_file", type=click.Path(path_type=Path), help="Write all of it as one zip archive.")
@_explained
def add(
    sources_: Sequence[str], catalog: Path, release: str, latest: bool, wanted: Sequence[str],
    json_file: Path | None, zip_file: Path | None,
) -> None:  # fmt: skip
    """Add the packages of SOURCE... to a catalog, in place of the same releases there.

    Example: dcos-install catalog add my-service/ --to mine
    """
    _add(sources_, catalog, release, latest, wanted)
    _write_files(catalog, json_file, zip_file)


def _add(sources_: Sequence[str], catalog: Path, release: str, latest: bool, wanted: Sequence[str]) -> None:
    packages = sources.chosen(_read(sources_, release).packages, wanted, latest=latest)
    number = folder.write(catalog, packages)
    click.echo(f"{catalog}: {number} package versions written")


def _read(sources_: Sequence[str], release: str) -> Contents:
    """All of them; what is broken is told."""
    whole = Contents()
    for one in sources_:
        found = sources.read(one, release)
        for bad in found.broken:
            click.echo(f"left out: {one}: {bad.place}: {bad.reason}", err=True)
        whole = whole.joined(found)
    return whole


def _write_files(catalog: Path, json_file: Path | None, zip_file: Path | None) -> None:
    if json_file is None and zip_file is None:
        return
    packages = sources.read(str(catalog)).packages
    if json_file is not None:
        folder.write_json(json_file, packages)
    if zip_file is not None:
        folder.write_zip(zip_file, packages)


@catalog.command("mirror")
@_SOURCES
@_TO
@_choosing
@click.option("--url", required=True, help="Where the catalog will be served: http://host:port.")
@click.option("--registry", help="Copy images there (host:port or host/path), by skopeo as it is logged in.")
@click.option(
    "--insecure-registry", is_flag=True, help="The registry speaks plain HTTP or shows a certificate nobody signed."
)
@click.option("--insecure-source", is_flag=True, help="Likewise the registries that images come from.")
@click.option("--max-file-mb", type=click.IntRange(1), default=4096, show_default=True, help="Refuse larger files.")
@_explained
def mirror_command(
    sources_: Sequence[str], catalog: Path, release: str, latest: bool, wanted: Sequence[str],
    url: str, registry: str | None, insecure_registry: bool, insecure_source: bool, max_file_mb: int,
) -> None:  # fmt: skip
    """Add packages with all that they fetch: files into the catalog, images into a registry.

    Example: dcos-install catalog mirror https://universe.example.com/repo --to mine -p jenkins --latest
    --url http://10.0.0.5:8080 --registry 10.0.0.5:5000
    """
    packages = sources.chosen(_read(sources_, release).packages, wanted, latest=latest)
    copy = None
    if registry is not None:
        copy = mirror.to_registry(registry, verify_tls=not insecure_registry, verify_source_tls=not insecure_source)
    done = mirror.mirrored(
        packages,
        catalog,
        url=url,
        max_bytes=max_file_mb * 1024**2,
        copy=copy,
        say=lambda text: click.echo(text, err=True),
    )
    number = folder.write(catalog, done.packages)
    click.echo(f"{catalog}: {number} package versions, {done.files} files, {done.images} images")
    if registry is None and (left := sorted({image for one in packages for image in mirror.images_of(one)})):
        click.echo(f"without --registry, agents still fetch {len(left)} images from where they are", err=True)
    for one in done.missing:
        click.echo(f"missing: {one}", err=True)
    if done.missing:
        raise SystemExit(1)


@catalog.command("serve")
@click.argument("catalog", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--address", default="0.0.0.0", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@_explained
def serve(catalog: Path, address: str, port: int) -> None:
    """Serve a catalog over HTTP until interrupted: its packages at /repo, their files at /files/.

    Example: dcos-install catalog serve mine, and then: dcos package repo add Mine http://THIS-HOST:8080/repo --index=0
    """

    def ready(host: str, number: int) -> None:
        click.echo(f"serving {catalog} on http://{host}:{number}{server.REPO}")

    try:
        asyncio.run(server.serve(catalog, address, port, ready))
    except KeyboardInterrupt:
        return


# ---- packages --------------------------------------------------------------------------------------------------------


@catalog.command("new")
@click.argument("name")
@click.option(
    "--to", "place", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder to make it in."
)
@_explained
def new(name: str, place: Path) -> None:
    """Begin a package: NAME/0/ with files that work, to be changed.

    Example: dcos-install catalog new my-service
    """
    try:
        check_name(name)
    except WireError as trouble:
        raise click.ClickException(str(trouble)) from None
    made = place / name / "0"
    if made.exists():
        raise click.ClickException(f"{made} is there already")
    made.mkdir(parents=True)
    for file, data in skeleton.files(name).items():
        (made / file).write_bytes(data)
    click.echo(f"{made} is made; look at it with dcos-install catalog lint {place / name}, try it with catalog test")


@catalog.command("lint")
@_SOURCES
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@_explained
def lint(sources_: Sequence[str], strict: bool) -> None:
    """Say what is wrong with packages, or likely not meant; exit code 1 when something is wrong.

    Example: dcos-install catalog lint my-service/
    """
    errors = warnings = looked = 0
    for where, found in _linted(sources_):
        looked += 1
        for one in found:
            click.echo(f"{where}: {one}")
            errors += one.level == rules.ERROR
            warnings += one.level == rules.WARNING
    click.echo(f"{looked} package versions: {errors} errors, {warnings} warnings", err=True)
    if errors or (strict and warnings):
        raise SystemExit(1)


def _linted(sources_: Sequence[str]) -> Iterable[tuple[str, Iterable[rules.Finding]]]:
    """Folders are looked at file by file, other sources by their packages."""
    for source in sources_:
        path = Path(source)
        if path.is_dir():
            every = (
                [path / DESCRIPTION] if (path / DESCRIPTION).is_file() else sorted(path.resolve().rglob(DESCRIPTION))
            )
            for file in every:
                place = file.resolve().parent
                yield (
                    f"{place.parent.name}/{place.name}",
                    rules.folder(place.parent.name, place.name, sources.files_of(place)),
                )
            continue
        contents = sources.read(source)
        for bad in contents.broken:
            yield bad.place, [rules.Finding(rules.ERROR, bad.name or "package", bad.reason)]
        for package in contents.packages:
            yield _title(package), rules.whole(package)


@catalog.command("test")
@_SOURCES
@_choosing
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--all", "every", is_flag=True, help="Show the good ones, too.")
@_explained
def test(
    sources_: Sequence[str], release: str, latest: bool, wanted: Sequence[str], as_json: bool, every: bool
) -> None:
    """Render packages with their defaults, with every option set and with wrong options; exit code 1 when one fails.

    Example: dcos-install catalog test my-service/
    """
    contents = _read(sources_, release)
    trials = [tried(one) for one in sources.chosen(contents.packages, wanted, latest=latest)]
    if as_json:
        click.echo(json.dumps([report.shown(one) for one in trials], indent=4))
    else:
        for line in report.lines(trials, every=every):
            click.echo(line)
    click.echo(report.summary(trials, len(contents.broken)), err=True)
    if contents.broken or not all(one.is_good for one in trials):
        raise SystemExit(1)


def _title(package: Package) -> str:
    return f"{package.name} {package.version}"
