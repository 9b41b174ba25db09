"""Rules: each takes the settings named by its parameters and raises ValueError with what is wrong. Nothing else here."""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from dcos.model import checks, overlay
from dcos.wire import jwt

Rule = Callable[..., None]

RESERVED_RESOLVERS = frozenset({"198.51.100.1", "198.51.100.2", "198.51.100.3"})
_DURATION = re.compile(r"\d+(\.\d+)?(ns|us|ms|secs|mins|hrs|days|weeks)")
_SHA_CRYPT = re.compile(
    r"\$(?:6\$(?:rounds=[0-9]+\$)?[^$]{0,16}\$[./0-9A-Za-z]{86}|5\$(?:rounds=[0-9]+\$)?[^$]{0,16}\$[./0-9A-Za-z]{43})"
)
_ARGON2ID = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_NETWORK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
BY_LOAD_BALANCER = "master_http_loadbalancer"
_USER = re.compile(r"[A-Za-z0-9._@+-]{1,96}")


def json_value(text: str, wanted: type[list[Any]] | type[dict[str, Any]]) -> Any:
    """Decode a list or map setting. Errors: ValueError naming the shape that was expected."""
    shape = "list" if wanted is list else "map"
    try:
        value = json.loads(text)
    except json.JSONDecodeError as trouble:
        raise ValueError(f"must be a {shape} ({trouble.msg} at character {trouble.pos})") from None
    if not isinstance(value, wanted):
        raise ValueError(f"must be a {shape}, not {type(value).__name__}")
    return value


def ipv4(text: object) -> str:
    try:
        return str(ipaddress.IPv4Address(text if isinstance(text, str) else repr(text)))
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 address") from None


def unique(values: Sequence[str], what: str) -> None:
    again = sorted({value for value in values if values.count(value) > 1})
    if again:
        raise ValueError(f"{what} must be unique; given more than once: {', '.join(again)}")


# --- factories: a rule for one key, whatever its name


def is_boolean(key: str) -> Rule:
    return _about(key, lambda value: _need(value in ("true", "false"), f"must be true or false, not {value!r}"))


def is_integer(key: str, low: int | None = None, high: int | None = None) -> Rule:
    def check(value: str) -> None:
        _need(re.fullmatch(r"-?\d+", value) is not None, f"must be an integer, not {value!r}")
        limits = f"must be between {low} and {high}" if high is not None else f"must be at least {low}"
        _need(low is None or int(value) >= low, f"{limits}, not {value}")
        _need(high is None or int(value) <= high, f"{limits}, not {value}")

    return _about(key, check)


def is_duration(key: str) -> Rule:
    text = "must be a number and a unit (ns us ms secs mins hrs days weeks)"
    return _about(key, lambda value: _need(_DURATION.fullmatch(value) is not None, f"{text}, not {value!r}"))


def is_absolute(key: str) -> Rule:
    return _about(key, lambda value: _need(value.startswith("/"), f"must be an absolute path, not {value!r}"))


def is_ipv4(key: str) -> Rule:
    return _about(key, lambda value: ignore(ipv4(value)))


def is_ipv6(key: str) -> Rule:
    def check(value: str) -> None:
        try:
            ipaddress.IPv6Address(value)
        except ValueError:
            raise ValueError(f"{value!r} is not an IPv6 address") from None

    return _about(key, check)


def is_ipv4_network(key: str) -> Rule:
    """``address/length``, with room for a gateway and a container."""

    def check(value: str) -> None:
        try:
            network = ipaddress.IPv4Network(value)
        except ValueError as trouble:
            raise ValueError(f"must be an IPv4 network like 172.31.254.0/24: {trouble}") from None
        _need("/" in value and network.prefixlen <= 30, f"must have a prefix length of at most 30, not {value!r}")

    return _about(key, check)


def is_network_name(key: str) -> Rule:
    text = "must be letters, digits and . _ -, beginning with a letter or digit"
    return _about(key, lambda value: _need(_NETWORK_NAME.fullmatch(value) is not None, f"{text}, not {value!r}"))


def ignore(_: object) -> None:
    """Drop a value whose making was the check."""


def _about(key: str, check: Callable[[str], None]) -> Rule:
    def rule(**arguments: str) -> None:
        check(arguments[key])

    rule.__name__ = f"rule_of_{key}"
    rule.settings = (key,)  # type: ignore[attr-defined]
    return rule


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


# --- rules of single keys, written out; the parameter names are the settings they need


def bootstrap_url_is_usable(bootstrap_url: str) -> None:
    _need(not bootstrap_url.endswith("/"), "must not end in '/'")
    _need(bootstrap_url.startswith(("http://", "file://")), "must begin with http:// or file://")
    _need(re.fullmatch(r"[^\s'\"\\$`]+", bootstrap_url) is not None, "must not hold blanks, quotes, '$' or backslashes")


def cluster_name_is_one_line(cluster_name: str) -> None:
    _need(bool(cluster_name.strip()) and cluster_name.isprintable(), "must be one line of printable text, not empty")


def discovery_is_known(master_discovery: str) -> None:
    choices = ("static", BY_LOAD_BALANCER)
    _need(master_discovery in choices, f"must be one of {', '.join(choices)}, not {master_discovery!r}")


def exhibitor_can_be_asked(exhibitor_address: str, master_discovery: str) -> None:
    by_load_balancer = master_discovery == BY_LOAD_BALANCER
    _need(bool(exhibitor_address) or not by_load_balancer, f"must be given with master_discovery {BY_LOAD_BALANCER}")
    _need(
        not exhibitor_address or _HOST.fullmatch(exhibitor_address) is not None,
        f"must be an address or a host name, without http:// and port, not {exhibitor_address!r}",
    )


def frames_are_known(adminrouter_x_frame_options: str) -> None:
    known = re.fullmatch(r"DENY|SAMEORIGIN|ALLOW-FROM [^\s\"\\$'{};]+", adminrouter_x_frame_options)
    _need(known is not None, f"must be DENY, SAMEORIGIN or ALLOW-FROM <URL>, not {adminrouter_x_frame_options!r}")


def ciphers_are_known(adminrouter_tls_cipher_suite: str) -> None:
    """OpenSSL of this machine stands for those of nodes."""
    if not adminrouter_tls_cipher_suite:
        return
    text = adminrouter_tls_cipher_suite
    _need(
        re.fullmatch(r"[A-Za-z0-9+!:@=_.,\- ]+", text) is not None, f"must be ciphers in OpenSSL's words, not {text!r}"
    )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(text)
    except ssl.SSLError:
        raise ValueError(f"OpenSSL knows no cipher by {text!r}") from None


def a_safe_protocol_is_spoken(adminrouter_tls_1_2_enabled: str, adminrouter_tls_1_3_enabled: str) -> None:
    """Nodes themselves, which come for their certificates, speak nothing older."""
    _need(
        "true" in (adminrouter_tls_1_2_enabled, adminrouter_tls_1_3_enabled),
        "adminrouter_tls_1_2_enabled or adminrouter_tls_1_3_enabled must be true",
    )


def security_is_supported(security: str, oauth_enabled: str) -> None:
    choices = ("disabled", "permissive", "strict")
    _need(security in choices, f"must be one of {', '.join(choices)}, not {security!r}")
    _need(security == "disabled" or oauth_enabled == "true", "permissions need tokens: oauth_enabled must be true")


def authority_is_whole(ca_certificate_path: str, ca_certificate_key_path: str, ca_certificate_chain_path: str) -> None:
    both = bool(ca_certificate_path) == bool(ca_certificate_key_path)
    _need(both, "ca_certificate_path and ca_certificate_key_path must be given together, or neither")
    _need(
        bool(ca_certificate_path) or not ca_certificate_chain_path,
        "ca_certificate_chain_path needs ca_certificate_path",
    )


def storage_is_supported(exhibitor_storage_backend: str) -> None:
    choices = ("static", "zookeeper", "shared_filesystem", "aws_s3", "azure", "agent_only_group_no_exhibitor")
    _need(
        exhibitor_storage_backend in choices,
        f"must be one of {', '.join(choices)}, not {exhibitor_storage_backend!r}",
    )
    _need(exhibitor_storage_backend == "static", "only static is supported by this version")


def masters_are_addresses(master_list: str) -> None:
    unique([ipv4(address) for address in json_value(master_list, list)], "addresses")


def revoked_are_no_masters(revoked_nodes: str, master_list: str) -> None:
    both = set(json_value(revoked_nodes, list)) & set(json_value(master_list, list))
    _need(not both, f"{', '.join(sorted(both))} is a master: take it out of master_list first")


def masters_are_odd(num_masters: str) -> None:
    _need(num_masters in ("1", "3", "5", "7", "9"), f"must have 1, 3, 5, 7 or 9 masters, not {num_masters}")


def masters_are_as_many(num_masters: str, master_list: str) -> None:
    count = len(json_value(master_list, list))
    _need(num_masters == str(count), f"must be the number of masters in master_list, {count}, not {num_masters}")


def are_ipv4(key: str) -> Rule:
    """A list of them, each once."""
    return _about(key, lambda value: unique([ipv4(address) for address in json_value(value, list)], "addresses"))


def resolvers_are_addresses(resolvers: str) -> None:
    seen = []
    for entry in json_value(resolvers, list):
        address, port = _address_and_port(entry)
        _need(address not in RESERVED_RESOLVERS, f"{address} is the cluster's own forwarder: it would ask itself")
        seen.append(f"{address}:{port}")
    _need(bool(seen), "must name at least one server")
    unique(seen, "servers")


def _address_and_port(entry: object) -> tuple[str, int]:
    _need(isinstance(entry, str), f"{entry!r} is not text")
    address, _, port = str(entry).partition(":")
    if port or str(entry).endswith(":"):
        _need(port.isdigit() and 1 <= int(port) <= 65535, f"{entry!r}: port must be between 1 and 65535")
    return ipv4(address), int(port or 53)


def search_domains_fit(dns_search: str) -> None:
    _need(not re.search(r"[,\n]", dns_search), "must be separated by blanks: no comma, no line break")
    _need(len(dns_search) < 256, f"must be shorter than 256 characters, not {len(dns_search)}")
    _need(len(dns_search.split()) <= 6, f"must be at most 6 names, not {len(dns_search.split())}")


def forward_zones_are_servers(dns_forward_zones: str) -> None:
    for zone, servers in json_value(dns_forward_zones, dict).items():
        _need(isinstance(servers, list) and bool(servers), f"zone {zone!r} must have a list of servers")
        for server in servers:
            try:
                _address_and_port(server)
            except ValueError as trouble:
                raise ValueError(f"zone {zone!r}: {trouble}") from None


def ip_sources_are_known(mesos_dns_ip_sources: str) -> None:
    for source in json_value(mesos_dns_ip_sources, list):
        _need(source in ("host", "netinfo", "mesos", "docker"), f"{source!r} is not host, netinfo, mesos or docker")


def service_account_is_whole(
    superuser_service_account_uid: str, superuser_service_account_public_key: str, superuser_username: str
) -> None:
    uid = superuser_service_account_uid
    both = bool(uid) == bool(superuser_service_account_public_key)
    _need(
        both,
        "superuser_service_account_uid and superuser_service_account_public_key must be given together, or neither",
    )
    _need(not uid or _USER.fullmatch(uid) is not None, f"must be letters, digits and . _ @ + -, not {uid!r}")
    _need(not uid or uid != superuser_username, "must be another account than superuser_username")


def is_public_key(superuser_service_account_public_key: str) -> None:
    if not superuser_service_account_public_key:
        return
    try:
        jwt.load_public_pem(superuser_service_account_public_key)
    except ValueError:
        raise ValueError("must be an RSA public key in PEM form (BEGIN PUBLIC KEY)") from None


def superuser_is_whole(superuser_username: str, superuser_password_hash: str) -> None:
    both = bool(superuser_username) == bool(superuser_password_hash)
    _need(both, "superuser_username and superuser_password_hash must be given together, or neither")
    if superuser_username:
        _need(
            _USER.fullmatch(superuser_username) is not None, "user names are letters, digits and . _ @ + -, at most 96"
        )


def password_is_hashed(superuser_password_hash: str) -> None:
    # The value is not shown: what is here by mistake is likely the password itself.
    known = _ARGON2ID.fullmatch(superuser_password_hash) or _SHA_CRYPT.fullmatch(superuser_password_hash)
    _need(
        not superuser_password_hash or known is not None,
        "must be an argon2id, sha512-crypt or sha256-crypt hash; `dcos-install hash-password` makes one",
    )


def named_range_is_ordered(dcos_l4lb_min_named_ip: str, dcos_l4lb_max_named_ip: str) -> None:
    low, high = ipv4(dcos_l4lb_min_named_ip), ipv4(dcos_l4lb_max_named_ip)
    _need(ipaddress.IPv4Address(low) < ipaddress.IPv4Address(high), f"{low} must be below {high}")


def named_range6_is_ordered(dcos_l4lb_min_named_ip6: str, dcos_l4lb_max_named_ip6: str) -> None:
    try:
        low, high = ipaddress.IPv6Address(dcos_l4lb_min_named_ip6), ipaddress.IPv6Address(dcos_l4lb_max_named_ip6)
    except ValueError:
        return  # said by the rules of each
    _need(low < high, f"{low} must be below {high}")


def overlay_is_whole(dcos_overlay_network: str) -> None:
    overlay.parse(json_value(dcos_overlay_network, dict))


def default_overlay_is_there(dcos_overlay_network: str, dcos_overlay_network_default_name: str) -> None:
    _need_overlay(dcos_overlay_network_default_name, dcos_overlay_network)


def default_overlay6_is_there(dcos_overlay_network: str, dcos_overlay_network6_default_name: str) -> None:
    """The default counts for those with networks of their own, too, who do not name any."""
    if dcos_overlay_network6_default_name != "dcos6":
        _need_overlay(dcos_overlay_network6_default_name, dcos_overlay_network, with_member="subnet6")


def _need_overlay(name: str, networks: str, *, with_member: str = "") -> None:
    try:
        listed = json_value(networks, dict)["overlays"]
        names = [one["name"] for one in listed if not with_member or with_member in one]
    except (ValueError, LookupError, TypeError):
        return  # said by the rule of the other key
    having = f" with a {with_member}" if with_member else ""
    listing = ", ".join(map(str, names)) or "none"
    _need(name in names, f"must be one of dcos_overlay_network's names{having} ({listing}), not {name!r}")


def weights_are_numbers(weights: str) -> None:
    for entry in filter(None, weights.split(",")):
        role, _, number = entry.partition("=")
        try:
            positive = float(number) > 0
        except ValueError:
            positive = False
        _need(bool(role) and positive, f"{entry!r} is not role=positive number")


def custom_checks_are_whole(custom_checks: str) -> None:
    given = json_value(custom_checks, dict)
    _need("check_env" not in given, "check_env is not yours to set; check_search_path is")
    checks.built_in("", check_time=True).with_more(checks.parse(given))


def search_path_is_absolute(check_search_path: str) -> None:
    folders = check_search_path.split(":")
    _need(all(folder.startswith("/") for folder in folders), "must be absolute paths, separated by colons")
