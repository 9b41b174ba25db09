"""The private network of booted nodes: one network namespace holds the bridge, one each a node.

The bridge lives in its own namespace so that the host's firewall rules (Docker's FORWARD DROP, bridge-nf-call) never
see the nodes' traffic. This machine has one leg at ``.1``; there is no address translation and no default route.
MAC addresses are fixed: a random one would leave stale neighbours after a restart. Every interface name begins with ``dcos``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from dcos.install.command import CommandFailed, run, succeeds
from dcos.install.local.spec import SUBNETS, ClusterSpec, NodeSpec

BRIDGE = "dcosbr0"
NODE_INTERFACE = "dcoseth0"


class Taken(Exception):
    """Somebody else on this machine, with another folder of clusters say, has the name or the network: says which."""


def bridge_namespace(cluster: str) -> str:
    return f"dcos-{cluster}"


def node_namespace(cluster: str, node: str) -> str:
    return f"dcos-{cluster}-{node}"


def host_leg(spec: ClusterSpec) -> str:
    """The one interface in the host's own namespace; one subnet is one cluster, so its number makes it unique."""
    return f"dcoshost{spec.number}"


def namespaces() -> set[str]:
    """Named network namespaces of this machine."""
    return {line.split()[0] for line in run(["ip", "netns", "list"]).splitlines() if line.strip()}


def free_prefix(taken: set[str], candidates: Sequence[str] = SUBNETS) -> str:
    """The first subnet that no other cluster and no route of this machine uses."""
    routed = []
    for line in run(["ip", "-4", "route", "show", "table", "all"]).splitlines():
        words = line.split()
        word = words[1] if words and words[0] in ("local", "broadcast", "blackhole", "unreachable") else words[0]
        if word == "default":
            continue
        try:
            routed.append(ipaddress.ip_network(word, strict=False))
        except ValueError:
            continue
    for prefix in candidates:
        network = ipaddress.ip_network(f"{prefix}.0/24")
        if prefix not in taken and not any(network.overlaps(other) for other in routed):
            return prefix
    raise CommandFailed(["ip", "route"], 0, "every candidate subnet is taken: " + ", ".join(candidates))


def claim(name: str, taken: set[str], make: Callable[[str], ClusterSpec]) -> ClusterSpec:
    """The first free subnet with its bridge made, which is what keeps others off it. Errors: Taken for the name."""
    if bridge_namespace(name) in namespaces():
        raise Taken(
            f"network namespace {bridge_namespace(name)} is there: another cluster {name!r}, in another folder (DCOS_LOCAL), or "
            f"what is left of one; choose another name, or `ip netns delete` it"
        )
    refused: set[str] = set()
    while True:
        spec = make(prefix := free_prefix(taken | refused))
        try:
            make_bridge(spec)
            return spec
        except Taken:
            refused.add(prefix)


def make_bridge(spec: ClusterSpec) -> None:
    """Make what is missing of the bridge namespace and the host's leg. Errors: Taken."""
    space, leg = bridge_namespace(spec.name), host_leg(spec)
    if space not in namespaces():
        run(["ip", "netns", "add", space])
    if not succeeds(["ip", "-n", space, "link", "show", BRIDGE]):
        run(["ip", "-n", space, "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0"])
        run(["ip", "-n", space, "link", "set", BRIDGE, "up"])
        run(["ip", "-n", space, "link", "set", "lo", "up"])
    if not succeeds(["ip", "-n", space, "link", "show", "dcoshost"]):
        try:
            run(["ip", "link", "add", leg, "type", "veth", "peer", "name", "dcoshost", "netns", space])
        except CommandFailed as trouble:
            if "File exists" in trouble.output:
                raise Taken(f"{leg} is another cluster's") from trouble
            raise
    run(["ip", "-n", space, "link", "set", "dcoshost", "master", BRIDGE, "up"])
    run(["ip", "address", "replace", f"{spec.host_ip}/24", "dev", leg])
    run(["ip", "link", "set", leg, "up"])


def make_node_link(spec: ClusterSpec, node: NodeSpec) -> str:
    """A fresh namespace for one boot of a node, linked to the bridge; returns the namespace's name."""
    bridge, space, port = bridge_namespace(spec.name), node_namespace(spec.name, node.name), f"dcosp{node.index}"
    remove_node_link(spec, node)
    mac = "02:dc:05:" + ":".join(f"{int(part):02x}" for part in node.ip.split(".")[1:])
    run(["ip", "netns", "add", space])
    run(["ip", "-n", bridge, "link", "add", port, "type", "veth", "peer", "name", NODE_INTERFACE, "netns", space])
    run(["ip", "-n", bridge, "link", "set", port, "master", BRIDGE, "up"])
    run(["ip", "-n", space, "link", "set", NODE_INTERFACE, "address", mac])
    run(["ip", "-n", space, "address", "add", f"{node.ip}/24", "dev", NODE_INTERFACE])
    run(["ip", "-n", space, "link", "set", "lo", "up"])
    run(["ip", "-n", space, "link", "set", NODE_INTERFACE, "up"])
    return space


def remove_node_link(spec: ClusterSpec, node: NodeSpec) -> None:
    """Take a node's namespace and its port of the bridge away; nothing to do is fine."""
    space, bridge = node_namespace(spec.name, node.name), bridge_namespace(spec.name)
    present = namespaces()
    if bridge in present:
        # The kernel deletes a namespace some time after its name: the port goes at once only when asked to.
        succeeds(["ip", "-n", bridge, "link", "delete", f"dcosp{node.index}"])
    if space in present:
        run(["ip", "netns", "delete", space])


def remove_all(spec: ClusterSpec) -> None:
    """Take every namespace and interface of the cluster away."""
    for node in spec.nodes:
        remove_node_link(spec, node)
    space = bridge_namespace(spec.name)
    if space in namespaces():
        # From inside: a leg of that name outside may be another cluster's. With this end the other goes at once.
        succeeds(["ip", "-n", space, "link", "delete", "dcoshost"])
        run(["ip", "netns", "delete", space])
