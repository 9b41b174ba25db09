"""Volumes of Docker drivers and CSI plugins: their rules and what Mesos is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.marathon.core import external_rules, normalize, validate
from dcos.marathon.core.common_rules import Rules
from dcos.model.marathon import App
from dcos.model.v1 import types as v1
from dcos.scheduling import external
from dcos.wire import marathon as wire

DRIVER = {"provider": "dvdi", "name": "data", "options": {"dvdi/driver": "rexray"}}
CAPABILITY = {"accessType": "mount", "accessMode": "SINGLE_NODE_WRITER", "fsType": "xfs", "mountFlags": ["noatime"]}
PLUGIN = {"provider": "csi", "name": "vol-1", "options": {"pluginName": "ebs", "capability": CAPABILITY}}
RULES = Rules(features=frozenset({"external_volumes", "secrets"}))


def app_of(given: dict[str, Any], *, mode: str = "RW", docker: bool = False, **fields: Any) -> App:
    container: dict[str, Any] = {
        "type": "DOCKER" if docker else "MESOS",
        "volumes": [{"containerPath": "/d" if docker else "d", "mode": mode, "external": given}],
    }
    if docker:
        container["docker"] = {"image": "x"}
    body = {"id": "/a", "cmd": "run", "container": container, **fields}
    return normalize.canonical(wire.read(body, App), normalize.Defaults())


def csi(mode: str = "SINGLE_NODE_WRITER", **more: Any) -> dict[str, Any]:
    return {**PLUGIN, "options": {"pluginName": "ebs", "capability": {**CAPABILITY, "accessMode": mode}, **more}}


FAULTS: list[tuple[str, App, str]] = [
    ("no name", app_of({**DRIVER, "name": None}), "/external/name"),
    ("no driver", app_of({**DRIVER, "options": {}}), '/external/options("dvdi/driver")'),
    ("unknown provider", app_of({**DRIVER, "provider": "x"}), "/external/provider"),
    ("rexray's numbers", app_of({**DRIVER, "options": {**DRIVER["options"], "dvdi/iops": "0"}}), "dvdi/iops"),  # type: ignore[dict-item]
    ("options with docker", app_of({**DRIVER, "options": {"dvdi/driver": "d", "dvdi/x": "y"}}, docker=True), "options"),
    ("size with docker", app_of({**DRIVER, "size": 5}, docker=True), "/external/size"),
    ("read-only driver volume", app_of(DRIVER, mode="RO"), "/mode"),
    ("two instances", app_of(DRIVER, instances=2), "/instances"),
    ("over capacity", app_of(DRIVER, upgradeStrategy={"maximumOverCapacity": 1}), "maximumOverCapacity"),
    ("csi with docker", app_of(csi(), docker=True), "/external/provider"),
    ("no plugin", app_of(csi(pluginName="")), "/pluginName"),
    ("no capability", app_of(csi(capability=None)), "/capability"),
    ("access type", app_of(csi(capability={**CAPABILITY, "accessType": "tape"})), "/accessType"),
    ("access mode", app_of(csi("ALL")), "/accessMode"),
    ("must be read-only", app_of(csi("MULTI_NODE_READER_ONLY")), "/container/volumes(0)"),
    ("not shareable", app_of(csi(), instances=2), "/instances"),
    ("one writer", app_of(csi("MULTI_NODE_SINGLE_WRITER"), instances=2), "/instances"),
    ("unknown secret", app_of(csi(nodeStageSecret={"user": {"secret": "s"}})), "/nodeStageSecret/user"),
]


@pytest.mark.parametrize(("app", "where"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_broken_rules(app: App, where: str) -> None:
    faults = validate.app_faults(app, RULES, roles={"*"})
    assert any(where in path for path, _ in faults), faults


def test_the_feature_must_be_enabled() -> None:
    [(path, text)] = validate.app_faults(app_of(DRIVER), Rules(), roles={"*"})
    assert path == "/container/volumes(0)/external"
    assert "external_volumes" in text


@pytest.mark.parametrize(
    "app",
    [app_of(DRIVER), app_of(DRIVER, docker=True), app_of(csi()), app_of(csi("MULTI_NODE_MULTI_WRITER"), instances=3)],
    ids=["driver", "driver with docker", "csi", "shared csi"],
)
def test_what_keeps_the_rules(app: App) -> None:
    assert validate.app_faults(app, RULES, roles={"*"}) == []


def test_one_app_may_use_a_driver_volume() -> None:
    other = app_of(DRIVER)
    mine = wire.read({**wire.plain(other), "id": "/b"}, App)
    [(_, text)] = external_rules.conflicts(mine, [other, mine])
    assert text == "Volume name 'data' in /b conflicts with volume(s) of same name in app(s): /a"


def made(app: App) -> v1.Volume:
    assert app.container is not None
    [one] = app.container.volumes
    assert one.external is not None
    return external.volume(one.external, one.container_path, v1.VolumeMode.RW, app.secrets)


def test_a_driver_volume_in_mesos_words() -> None:
    options = {"dvdi/driver": "rexray", "dvdi/iops": " 5 ", "other": "x"}
    volume = made(app_of({**DRIVER, "size": 7, "options": options}))
    assert volume.source is not None
    docker = volume.source.docker_volume
    assert docker is not None
    assert (docker.driver, docker.name) == ("rexray", "data")
    assert docker.driver_options is not None
    assert {one.key: one.value for one in docker.driver_options.parameter} == {"iops": "5", "size": "7"}


def test_a_csi_volume_in_mesos_words() -> None:
    secrets = {"secrets": {"s": {"source": "path/to/it"}}}
    volume = made(app_of(csi(nodeStageSecret={"user": {"secret": "s"}}, volumeContext={"a": "b"}), **secrets))
    assert volume.source is not None
    csi_volume = volume.source.csi_volume
    assert csi_volume is not None
    assert csi_volume.plugin_name == "ebs"
    static = csi_volume.static_provisioning
    assert static is not None
    assert static.volume_id == "vol-1"
    assert static.volume_context == {"a": "b"}
    assert static.volume_capability.mount is not None
    assert static.volume_capability.mount.fs_type == "xfs"
    assert static.volume_capability.access_mode.mode == "SINGLE_NODE_WRITER"
    reference = static.node_stage_secrets["user"].reference
    assert reference is not None
    assert reference.name == "path/to/it"
