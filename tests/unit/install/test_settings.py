"""config.yaml: defaults, calculations, rules, and every mistake at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dcos.install.passwords import hash_password
from dcos.install.settings import resolve
from dcos.install.settings.table import KEYS, UNSUPPORTED, Key

ROOT = Path(__file__).parents[3]
GOOD: dict[str, Any] = {
    "cluster_name": "trial",
    "bootstrap_url": "http://10.0.0.5:8000",
    "master_discovery": "static",
    "exhibitor_storage_backend": "static",
    "master_list": ["10.0.0.13", "10.0.0.2", "10.0.0.11"],
}


def overlay(**changes: Any) -> dict[str, Any]:
    """``dcos_overlay_network`` with members of it, or of its one network, otherwise than usual."""
    network = {"name": "dcos", "subnet": "9.0.0.0/8", "prefix": 24}
    network |= {key: changes.pop(key) for key in ("name", "subnet", "subnet6", "prefix") if key in changes}
    return {"vtep_subnet": "44.128.0.0/20", "vtep_mac_oui": "70:B3:D5:00:00:00", "overlays": [network], **changes}


def resolved(**changes: Any) -> resolve.Resolved:
    user = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    return resolve.resolve(user, ROOT / "config")


def test_defaults_and_calculations() -> None:
    arguments = resolved().arguments
    assert arguments["num_masters"] == "3"
    assert arguments["master_quorum"] == "2"
    assert arguments["exhibitor_static_ensemble"] == "1:10.0.0.2,2:10.0.0.11,3:10.0.0.13"
    assert arguments["zk_servers"] == "10.0.0.13:2181,10.0.0.2:2181,10.0.0.11:2181"
    assert arguments["resolvers"] == '["8.8.8.8", "8.8.4.4"]'
    assert arguments["gc_delay"] == "2days"
    assert arguments["oauth_enabled"] == "true"
    assert arguments["ip_detect_contents"].startswith("#!")
    assert all(isinstance(value, str) for value in arguments.values())
    assert "config_dir" not in arguments


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("bootstrap_url", "http://x/", "must not end in '/'"),
        ("bootstrap_url", "ftp://x", "must begin with http:// or file://"),
        ("bootstrap_url", "http://x'; rm -rf y", "must not hold blanks, quotes"),
        ("bootstrap_url", ..., "Must set bootstrap_url, no way to calculate value."),
        ("cluster_name", "", "must be one line"),
        ("cluster_name", "two\nlines", "must be one line"),
        ("master_discovery", "vrrp", "must be one of static, master_http_loadbalancer"),
        (
            "exhibitor_address",
            "http://lb",
            "must be an address or a host name, without http:// and port, not 'http://lb'",
        ),
        ("exhibitor_address", "10.0.0.9:8181", "without http:// and port"),
        ("exhibitor_storage_backend", "aws_s3", "only static is supported"),
        ("master_list", "10.0.0.1", "must be a list"),
        ("master_list", ["10.0.0.1", "10.0.0.1", "10.0.0.2"], "given more than once: 10.0.0.1"),
        ("master_list", ["10.0.0.256"], "'10.0.0.256' is not an IPv4 address"),
        ("master_list", [1], "is not an IPv4 address"),
        ("num_masters", 3, "is calculated and cannot be set"),
        ("dcos_ucr_default_bridge_subnet", "172.31.254.1/24", "must be an IPv4 network like 172.31.254.0/24"),
        ("dcos_ucr_default_bridge_subnet", "172.31.254.0/31", "must have a prefix length of at most 30"),
        ("dcos_ucr_default_bridge_network_name", "a/b", "must be letters, digits"),
        ("dcos_overlay_network", {}, "vtep_subnet: must be given"),
        ("dcos_overlay_network", overlay(vtep_mac_oui="x"), "vtep_mac_oui: must be like 70:B3:D5:00:00:00"),
        ("dcos_overlay_network", overlay(overlays=[]), "overlays: must be a list with at least one network"),
        (
            "dcos_overlay_network",
            overlay(vtep_subnet="9.1.0.0/20"),
            "dcos: 9.0.0.0/8 overlaps 9.1.0.0/20 of vtep_subnet",
        ),
        ("dcos_overlay_network", overlay(name="a" * 14), "overlays[0].name: must be at most 13"),
        ("dcos_overlay_network", overlay(subnet="9.0.0.1/8"), "overlays[0].subnet: must be an IPv4 network"),
        ("dcos_overlay_network", overlay(prefix=29), "overlays[0].prefix: must be a number from 8 to 28"),
        (
            "dcos_overlay_network",
            overlay(subnet6="fd01:b::/64"),
            "overlays[0].prefix6: must be a number from 64 to 120",
        ),
        (
            "dcos_overlay_network",
            overlay(overlays=[{"name": "six", "subnet6": "fd01:b::/64", "prefix6": 80}]),
            "vtep_subnet6: must be given",
        ),
        (
            "dcos_overlay_network",
            overlay(overlays=[{"name": "x", "subnet": "9.0.0.0/8", "prefix": 24, "accept": ["y"]}]),
            "overlays[0].accept: 'y' is no overlay's name",
        ),
        ("dcos_overlay_network", overlay(overlays=[{"name": "x"}]), "overlays[0]: must have a subnet or a subnet6"),
        ("dcos_overlay_network_default_name", "other", "must be one of dcos_overlay_network's names (dcos, dcos6)"),
        (
            "dcos_overlay_network6_default_name",
            "dcos",
            "dcos_overlay_network's names with a subnet6 (dcos6), not 'dcos'",
        ),
        ("dcos_overlay_mtu", 500, "must be at least 552"),
        ("dcos_overlay_network", overlay(vtep_mtu=500), "vtep_mtu: must be a number, at least 552, not 500"),
        ("resolvers", [], "at least one"),
        ("resolvers", ["198.51.100.2"], "it would ask itself"),
        ("resolvers", ["1.1.1.1:70000"], "port must be between 1 and 65535"),
        ("resolvers", ["1.1.1.1", "1.1.1.1:53"], "given more than once"),
        ("adminrouter_tls_cipher_suite", "no-such-cipher", "OpenSSL knows no cipher by 'no-such-cipher'"),
        ("adminrouter_tls_cipher_suite", "AES; x", "must be ciphers in OpenSSL's words"),
        ("superuser_service_account_uid", "setup", "must be given together, or neither"),
        ("superuser_service_account_public_key", "x", "must be an RSA public key in PEM form"),
        ("revoked_nodes", ["10.0.0.300"], "'10.0.0.300' is not an IPv4 address"),
        ("certificate_days", 1, "must be between 2 and 90, not 1"),
        ("adminrouter_tls_1_0_enabled", "yes", "must be true or false"),
        ("adminrouter_tls_protocols", "TLSv1", "is calculated and cannot be set"),
        ("dns_search", "a,b", "no comma"),
        ("dns_search", " ".join("abcdefg"), "at most 6 names, not 7"),
        ("dns_search", "x" * 256, "shorter than 256"),
        ("dns_forward_zones", {"corp": "10.0.0.1"}, "zone 'corp' must have a list"),
        ("dns_forward_zones", {"corp": ["nowhere"]}, "zone 'corp': 'nowhere' is not an IPv4 address"),
        ("mesos_dns_ip_sources", ["moon"], "'moon' is not host, netinfo"),
        ("enable_lb", "yes", "must be true or false, not 'yes'"),
        ("dcos_l4lb_max_named_ip", "10.0.0.0", "11.0.0.0 must be below 10.0.0.0"),
        ("gc_delay", "2 days", "must be a number and a unit"),
        ("mesos_max_completed_frameworks", -1, "must be at least 0"),
        ("mesos_max_completed_frameworks", "many", "must be an integer"),
        ("weights", "prod=0", "'prod=0' is not role=positive number"),
        ("superuser_username", "admin", "together, or neither"),
        ("ip_detect_filename", "nowhere", "there is no file nowhere"),
        ("gc_delay", 1.5, "must be text, a number, true or false, a list or a map, not float"),
        ("gc_delay", None, "has no value"),
    ],
)
def test_a_mistake_is_named(key: str, value: Any, words: str) -> None:
    found = resolved(**{key: value})
    told = dict(found.errors)
    name = {"ip_detect_filename": "ip_detect_contents"}.get(key, key)
    assert words in told[name]
    assert not found.arguments


def test_an_even_number_of_masters() -> None:
    assert resolved(master_list=["10.0.0.1", "10.0.0.2"]).errors == (
        ("num_masters", "must have 1, 3, 5, 7 or 9 masters, not 2"),
    )


def test_masters_told_by_a_load_balancer() -> None:
    asks = {"master_discovery": "master_http_loadbalancer"}
    assert resolved(**asks).errors == (
        ("exhibitor_address", "must be given with master_discovery master_http_loadbalancer"),
    )
    for given in ({}, {"num_masters": 3}):
        found = resolved(**asks, **given, exhibitor_address="masters.example.com")
        assert not found.errors
        assert found.arguments["num_masters"] == "3"
    (error,) = resolved(**asks, num_masters=5, exhibitor_address="10.0.0.9").errors
    assert error == ("num_masters", "must be the number of masters in master_list, 3, not 5")


def test_all_mistakes_at_once_in_the_order_of_the_file() -> None:
    found = resolve.resolve({"gc_delay": "x", "cluster_name": "", "enable_lb": 3}, ROOT / "config")
    names = [name for name, _ in found.errors]
    assert names[:3] == ["gc_delay", "cluster_name", "enable_lb"]
    assert set(names[3:]) == {"bootstrap_url", "master_discovery", "exhibitor_storage_backend", "master_list"}


def test_a_password_instead_of_its_hash_is_refused_and_not_shown() -> None:
    found = resolved(superuser_username="admin", superuser_password_hash="hunter2-the-password")
    ((name, message),) = found.errors
    assert name == "superuser_password_hash"
    assert "hunter2" not in message


def test_secrets_stay_out_of_what_may_be_read() -> None:
    hashed = hash_password("correct horse")
    found = resolved(superuser_username="admin", superuser_password_hash=hashed)
    assert found.arguments["superuser_password_hash"] == hashed
    assert "superuser_password_hash" not in found.readable()
    assert found.readable()["superuser_username"] == "admin"


def test_what_is_not_used_is_said() -> None:
    found = resolved(calico_enabled=True, resolver=["1.1.1.1"], whatever="x")
    told = dict(found.warnings)
    assert "later version" in told["calico_enabled"]
    assert told["resolver"].endswith("did you mean resolvers?")
    assert told["whatever"] == "is not a known key and is not used"
    assert not found.errors


def test_no_key_is_both_supported_and_not() -> None:
    assert not {key.name for key in KEYS} & set(UNSUPPORTED)
    assert len({key.name for key in KEYS}) == len(KEYS)


def test_a_circular_table_is_a_mistake_of_ours() -> None:
    def one(two: str) -> str:
        return two

    def two(one: str) -> str:
        return one

    with pytest.raises(RuntimeError, match="circular"):
        resolve.resolve({}, ROOT, (Key("one", "", calculated=one), Key("two", "", calculated=two)), {})


@pytest.mark.parametrize(
    ("text", "words"), [("a: [", "is not YAML"), ("- a", "must be a map"), ("", ""), ("1: x", "must be a map")]
)
def test_the_file_itself(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    _, errors = resolve.load(path)
    assert (words in errors[0][1]) if words else not errors


def test_a_missing_file(tmp_path: Path) -> None:
    assert "there is no file" in resolve.load(tmp_path / "config.yaml")[1][0][1]


def test_the_shipped_example_is_valid() -> None:
    user, errors = resolve.load(ROOT / "config/config.yaml")
    assert not errors
    found = resolve.resolve(user, ROOT / "config")
    assert not found.errors
    assert not found.warnings
    text = (ROOT / "config/config.yaml").read_text()
    for key in KEYS:
        if key.calculated is None and key.name not in ("platform",):
            assert f"{key.name}:" in text, f"the example does not show {key.name}"
