"""How the repositories are: an addition to Cosmos, so that what is left out is not merely missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dcos.catalog.core.contents import Contents
from dcos.catalog.core.errors import CatalogError
from dcos.wire.cosmos import RepositoryEntry
from dcos.wire.universe import Json


@dataclass(frozen=True, slots=True)
class Condition:
    """``fetched``: Unix seconds, None of packages on this machine. ``error``: why the last try failed."""

    entry: RepositoryEntry
    contents: Contents | None
    fetched: float | None
    error: CatalogError | None

    @property
    def state(self) -> str:
        """``good``; ``copy``: an earlier copy serves; ``failed``: it never could be read."""
        if self.error is None:
            return "good"
        return "failed" if self.contents is None else "copy"

    def shown(self) -> Json:
        contents = self.contents or Contents()
        shown: Json = {"name": self.entry.name, "uri": self.entry.uri, "state": self.state}
        if self.contents is not None:
            shown["form"] = contents.form
        if self.fetched is not None:
            shown["fetched"] = datetime.fromtimestamp(self.fetched, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.error is not None:
            shown["error"] = self.error.body()
        shown["packages"] = len({one.name for one in contents.packages})
        shown["versions"] = len(contents.packages)
        shown["broken"] = [
            {
                key: value
                for key, value in (
                    ("place", one.place), ("name", one.name), ("version", one.version), ("reason", one.reason)
                )
                if value is not None
            }
            for one in contents.broken
        ]  # fmt: skip
        shown["tooNew"] = [
            {"name": one.name, "version": one.version, "minDcosReleaseVersion": one.min_dcos_release_version}
            for one in contents.too_new
        ]
        return shown
