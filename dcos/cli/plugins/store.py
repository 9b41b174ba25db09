"""The plugins of one cluster on disk.

A plugin's commands stand in ``env/plugin.toml`` (``[[commands]]`` with name, path, description); without that file every program
``env/bin/dcos-*`` is a command.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dcos.cli.config_store import Cluster, ConfigError
from dcos.cli.plugins import archive

Json = dict[str, Any]
_PROGRAM: Final = "dcos-"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_COMMAND: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Command:
    """``dcos <name>`` is done by the program ``path``."""

    name: str
    path: Path
    description: str = ""


@dataclass(frozen=True, slots=True)
class Plugin:
    """``package``: the definition of the package it came with."""

    name: str
    folder: Path
    commands: tuple[Command, ...]
    package: Json | None = None


class PluginStore:
    """Of ``cluster``."""

    def __init__(self, cluster: Cluster) -> None:
        self._root = cluster.folder / "subcommands"

    def plugins(self) -> tuple[Plugin, ...]:
        """By name. One that cannot be read is left out: it must not break the commands of the others."""
        if not self._root.is_dir():
            return ()
        found = []
        for folder in sorted(self._root.iterdir()):
            if folder.is_dir() and _NAME.fullmatch(folder.name):
                try:
                    found.append(_read(folder.name, folder))
                except ConfigError:
                    continue
        return tuple(found)

    def command(self, name: str) -> Command | None:
        """The command of this name; where two plugins have it, that of the first by name."""
        return next((one for plugin in self.plugins() for one in plugin.commands if one.name == name), None)

    def find(self, name: str) -> Plugin | None:
        return next((one for one in self.plugins() if one.name == name), None)

    def remove(self, name: str) -> None:
        """Errors: ConfigError."""
        if not _NAME.fullmatch(name) or not (self._root / name).is_dir():
            raise ConfigError(f"'{name}' is not a plugin available for this cluster. See `dcos plugin list`")
        shutil.rmtree(self._root / name)

    def add(self, file: Path, *, name: str, kind: str | None, update: bool, package: Json | None = None) -> Plugin:
        """Install the program or archive ``file`` as the plugin ``name``.

        ``kind``: ``zip``, ``executable``, or None: what the file looks like. Where a ``plugin.toml`` names the plugin otherwise
        and no package does, that name is taken. Nothing is changed unless all of it is good.   Errors: ConfigError.
        """
        _check(name)
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".new-") as made:
            folder = Path(made) / "plugin"
            env = folder / "env"
            env.mkdir(parents=True)
            if (kind or ("zip" if archive.is_zip(file) else "executable")) == "zip":
                archive.unpack(file, env)
            else:
                program = env / "bin" / f"{_PROGRAM}{name}"
                program.parent.mkdir()
                shutil.copyfile(file, program)
                program.chmod(0o755)
            if package is None:
                name = _own_name(env) or name
            else:
                (folder / "package.json").write_text(json.dumps(package), encoding="utf-8")
            found = _read(name, folder)
            if not found.commands:
                raise ConfigError(f"{file.name} has no command: a plugin has a plugin.toml, or programs bin/dcos-*")
            target = self._root / name
            if target.exists():
                if not update:
                    raise ConfigError(f"'{name}' is already installed; --update replaces it")
                target.rename(Path(made) / "old")
            folder.rename(target)
        return _read(name, target)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be a plugin's name: letters, digits, '.', '_' and '-' can")


def _own_name(env: Path) -> str | None:
    found = _toml(env).get("name")
    if found is None:
        return None
    if not isinstance(found, str):
        raise ConfigError("plugin.toml: name must be a text")
    _check(found)
    return found


def _toml(env: Path) -> Json:
    file = env / "plugin.toml"
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"plugin.toml: {error}") from None


def _read(name: str, folder: Path) -> Plugin:
    """Errors: ConfigError."""
    env = folder / "env"
    commands = tuple(_named(env) if (env / "plugin.toml").is_file() else _programs(env))
    package = None
    if (folder / "package.json").is_file():
        try:
            package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            package = None
    return Plugin(name, folder, commands, package if isinstance(package, dict) else None)


def _named(env: Path) -> Iterator[Command]:
    for number, one in enumerate(_toml(env).get("commands", [])):
        where = f"plugin.toml: commands[{number}]"
        if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not isinstance(one.get("path"), str):
            raise ConfigError(f"{where} must have a name and a path")
        if not _COMMAND.fullmatch(one["name"]):
            raise ConfigError(f"{where}: {one['name']!r} cannot be a command's name")
        path = Path(os.path.normpath(env / one["path"]))
        if not path.is_relative_to(env):
            raise ConfigError(f"{where}: path {one['path']!r} leads out of the plugin")
        yield Command(one["name"], path, str(one.get("description", "")))


def _programs(env: Path) -> Iterator[Command]:
    bin_folder = env / "bin"
    for path in sorted(bin_folder.iterdir()) if bin_folder.is_dir() else ():
        name = path.name.removeprefix(_PROGRAM).removesuffix(".exe")
        if path.name.startswith(_PROGRAM) and _COMMAND.fullmatch(name) and os.access(path, os.X_OK):
            yield Command(name, path)
