"""Mesos-DNS's settings about who asks the masters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dcos.dns.config import PREFIX, Config, credential_of, environment_of, forwards, name_servers, shown
from dcos.runtime.settings import SettingsError, load

KEYS = {"mesosAuthentication": "basic", "mesosCredentials": {"principal": "dns", "secret": "s3cret"}}


def test_upstreams_keys_name_who_asks() -> None:
    config = load(Config, [], environment_of(json.dumps(KEYS).encode()), prefix=PREFIX)
    assert credential_of(config) == ("dns", "s3cret")
    assert "s3cret" not in json.dumps(shown(config)), "everybody may read /v1/config"


def test_a_file_does_too(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("dns s3cret\n")
    assert credential_of(load(Config, [f"--mesos_credential={tmp_path}/c"], {}, prefix=PREFIX)) == ("dns", "s3cret")
    assert credential_of(load(Config, [], {}, prefix=PREFIX)) is None


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"MESOS_DNS_MESOSCREDENTIALS": '{"principal": "dns"}'}, "must be a JSON object with principal and secret"),
        ({"MESOS_DNS_MESOSCREDENTIALS": "s3cret"}, "must be a JSON object with principal and secret"),
        ({"MESOS_DNS_MESOSAUTHENTICATION": "ldap"}, "basic"),
    ],
)
def test_bad_ones_are_named_and_not_shown(variables: dict[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why) as raised:
        load(Config, [], variables, prefix=PREFIX)
    assert "s3cret" not in str(raised.value)


def test_authentication_needs_a_name() -> None:
    with pytest.raises(ValueError, match="mesosCredentials must name"):
        credential_of(load(Config, ["--mesosauthentication=basic"], {}, prefix=PREFIX))


def test_a_secret_is_not_taken_from_the_command_line() -> None:
    with pytest.raises(SettingsError, match="mesoscredentials"):
        load(Config, [f"--mesoscredentials={json.dumps(KEYS['mesosCredentials'])}"], {}, prefix=PREFIX)


UPSTREAMS_SAMPLE = {
    "zk": "zk://10.101.160.15:2181/mesos",
    "masters": ["10.101.160.15:5050", "10.101.160.16:5050"],
    "mesosCredentials": {"principal": "dns", "secret": "s3cret"},
    "mesosAuthentication": "basic",
    "refreshSeconds": 60,
    "stateTimeoutSeconds": 300,
    "zkDetectionTimeout": 30,
    "ttl": 60,
    "domain": "Mesos",
    "port": 53,
    "resolvers": ["169.254.169.254", "10.0.0.2:5353"],
    "zoneResolvers": {"weave": ["172.17.0.1"], "deep.weave": ["172.17.0.2:54"]},
    "timeout": 5,
    "httpon": True,
    "dnson": True,
    "httpport": 8123,
    "externalon": True,
    "listener": "10.101.160.16",
    "HTTPListener": "127.0.0.1",
    "srvRecordDefaultWeight": 3,
    "SOAMname": "ns1.mesos.",
    "SOARname": "root@ns1.mesos",
    "SOASerial": 1,
    "SOARefresh": 60,
    "SOARetry": 600,
    "SOAExpire": 86400,
    "SOAMinttl": 60,
    "recurseon": False,
    "enforceRFC952": True,
    "enumerationOn": False,
    "setTruncateBit": False,
    "MesosHTTPSOn": False,
    "CACertFile": "/etc/ca.pem",
    "CertFile": "",
    "KeyFile": "",
    "IAMConfigFile": "",
    "IPSources": ["netinfo", "mesos", "host"],
    "email": "root.mesos-dns.mesos",
}


def test_every_key_of_upstreams_file() -> None:
    config = load(Config, [], environment_of(json.dumps(UPSTREAMS_SAMPLE).encode()), prefix=PREFIX)
    said = shown(config)
    assert said["ZoneResolvers"] == {"deep.weave": ["172.17.0.2:54"], "weave": ["172.17.0.1:53"]}
    assert list(said["ZoneResolvers"]) == ["deep.weave", "weave"], "the longest zone first"
    assert said["Resolvers"] == ["169.254.169.254", "10.0.0.2:5353"]
    wanted = {
        "Domain": "mesos",
        "HTTPListener": "127.0.0.1",
        "SRVRecordDefaultWeight": 3,
        "SOAMname": "ns1.mesos.",
        "SOARname": "root.ns1.mesos.",
        "RecurseOn": False,
        "EnforceRFC952": True,
        "EnumerationOn": False,
        "SetTruncateBit": False,
        "ExternalOn": True,
        "HealthAware": True,
        "IPSources": ["netinfo", "mesos", "host"],
        "MesosHTTPSOn": False,
        "CACertFile": "/etc/ca.pem",
        "CertFile": "",
        "StateTimeoutSeconds": 300,
        "MesosCredentials": {"Principal": "dns", "Secret": ""},
    }
    assert {key: said[key] for key in wanted} == wanted
    assert "s3cret" not in json.dumps(said)


@pytest.mark.parametrize(
    ("keys", "on"),
    [({}, False), ({"resolvers": ["10.0.0.2"]}, True), ({"resolvers": ["10.0.0.2"], "externalOn": False}, False)],
)
def test_who_names_resolvers_wants_them_asked(keys: dict[str, object], on: bool) -> None:
    config = load(Config, [], environment_of(json.dumps(keys).encode()), prefix=PREFIX)
    assert forwards(config) is on


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"zoneResolvers": {"weave": []}}, "JSON map of zone to a list of servers"),
        ({"zoneResolvers": {"weave": ["nobody"]}}, "address or address:port"),
        ({"resolvers": ["nobody"]}, "address or address:port"),
        ({"domain": "x" * 64}, "must be a domain name"),
        ({"srvRecordDefaultWeight": 65536}, "from 0 to 65535"),
        ({"iamConfigFile": "/nowhere"}, "/nowhere"),
        ({"ttl": -1}, "0"),
    ],
)
def test_bad_values_are_named(keys: dict[str, object], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        load(Config, [], environment_of(json.dumps(keys).encode()), prefix=PREFIX)


UPSTREAMS_ANSWER = (
    "RefreshSeconds Port Timeout StateTimeoutSeconds HttpPort TTL SOARefresh SOARetry SOAExpire SOAMinttl SOAMname "
    "SOARname Masters ZoneResolvers Resolvers IPSources Zk Domain File Listener HTTPListener RecurseOn DnsOn HttpOn "
    "ExternalOn EnforceRFC952 SetTruncateBit EnumerationOn MesosHTTPSOn CACertFile CertFile KeyFile "
    "MesosCredentials IAMConfigFile MesosAuthentication"
)
"""Members of a DC/OS 1.13 cluster's /v1/config, but SOASerial and ZkDetectionTimeout (without effect)."""


def test_every_member_of_upstreams_answer_is_shown() -> None:
    said = shown(Config())
    assert set(UPSTREAMS_ANSWER.split()) <= set(said)
    assert said["Masters"] is None, "as Go writes a list that is not there"


def test_name_servers_of_the_machine() -> None:
    lines = (
        "search x",
        "nameserver 10.0.0.2",
        " nameserver  fd00::2 # v6",
        "nameserver 10.0.0.1",
        "nameserver nobody",
        "#nameserver 1.1.1.1",
    )
    text = "\n".join(lines)
    assert [str(one) for one in name_servers(text, "10.0.0.1")] == ["10.0.0.2:53", "[fd00::2]:53"]
