"""External volumes in Mesos' words: drivers of Docker volumes (``dvdi``) and CSI plugins (``csi``).

Options of ``dvdi`` volumes go to the driver without their prefix, with ``size`` among them. A CSI volume exists already: it
is named by its id.   Source: Marathon's DVDIProvider and CSIProvider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dcos.model.marathon import ExternalVolume, SecretSource
from dcos.model.v1 import types as v1

DVDI: Final = "dvdi"
CSI: Final = "csi"
DRIVER_OPTION: Final = "dvdi/driver"
PREFIX: Final = "dvdi/"
ACCESS_MODES: Final = tuple(
    mode.value
    for mode in v1.VolumeSourceCSIVolumeVolumeCapabilityAccessModeMode
    if mode is not v1.VolumeSourceCSIVolumeVolumeCapabilityAccessModeMode.UNKNOWN
)


def volume(external: ExternalVolume, path: str, mode: v1.VolumeMode, secrets: Mapping[str, SecretSource]) -> v1.Volume:
    """Where it is mounted, and what; ``external`` is valid."""
    if external.provider == DVDI:
        source = _driver_volume(external)
    else:
        source = v1.VolumeSource(type=v1.VolumeSourceType.CSI_VOLUME, csi_volume=_csi_volume(external, secrets))
    return v1.Volume(mode=mode, container_path=path, source=source)


def _driver_volume(external: ExternalVolume) -> v1.VolumeSource:
    options = {
        key.removeprefix(PREFIX): str(value).strip()
        for key, value in external.options.items()
        if key.startswith(PREFIX) and key.lower() != DRIVER_OPTION
    }
    if external.size is not None:
        options["size"] = str(external.size)
    parameters = tuple(v1.Parameter(key=key, value=value) for key, value in options.items())
    made = v1.VolumeSourceDockerVolume(
        driver=str(external.options[DRIVER_OPTION]),
        name=external.name or "",
        driver_options=v1.Parameters(parameter=parameters) if parameters else None,
    )
    return v1.VolumeSource(type=v1.VolumeSourceType.DOCKER_VOLUME, docker_volume=made)


def _csi_volume(external: ExternalVolume, secrets: Mapping[str, SecretSource]) -> v1.VolumeSourceCSIVolume:
    options: Mapping[str, Any] = external.options
    capability = options["capability"]
    block = mount = None
    if capability["accessType"].lower() == "block":
        block = v1.VolumeSourceCSIVolumeVolumeCapabilityBlockVolume()
    else:
        mount = v1.VolumeSourceCSIVolumeVolumeCapabilityMountVolume(
            fs_type=capability.get("fsType"), mount_flags=tuple(capability.get("mountFlags") or ())
        )
    mode = v1.VolumeSourceCSIVolumeVolumeCapabilityAccessModeMode(capability["accessMode"])
    provisioning = v1.VolumeSourceCSIVolumeStaticProvisioning(
        volume_id=external.name or "",
        volume_capability=v1.VolumeSourceCSIVolumeVolumeCapability(
            block=block, mount=mount, access_mode=v1.VolumeSourceCSIVolumeVolumeCapabilityAccessMode(mode=mode)
        ),
        node_stage_secrets=_secrets(options.get("nodeStageSecret"), secrets),
        node_publish_secrets=_secrets(options.get("nodePublishSecret"), secrets),
        volume_context={key: str(value) for key, value in (options.get("volumeContext") or {}).items()},
    )
    return v1.VolumeSourceCSIVolume(plugin_name=options["pluginName"], static_provisioning=provisioning)


def _secrets(given: Mapping[str, Any] | None, secrets: Mapping[str, SecretSource]) -> dict[str, v1.Secret]:
    return {
        key: v1.Secret(type=v1.SecretType.REFERENCE, reference=v1.SecretReference(name=secrets[value["secret"]].source))
        for key, value in (given or {}).items()
    }
