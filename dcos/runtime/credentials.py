"""Files of credentials on disk, as flags name them: ``/path`` or ``file:///path``. Contents are never shown or logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
