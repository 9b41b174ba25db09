"""Files of credentials on disk, as flags name them: ``/path`` or ``file:///path``. Contents are never shown or logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dcos.runtime.log import Logger
from dcos.wire import credentials


@dataclass(frozen=True, slots=True)
class CredentialsFile:
    """Secrets by principal."""

    path: Path
    open_to_others: bool
    """Readable by everybody: its owner wants to hear that."""
    secrets: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """One principal and its secret."""

    path: Path
    open_to_others: bool
    principal: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def pair(self) -> tuple[str, str]:
        """(principal, secret), as clients of the master take it."""
        return self.principal, self.secret


MESOS_CREDENTIAL: Final = (
    "File of the principal and secret that Mesos masters are told, for masters with --authenticate_http_readonly or "
    "--authenticate_http_readwrite: /path or file:///path, JSON or text."
)
"""Help of the setting that every client of the master has."""


def pair_of(given: CredentialFile | None, log: Logger) -> tuple[str, str] | None:
    """(principal, secret) of a service's credential file, if it has one."""
    if given is None:
        return None
    if given.open_to_others:
        log.warning("file_of_secrets_is_open_to_others", path=str(given.path))
    return given.pair


def secret_of(given: str | None, file: Path | None) -> str | None:
    """The secret, or what ``file`` has; read each time, so that a new one counts from the next use.   Errors: OSError."""
    if given is None and file is not None:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    return given


def read_many(text: str) -> CredentialsFile:
    """Errors: ValueError, OSError."""
    path = _path(text)
    return CredentialsFile(path, _is_open(path), credentials.parse_many(path.read_text(encoding="utf-8")))


def read_one(text: str) -> CredentialFile:
    """Errors: ValueError, OSError."""
    path = _path(text)
    principal, secret = credentials.parse_one(path.read_text(encoding="utf-8"))
    return CredentialFile(path, _is_open(path), principal, secret)


def _path(text: str) -> Path:
    path = Path(text.removeprefix("file://"))
    if not path.is_absolute():
        raise ValueError("must be a file: /path or file:///path")
    return path


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o007)
