from __future__ import annotations

from dataclasses import replace

import pytest

from dcos.exhibitor.core.ensemble import Dynamic, Tls, ZooSettings, parse_ensemble, parse_master_list, zoo_cfg

SETTINGS = ZooSettings(client_address="10.0.0.1", snapshot_dir="/s", transaction_dir="/t")


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("1:10.0.0.1", "S:1:10.0.0.1"),
        ("2:b, 1:a", "S:1:a,S:2:b"),
        ("S:1:a,O:2:b", "S:1:a,O:2:b"),
        ("1:fd00::1", "S:1:fd00::1"),
    ],
)
def test_ensembles(text: str, spec: str) -> None:
    assert parse_ensemble(text).spec == spec


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "id:host"),
        ("10.0.0.1", "id:host"),
        ("0:a", "id of 1 to 255"),
        ("256:a", "id of 1 to 255"),
        ("1:", "id:host"),
        ("1:a,1:b", "id 1 is given twice"),
        ("1:a,2:a", "host a is given twice"),
        ("O:1:a", "no observer"),
    ],
)
def test_bad_ensembles(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parse_ensemble(text)


@pytest.mark.parametrize("text", ['["10.0.0.10", "10.0.0.9"]', "10.0.0.10,10.0.0.9", "10.0.0.9, 10.0.0.10,10.0.0.9"])
def test_masters_are_counted_along_their_addresses(text: str) -> None:
    assert parse_master_list(text).spec == "S:1:10.0.0.9,S:2:10.0.0.10"


@pytest.mark.parametrize("text", ["", "[", '["m1"]', "10.0.0.1,m2"])
def test_bad_master_lists(text: str) -> None:
    with pytest.raises(ValueError, match="list of IP addresses"):
        parse_master_list(text)


def test_a_server_alone_opens_no_ensemble_ports() -> None:
    text = zoo_cfg(SETTINGS, None)
    assert "server." not in text
    assert "dynamic" not in text
    assert "clientPortAddress=10.0.0.1\n" in text


def test_one_of_an_ensemble_has_its_members_in_a_file_of_their_own() -> None:
    lines = zoo_cfg(SETTINGS, Dynamic("/c/zoo.cfg.dynamic", "super:x")).splitlines()
    assert {"dynamicConfigFile=/c/zoo.cfg.dynamic", "reconfigEnabled=true", "standaloneEnabled=false"} <= set(lines)
    assert "DigestAuthenticationProvider.superDigest=super:x" in lines
    assert {"admin.enableServer=false", "4lw.commands.whitelist=*", "maxClientCnxns=0"} <= set(lines)
    assert not [line for line in lines if line.startswith("server.")]


def test_patience_is_twice_the_time_to_form_an_ensemble() -> None:
    assert SETTINGS.patience_s == 40.0


def test_one_port_speaks_tls_only_or_both() -> None:
    """And always the same one: that is where everybody looks."""
    strict = zoo_cfg(replace(SETTINGS, tls=Tls("/own.pem", "/ca.crt", plain_too=False, asks=True)), None)
    both = zoo_cfg(replace(SETTINGS, tls=Tls("/own.pem", "/ca.crt", plain_too=True, asks=False)), None)
    assert f"secureClientPort={SETTINGS.client_port}" in strict.splitlines()
    assert "sslQuorum=true" in strict.splitlines()
    assert not any(line.startswith("clientPort") for line in strict.splitlines())
    assert f"clientPort={SETTINGS.client_port}" in both.splitlines()
    assert {"client.portUnification=true", "portUnification=true", "sslQuorum=false"} <= set(both.splitlines())
    for text in (strict, both):
        assert {"ssl.clientAuth=need", "ssl.quorum.clientAuth=need"} <= set(text.splitlines())
