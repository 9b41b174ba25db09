"""Configurations of local resource providers: one JSON file each in ``--resource_provider_config_dir``.

They are kept as operators ask, and nothing more: the only local provider that upstream has is that of CSI plugins, which
this agent has not, so none is started and no provider ever subscribes.

    ProviderError
    └── Conflict      there is one of the same type and name that says something else, or none to be changed

Source: Mesos 1.11's local resource provider daemon (names of files, answers).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dcos.model.v1.types import ResourceProviderInfo
from dcos.runtime.files import write_atomic
from dcos.runtime.log import Logger
from dcos.wire import mesos_json
from dcos.wire.errors import WireError

_STAGING = ".staging"


class ProviderError(Exception):
    """What was asked for cannot be done."""


class Conflict(ProviderError):
    """It does not fit what is configured."""


@dataclass(frozen=True, slots=True)
class _Known:
    path: Path
    info: ResourceProviderInfo


class ResourceProviders:
    """``folder`` None: the flag was not given."""

    def __init__(self, folder: Path | None, log: Logger) -> None:
        self._folder = folder
        self._log = log
        self._known: dict[tuple[str, str], _Known] = {}
        if folder is not None:
            self._load(folder)

    def add(self, info: ResourceProviderInfo) -> None:
        """The same again is fine.   Errors: ProviderError."""
        folder = self._required()
        known = self._known.get((info.type, info.name))
        if known is not None:
            if known.info != info:
                raise Conflict
            return
        self._save(folder / f"{info.type}.{info.name}.{uuid.uuid4()}.json", info)

    def update(self, info: ResourceProviderInfo) -> None:
        """Errors: ProviderError."""
        self._required()
        known = self._known.get((info.type, info.name))
        if known is None:
            raise Conflict
        if known.info != info:
            self._save(known.path, info)

    def remove(self, kind: str, name: str) -> None:
        """None there is fine.   Errors: ProviderError."""
        self._required()
        known = self._known.get((kind, name))
        if known is None:
            return
        try:
            known.path.unlink()
        except OSError as error:
            raise ProviderError(f"Failed to remove config file '{known.path}': {error.strerror}") from error
        del self._known[kind, name]

    def _required(self) -> Path:
        if self._folder is None:
            raise ProviderError("Missing required flag --resource_provider_config_dir")
        return self._folder

    def _save(self, path: Path, info: ResourceProviderInfo) -> None:
        """By way of a folder beside, so that a file is there whole or not at all."""
        try:
            if "/" in path.name or path.parent != self._folder:
                raise OSError(22, "a type or name may not hold a slash")
            staging = path.parent / _STAGING
            staging.mkdir(exist_ok=True)
            write_atomic(staging / path.name, mesos_json.encode(info), mode=0o600)
            (staging / path.name).replace(path)
        except OSError as error:
            raise ProviderError(f"Failed to write config file '{path}': {error.strerror}") from error
        self._keep(path, info)

    def _keep(self, path: Path, info: ResourceProviderInfo) -> None:
        self._known[info.type, info.name] = _Known(path, info)
        self._log.warning(
            "resource_provider_not_started", type=info.type, name=info.name, why="there are no CSI plugins"
        )

    def _load(self, folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                continue
            try:
                info = mesos_json.decode(path.read_bytes(), ResourceProviderInfo)
            except (OSError, WireError, msgspec.MsgspecError) as error:
                self._log.error("resource_provider_config_not_read", path=str(path), error=str(error))
                continue
            if info.id is not None:
                self._log.error("resource_provider_config_not_read", path=str(path), error="its id must not be set")
            elif (info.type, info.name) in self._known:
                self._log.error(
                    "resource_provider_config_not_read", path=str(path), error="there is another of its name"
                )
            else:
                self._keep(path, info)
