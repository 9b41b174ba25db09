"""Networks of containers that the installer configures on agents, as CNI files below ``/opt/mesosphere/etc``. Pure.

Source: ``dcos/network/cni/*.conf`` of DC/OS agents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONFIGS = "dcos/network/cni"
FOLDERS = ("dcos", "dcos/network", CONFIGS)
"""Parents first. Operators add networks of their own to the last."""
BRIDGE = "ucr-br0"


def of_agents(arguments: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """File name below ``etc`` to CNI configuration."""
    return {f"{CONFIGS}/ucr-default-bridge.conf": _bridge(arguments)}


def _bridge(arguments: Mapping[str, str]) -> dict[str, Any]:
    """What ``container/bridge`` means: addresses known to this agent alone, ports of the agent lead to them."""
    ipam = {
        "type": "host-local",
        "subnet": arguments["dcos_ucr_default_bridge_subnet"],
        "dataDir": arguments["dcos_cni_data_dir"],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "0.2.0",
        "name": arguments["dcos_ucr_default_bridge_network_name"],
        "type": "mesos-cni-port-mapper",
        "delegate": {
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": ipam,
        },
    }
