"""Which Marathon apps are installed packages.   Apps are Marathon's JSON; a label says which package each came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dcos.catalog.core.describe import installed
from dcos.catalog.core.errors import ambiguous, no_such_app_of_package, not_installed
from dcos.catalog.core.render import DEFINITION, FRAMEWORK_NAME, NAME, OPTIONS, VERSION, normal_id, unpacked
from dcos.wire.cosmos import decode_definition
from dcos.wire.errors import WireError
from dcos.wire.universe import Json, Package

SDK_UNINSTALL = "DCOS_COMMONS_UNINSTALL"
SDK_API_VERSION = "DCOS_COMMONS_API_VERSION"


@dataclass(frozen=True, slots=True)
class Installed:
    """One app as the catalog sees it. ``definition`` is None where the label is absent or unreadable."""

    app_id: str
    labels: dict[str, str]
    definition: Package | None

    @classmethod
    def of(cls, app: Json) -> Installed:
        labels = {str(key): str(value) for key, value in (app.get("labels") or {}).items()}
        definition = None
        if DEFINITION in labels:
            try:
                definition = decode_definition(labels[DEFINITION])
            except WireError:
                definition = None
        return cls(normal_id(str(app.get("id", ""))), labels, definition)

    @property
    def name(self) -> str | None:
        return self.labels.get(NAME)

    @property
    def version(self) -> str | None:
        return self.labels.get(VERSION)

    @property
    def framework_name(self) -> str | None:
        return self.labels.get(FRAMEWORK_NAME)

    @property
    def options(self) -> Json | None:
        """What the user gave at install; None where that was not kept."""
        return unpacked(self.labels[OPTIONS]) if OPTIONS in self.labels else None

    @property
    def is_sdk(self) -> bool:
        """The service removes itself when told to."""
        return SDK_UNINSTALL in self.labels


def listing(
    apps: Iterable[Json], name: str | None, app_id: str | None, change: Callable[[str], str]
) -> tuple[Json, ...]:
    """Rows of ``/package/list``, by package name then app id."""
    rows = []
    for one in map(Installed.of, apps):
        if one.name is None or one.definition is None:
            continue
        if name is not None and one.definition.name != name:
            continue
        if app_id is not None and one.app_id != normal_id(app_id):
            continue
        rows.append(((one.definition.name, one.app_id), one))
    return tuple(
        {"appId": one.app_id, "packageInformation": installed(one.definition, change)}
        for _, one in sorted(rows, key=lambda row: row[0])
        if one.definition is not None
    )


def to_uninstall(apps: Sequence[Json], name: str, app_id: str | None, every: bool) -> tuple[Installed, ...]:
    """The apps an uninstall means.   Errors: UninstallNonExistentAppForPackage, PackageNotInstalled, AmbiguousAppId."""
    candidates = [one for one in map(Installed.of, apps) if one.name == name]
    if app_id is not None:
        candidates = [one for one in candidates if one.app_id == normal_id(app_id)]
        if not candidates:
            raise no_such_app_of_package(name, normal_id(app_id))
    if not candidates:
        raise not_installed(name)
    if len(candidates) > 1 and not every:
        raise ambiguous(name, sorted(one.app_id for one in candidates))
    return tuple(sorted(candidates, key=lambda one: one.app_id))
