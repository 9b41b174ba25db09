"""Rules of external volumes.   Source: validations of Marathon's DVDIProvider and CSIProvider."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dcos.marathon.core.common_rules import Fault, least
from dcos.model.marathon import App, EngineType, ExternalVolume, Volume
from dcos.scheduling.external import ACCESS_MODES, CSI, DRIVER_OPTION, DVDI

_LABEL = re.compile(r"^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$")
_REXRAY = {
    "dvdi/volumetype": _LABEL,
    "dvdi/newfstype": _LABEL,
    "dvdi/iops": re.compile(r"[1-9][0-9]*"),
    "dvdi/overwritefs": re.compile(r"true|false"),
}
SHAREABLE = frozenset(mode for mode in ACCESS_MODES if mode.startswith("MULTI"))
READ_ONLY = frozenset(mode for mode in ACCESS_MODES if mode.endswith("READER_ONLY"))


def external_faults(app: App, volume: Volume, path: str) -> Iterator[Fault]:
    """Of one volume."""
    external = volume.external
    assert external is not None
    where = f"{path}/external"
    if not external.name:
        yield f"{where}/name", "must not be empty"
    if external.size is not None:
        yield from least(f"{where}/size", external.size, 1)
    if volume.container_path in (".", ".."):
        yield f"{path}/containerPath", "must not be . or .."
    if external.provider == DVDI:
        yield from _driver_faults(app, volume, external, path)
    elif external.provider == CSI:
        yield from _csi_faults(app, volume, external, path)
    else:
        yield f"{where}/provider", f"must be one of {DVDI} and {CSI}"


def _driver_faults(app: App, volume: Volume, external: ExternalVolume, path: str) -> Iterator[Fault]:
    where = f"{path}/external/options"
    driver = external.options.get(DRIVER_OPTION)
    if driver is None:
        yield f'{where}("{DRIVER_OPTION}")', "not defined"
    elif not isinstance(driver, str) or not _LABEL.fullmatch(driver):
        yield f'{where}("{DRIVER_OPTION}")', f"must fully match regular expression '{_LABEL.pattern}'"
    for key, value in external.options.items():
        if not isinstance(value, str | bool | int):
            yield f'{where}("{key}")', "must be text"
        elif driver == "rexray" and key in _REXRAY and not _REXRAY[key].fullmatch(str(value).lower()):
            yield f'{where}("{key}")', f"must fully match regular expression '{_REXRAY[key].pattern}'"
    if app.container is not None and app.container.type is EngineType.DOCKER:
        if set(external.options) - {DRIVER_OPTION}:
            yield where, f"must only contain {DRIVER_OPTION}"
        if external.size is not None:
            yield f"{path}/external/size", "must be undefined for Docker containers"
        if not volume.container_path.startswith("/"):
            yield f"{path}/containerPath", "value must be an absolute path"
    elif volume.mode is not None and volume.mode != "RW":
        yield f"{path}/mode", "must be RW"


def _csi_faults(app: App, volume: Volume, external: ExternalVolume, path: str) -> Iterator[Fault]:
    where = f"{path}/external/options"
    options: Mapping[str, Any] = external.options
    if app.container is not None and app.container.type is EngineType.DOCKER:
        yield f"{path}/external/provider", "csi volumes are not supported with the Docker container engine"
    if not isinstance(options.get("pluginName"), str) or not options["pluginName"]:
        yield f"{where}/pluginName", "not defined"
    for name in ("nodeStageSecret", "nodePublishSecret"):
        given = options.get(name) or {}
        if not isinstance(given, dict):
            yield f"{where}/{name}", "must be an object"
            continue
        for key, value in given.items():
            if not isinstance(value, dict) or value.get("secret") not in app.secrets:
                yield f"{where}/{name}/{key}", "must be a reference to an existing secret"
    if not isinstance(options.get("volumeContext") or {}, dict):
        yield f"{where}/volumeContext", "must be an object"
    capability = options.get("capability")
    if not isinstance(capability, dict):
        yield f"{where}/capability", "not defined"
        return
    if str(capability.get("accessType")).lower() not in ("block", "mount"):
        yield f"{where}/capability/accessType", "must be one of block and mount"
    if not isinstance(capability.get("fsType") or "", str):
        yield f"{where}/capability/fsType", "must be text"
    flags = capability.get("mountFlags") or []
    if not isinstance(flags, list) or not all(isinstance(one, str) for one in flags):
        yield f"{where}/capability/mountFlags", "must be a list of texts"
    mode = capability.get("accessMode")
    if mode not in ACCESS_MODES:
        yield f"{where}/capability/accessMode", f"must be one of {', '.join(ACCESS_MODES)}"
    elif mode in READ_ONLY and volume.mode != "RO":
        yield path, "CSI volume must be mounted readonly with a read-only access mode"
    elif app.instances > 1 and mode not in SHAREABLE:
        yield "/instances", "must be 1 while non-shareable CSI volumes are defined"
    elif app.instances > 1 and mode == "MULTI_NODE_SINGLE_WRITER" and volume.mode != "RO":
        yield "/instances", "must be 1 while a multi-node single-writer volume is defined mounted as read/write"


def driver_volumes(app: App) -> list[str]:
    """Names of the Docker driver volumes that only one instance may use."""
    found = app.container.volumes if app.container is not None else ()
    mine = (one.external for one in found if one.external is not None and one.external.provider == DVDI)
    return [one.name or "" for one in mine if not one.shared]


def app_faults(app: App) -> Iterator[Fault]:
    """Of an app's Docker driver volumes together."""
    names = driver_volumes(app)
    if not names:
        return
    for name, count in Counter(names).items():
        if count > 1:
            yield "/container/volumes", f"Requested DVDI volume '{name}' is declared more than once within app {app.id}"
    if app.instances > 1:
        yield "/instances", f"Number of instances is limited to 1 when declaring DVDI volumes in app [{app.id}]"
    if app.upgrade_strategy is not None and app.upgrade_strategy.maximum_over_capacity != 0:
        yield "/upgradeStrategy/maximumOverCapacity", "must be 0 for apps with external volumes"


def conflicts(app: App, others: Iterable[App]) -> Iterator[Fault]:
    """Docker driver volumes that other apps use too."""
    names = set(driver_volumes(app))
    if not names:
        return
    users: dict[str, list[str]] = {}
    for other in others:
        if other.id != app.id:
            for name in names & set(driver_volumes(other)):
                users.setdefault(name, []).append(other.id)
    for name, ids in sorted(users.items()):
        text = f"Volume name '{name}' in {app.id} conflicts with volume(s) of same name in app(s): "
        yield "/container/volumes", text + ", ".join(sorted(ids))
