"""Changes of the repository list; its order is priority.   Source: cosmos PackageRepository handlers."""

from __future__ import annotations

from urllib.parse import urlsplit

from dcos.catalog.core.errors import (
    index_out_of_bounds,
    repository_absent,
    repository_present,
    repository_unnamed,
    unsupported_uri,
    uri_syntax,
)
from dcos.wire.cosmos import RepositoryEntry

Entries = tuple[RepositoryEntry, ...]


def check_uri(entry: RepositoryEntry) -> None:
    """Errors: RepositoryUriSyntax, UnsupportedRepositoryUri."""
    try:
        parts = urlsplit(entry.uri)
    except ValueError:
        raise uri_syntax(entry.name, entry.uri) from None
    if parts.scheme not in ("http", "https"):
        raise unsupported_uri(entry.uri)
    if not parts.hostname or any(sign.isspace() for sign in entry.uri):
        raise uri_syntax(entry.name, entry.uri)


def added(entries: Entries, entry: RepositoryEntry, index: int | None) -> Entries:
    """Errors: RepositoryAlreadyPresent, RepositoryAddIndexOutOfBounds."""
    same_name = any(one.name == entry.name for one in entries)
    same_uri = any(one.uri == entry.uri for one in entries)
    if same_name or same_uri:
        raise repository_present(entry.name if same_name else None, entry.uri if same_uri else None)
    place = len(entries) if index is None else index
    if not 0 <= place <= len(entries):
        raise index_out_of_bounds(place, len(entries))
    return (*entries[:place], entry, *entries[place:])


def removed(entries: Entries, name: str | None, uri: str | None) -> Entries:
    """Errors: RepoNameOrUriMissing, RepositoryNotPresent."""
    if name is None and uri is None:
        raise repository_unnamed()
    left = tuple(one for one in entries if not ((name is None or one.name == name) and (uri is None or one.uri == uri)))
    if len(left) == len(entries):
        raise repository_absent(name, uri)
    return left
