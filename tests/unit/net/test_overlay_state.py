"""What is told of the overlay: the words of DC/OS's overlay modules, with each node's own trouble in it."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from dcos.client.overlay import MASTER_PATH, OverlayEndpoint
from dcos.model.overlay import parse
from dcos.net import leases
from dcos.net.core import overlay_state, policy
from dcos.net.core.overlay import cni_config, docker_network, place
from dcos.net.core.overlay_state import Report
from dcos.net.overlay import api_version
from dcos.runtime import http
from dcos.store.memory import MemoryEnsemble

NETWORK: dict[str, Any] = {
    "vtep_subnet": "44.128.0.0/20",
    "vtep_mac_oui": "70:B3:D5:00:00:00",
    "overlays": [{"name": "dcos", "subnet": "9.0.0.0/8", "prefix": 24}],
}
BOTH = NETWORK | {
    "vtep_subnet6": "fd01:a::/64",
    "overlays": [
        {"name": "dcos", "subnet": "9.0.0.0/8", "prefix": 24},
        {"name": "dcos6", "subnet6": "fd01:b::/64", "prefix6": 80, "accept": []},
    ],
}


def test_state_of_a_cluster_is_what_clients_of_the_original_read() -> None:
    state = overlay_state.cluster_state(
        parse(NETWORK), {1: Report("10.0.0.1"), 2: Report("10.0.0.2"), 9999: Report("10.0.0.3")}, {"10.0.0.1"}
    )
    assert state["network"] == NETWORK
    (master, agent) = state["agents"]
    assert agent == {
        "ip": "10.0.0.2",
        "overlays": [
            {
                "info": {"name": "dcos", "subnet": "9.0.0.0/8", "prefix": 24},
                "subnet": "9.0.1.0/24",
                "backend": {
                    "vxlan": {
                        "vni": 1024,
                        "vtep_name": "vtep1024",
                        "vtep_ip": "44.128.0.2/20",
                        "vtep_mac": "70:b3:d5:80:00:02",
                    }
                },
                "mesos_bridge": {"name": "m-dcos", "ip": "9.0.1.0/25"},
                "docker_bridge": {"name": "d-dcos", "ip": "9.0.1.128/25"},
                "state": {"status": "STATUS_OK"},
            }
        ],
    }
    assert not {"mesos_bridge", "docker_bridge"} & master["overlays"][0].keys()


def test_ipv6_and_trouble() -> None:
    told = overlay_state.node_state(parse(BOTH), 2, Report("10.0.0.2", "no bridge"), bridges=True)
    six = told["overlays"][1]
    assert six["info"] == {"name": "dcos6", "subnet6": "fd01:b::/64", "prefix6": 80}
    assert six["subnet6"] == "fd01:b:0:0:1::/80"
    assert six["docker_bridge"] == {"name": "d-dcos6", "ip6": "fd01:b::1:8000:0:0/81"}
    assert six["backend"]["vxlan"]["vtep_ip6"] == "fd01:a::2/64"
    assert six["state"] == {"status": "STATUS_FAILED", "error": "no bridge"}


async def test_a_node_reports_only_under_its_own_number() -> None:
    store = MemoryEnsemble().session()
    assert await leases.take(store, "10.0.0.1", 8) == 1
    assert await leases.report(store, 1, Report("10.0.0.1", "trouble"))
    assert await leases.reports(store) == {1: Report("10.0.0.1", "trouble")}
    assert not await leases.report(store, 1, Report("10.0.0.2"))
    assert not await leases.report(store, 2, Report("10.0.0.1"))
    assert await leases.take(store, "10.0.0.1", 8) == 1
    assert await leases.report(store, 1, Report("10.0.0.1"))
    assert await leases.held(store) == {1: "10.0.0.1"}
    assert await leases.reports(store) == {1: Report("10.0.0.1")}


async def test_masters_hand_on_what_their_neighbour_tells() -> None:
    async def told(_: web.Request) -> web.Response:
        return http.json_response({"agents": []})

    neighbour = web.Application()
    neighbour.router.add_get(MASTER_PATH, told)
    async with TestServer(neighbour, host="127.0.0.1") as server:
        assert server.port is not None
        mesos = web.Application()
        mesos.router.add_get(MASTER_PATH, OverlayEndpoint(MASTER_PATH, server.port).handle)
        mesos.router.add_get("/overlay-agent/overlay", OverlayEndpoint("/overlay-agent/overlay", server.port).handle)
        async with TestClient(TestServer(mesos)) as client:
            assert await (await client.get(MASTER_PATH)).json() == {"agents": []}
            assert (await client.get("/overlay-agent/overlay")).status == 404
            await server.close()
            assert (await client.get(MASTER_PATH)).status == 404


def test_newer_docker_engines_are_told_to_let_other_nodes_in() -> None:
    four, six = place(parse(BOTH), 1).parts
    assert (
        "com.docker.network.bridge.gateway_mode_ipv4" not in docker_network(four, 1420, api_version("1.41"))["Options"]
    )
    new = docker_network(four, 1420, api_version("1.48"))["Options"]
    assert new["com.docker.network.bridge.gateway_mode_ipv4"] == "nat-unprotected"
    assert docker_network(six, 1420, api_version("1.51"))["EnableIPv6"] is True
    assert api_version("strange") == (0, 0)


def test_only_overlays_that_say_so_refuse() -> None:
    open_, closed = (policy.table(one, place(one, 1)) for one in (parse(NETWORK), parse(BOTH)))
    assert "reject" not in open_
    assert "drop" not in open_
    assert "ip6 daddr" in closed
    assert open_ != closed


def test_a_node_without_ipv6_makes_the_rest_of_the_same() -> None:
    settings = parse(BOTH)
    bare = settings.without_ipv6()
    assert [one.name for one in bare.overlays] == ["dcos"]
    assert place(bare, 7).parts == place(settings, 7).parts[:1]
    assert not bare.ipv6


def test_containers_without_ipv4_ask_a_forwarder_that_they_reach() -> None:
    four, six = (cni_config(part, 1420, "/d")["delegate"] for part in place(parse(BOTH), 1).parts)
    assert "dns" not in four
    assert six["dns"] == {"nameservers": ["fd01:d::c633:6401"]}
