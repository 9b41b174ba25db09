"""Name servers of containers whose network tells none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dcos.agent.containerizer import default_dns

TEXT = msgspec.json.encode(
    {
        "mesos": [
            {"network_mode": "CNI", "dns": {"nameservers": ["9.9.9.9"]}},
            {
                "network_mode": "CNI",
                "network_name": "lab",
                "dns": {
                    "nameservers": ["8.8.8.8", "8.8.4.4"],
                    "domain": "d",
                    "search": ["a", "b"],
                    "options": ["ndots:2"],
                },
            },
        ],
        "docker": [
            {"network_mode": "BRIDGE", "dns": {"nameservers": ["7.7.7.7"], "search": ["x"]}},
            {"network_mode": "USER", "network_name": "mine", "dns": {"nameservers": ["6.6.6.6"]}},
        ],
    }
).decode()


def test_of_networks() -> None:
    dns = default_dns.parse(TEXT)
    assert dns.of_network("lab") == "domain d\nsearch a b\noptions ndots:2\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n"
    assert dns.of_network("other") == "nameserver 9.9.9.9\n"
    assert default_dns.DefaultDns().of_network("lab") == ""


@pytest.mark.parametrize(
    ("host", "servers"),
    [
        ({"NetworkMode": "bridge"}, ["7.7.7.7"]),
        ({"NetworkMode": "mine"}, ["6.6.6.6"]),
        ({"NetworkMode": "other"}, None),
        ({"NetworkMode": "host"}, None),
        ({"NetworkMode": "none"}, None),
        ({"NetworkMode": "bridge", "Dns": ["1.1.1.1"]}, ["1.1.1.1"]),
        ({"NetworkMode": "bridge", "DnsSearch": ["own"]}, None),
    ],
)
def test_of_docker(host: dict[str, Any], servers: list[str] | None) -> None:
    body = {"HostConfig": host}
    default_dns.parse(TEXT).complete(body)
    assert body["HostConfig"].get("Dns") == servers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "truncated"),
        ('{"mesos": [{"network_mode": "HOST", "dns": {}}]}', "'HOST' is none of CNI"),
        ('{"docker": [{"network_mode": "CNI", "dns": {}}]}', "'CNI' is none of BRIDGE, USER"),
        (
            '{"mesos": [{"network_mode": "CNI", "dns": {}}, {"network_mode": "CNI", "dns": {}}]}',
            "more than one entry for CNI",
        ),
    ],
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        default_dns.parse(text)
