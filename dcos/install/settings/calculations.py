"""Values that follow from others: the parameter names are the settings they are made from."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path


def zk_client_port() -> str:
    return "2181"


def scheme(security: str, tls_between_services: str) -> str:
    """How services ask each other."""
    early = security == "permissive" and tls_between_services == "true"
    return "https" if security == "strict" or early else "http"


def adminrouter_tls_protocols(
    adminrouter_tls_1_0_enabled: str,
    adminrouter_tls_1_1_enabled: str,
    adminrouter_tls_1_2_enabled: str,
    adminrouter_tls_1_3_enabled: str,
) -> str:
    """As nginx writes them, separated by blanks."""
    switches = {
        "TLSv1": adminrouter_tls_1_0_enabled,
        "TLSv1.1": adminrouter_tls_1_1_enabled,
        "TLSv1.2": adminrouter_tls_1_2_enabled,
        "TLSv1.3": adminrouter_tls_1_3_enabled,
    }
    return " ".join(name for name, switch in switches.items() if switch == "true")


def num_masters(master_list: str) -> str:
    return str(len(json.loads(master_list)))


def master_quorum(num_masters: str) -> str:
    return str(int(num_masters) // 2 + 1)


def exhibitor_static_ensemble(master_list: str) -> str:
    """``1:<ip>,2:<ip>`` over the sorted list: every master counts the same way."""
    ordered = sorted(json.loads(master_list), key=ipaddress.IPv4Address)
    return ",".join(f"{number}:{address}" for number, address in enumerate(ordered, 1))


def zk_servers(master_list: str, zk_client_port: str) -> str:
    return ",".join(f"{address}:{zk_client_port}" for address in json.loads(master_list))


def masters(master_list: str) -> str:
    """The masters separated by commas."""
    return ",".join(json.loads(master_list))


def resolvers_list(resolvers: str) -> str:
    """The upstream name servers separated by commas."""
    return ",".join(json.loads(resolvers))


def mesos_dns_ip_sources_list(mesos_dns_ip_sources: str) -> str:
    """Sources separated by commas."""
    return ",".join(json.loads(mesos_dns_ip_sources))


def ip_detect_contents(config_dir: str, ip_detect_filename: str) -> str:
    return _script(config_dir, ip_detect_filename)


def ip_detect_public_contents(config_dir: str, ip_detect_public_filename: str, ip_detect_contents: str) -> str:
    return _script(config_dir, ip_detect_public_filename) if ip_detect_public_filename else ip_detect_contents


def ca_certificate_contents(config_dir: str, ca_certificate_path: str) -> str:
    return _pem(config_dir, ca_certificate_path)


def ca_key_contents(config_dir: str, ca_certificate_key_path: str) -> str:
    return _pem(config_dir, ca_certificate_key_path)


def ca_chain_contents(config_dir: str, ca_certificate_chain_path: str) -> str:
    return _pem(config_dir, ca_certificate_chain_path)


def ca_trusted_contents(config_dir: str, ca_trusted_path: str) -> str:
    return _pem(config_dir, ca_trusted_path)


def _pem(config_dir: str, filename: str) -> str:
    """A file's text, never shown in an error; empty where none is named."""
    if not filename:
        return ""
    path = _found(config_dir, filename)
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise ValueError(f"{path} must be a PEM file") from None
    except OSError as trouble:
        raise ValueError(f"{path} cannot be read: {trouble.strerror}") from None


def _script(config_dir: str, filename: str) -> str:
    path = _found(config_dir, filename)
    text = path.read_text()
    if not text.startswith("#!"):
        raise ValueError(f"{path} must begin with a '#!' line: it is run as a program")
    return text


def _found(config_dir: str, filename: str) -> Path:
    """A file; a name like ``genconf/ip-detect`` is looked up beside the configuration as well."""
    given = Path(filename)
    tried = (
        [given]
        if given.is_absolute()
        else [Path(config_dir) / given, Path(config_dir) / given.name, Path.cwd() / given]
    )
    for path in tried:
        if path.is_file():
            return path
    raise ValueError(f"there is no file {filename}; looked for {', '.join(map(str, tried))}")
