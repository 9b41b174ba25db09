"""Which nftables commands map ports into containers, against a table that keeps what it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dcos.agent.containerizer.cni import NetworkError, Plugins
from dcos.agent.containerizer.port_mapper import TABLE, PortMapper, delegate_of
from dcos.model.v1.types import NetworkInfo, NetworkInfoPortMapping
from dcos.runtime.nft import Nft

_ELEMENT = re.compile(rf"(add|delete) element ip {TABLE} (\w+) {{ (\S+)(?: : (\S+) \. (\d+))? }}")


class Table(Nft):
    """Elements of the maps and of the set."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.elements: dict[str, dict[str, tuple[str, int] | None]] = {"tcp_ports": {}, "udp_ports": {}, "members": {}}

    async def objects(self, family: str, table: str, *, set: str | None = None) -> list[Mapping[str, Any]] | None:
        if not self.made:
            return None
        maps = [
            {
                "map": {
                    "name": name,
                    "elem": [[int(port), {"concat": list(to)}] for port, to in self.elements[name].items() if to],
                }
            }
            for name in ("tcp_ports", "udp_ports")
        ]
        return [{"table": {"name": table}}, *maps, {"set": {"name": "members", "elem": list(self.elements["members"])}}]

    async def apply(self, commands: str) -> None:
        self.made += commands.count("add table")
        for verb, name, key, address, port in _ELEMENT.findall(commands):
            if verb == "delete":
                del self.elements[name][key]
            else:
                assert self.elements[name].get(key) is None, "nft refuses another value of a key"
                self.elements[name][key] = (address, int(port)) if address else None


def mapping(host: int, container: int, protocol: str | None = None) -> NetworkInfoPortMapping:
    return NetworkInfoPortMapping(host_port=host, container_port=container, protocol=protocol)


async def test_ports_lead_to_their_container_and_go_with_it() -> None:
    table = Table()
    mapper = PortMapper(table)
    await mapper.open("10.1.0.2", [mapping(31000, 80), mapping(31001, 53, "UDP")])
    await mapper.open("10.1.0.3", [mapping(31002, 80, "tcp")])
    assert table.made == 1
    assert table.elements == {
        "tcp_ports": {"31000": ("10.1.0.2", 80), "31002": ("10.1.0.3", 80)},
        "udp_ports": {"31001": ("10.1.0.2", 53)},
        "members": {"10.1.0.2": None, "10.1.0.3": None},
    }
    await mapper.close("10.1.0.2")
    await mapper.close("10.1.0.2")
    assert table.elements == {"tcp_ports": {"31002": ("10.1.0.3", 80)}, "udp_ports": {}, "members": {"10.1.0.3": None}}


async def test_what_a_container_left_behind_gives_way() -> None:
    """An agent that died with its machine's table kept: the port was offered again."""
    table = Table()
    mapper = PortMapper(table)
    await mapper.open("10.1.0.2", [mapping(31000, 80)])
    await mapper.open("10.1.0.3", [mapping(31000, 81)])
    assert table.elements["tcp_ports"] == {"31000": ("10.1.0.3", 81)}


def test_the_delegate_has_the_name_and_the_arguments() -> None:
    config = {"name": "n", "type": "x", "args": {"a": 1}, "delegate": {"type": "bridge", "name": "other"}}
    assert delegate_of(config) == {"type": "bridge", "name": "n", "args": {"a": 1}}
    assert delegate_of({"name": "n"}) is None


async def test_a_network_without_a_delegate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.conf").write_text('{"name": "n", "type": "mesos-cni-port-mapper"}')
    with pytest.raises(NetworkError, match="no 'delegate'"):
        await Plugins(tmp_path, "").attach("c", "/proc/1/ns/net", NetworkInfo(name="n"), 0)
