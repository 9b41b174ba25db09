"""Rules that every row of the service table keeps."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest

from dcos.install.settings.table import KEYS
from dcos.registry import SERVICES, NodeRole, Service, services_on

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("row", SERVICES, ids=lambda row: row.name)
def test_row(row: Service) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts[row.command[0]].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert (ROOT / "units" / row.unit).is_file()
    assert (row.user == "root") == bool(row.why_root), "root needs a reason"
    assert all(reason for _, _, reason in row.directives), "an unusual directive needs a reason"
    named = {port.name for port in row.ports}
    for route in row.routes:
        assert route.to in named or route.to == "leader" or route.to.startswith("unix:")
        if route.pattern:
            assert route.prefix.startswith("^/"), "of the whole path"
            assert route.prefix.endswith("$"), "of the whole path"
            assert route.upstream_path is None, "there is no prefix to replace"
        else:
            assert route.prefix.startswith("/")
    assert not row.health or "http" in named


@pytest.mark.parametrize("role", list(NodeRole))
def test_no_two_services_of_a_machine_want_one_port(role: NodeRole) -> None:
    taken: dict[tuple[int, str], str] = {}
    for row in services_on(role):
        for port in row.ports:
            for protocol in port.protocols:
                assert taken.setdefault((port.number, protocol), row.name) == row.name


def test_names_are_unique_and_start_with_dcos() -> None:
    names = [row.name for row in SERVICES]
    assert len(set(names)) == len(names)
    assert all(name.startswith("dcos-") for name in names)


def test_ports_depend_on_settings_that_there_are_and_that_reach_the_service() -> None:
    known = {key.name for key in KEYS}
    for row in SERVICES:
        for port in row.ports:
            if port.on_masters is not None:
                _, setting = port.on_masters
                assert setting in known, (row.name, setting)
                assert f"{{{setting}}}" in row.environment.values(), (row.name, setting)


ON_EVERY_NODE = {53, 61091, 61825, 62080}
ON_MASTERS = {
    *(80, 443, 1050, 2181, 2888, 3888, 5050, 7070, 8080, 8101, 8123, 8181, 8443, 9000, 61053),
    *(1337,),  # of the Enterprise edition: the secret store
}
ON_AGENTS = {1050, 5051, 61001, 61002}
"""Upstream's, of the services that there are here."""


@pytest.mark.parametrize("role", list(NodeRole))
def test_ports_are_those_of_the_original(role: NodeRole) -> None:
    """Tools and firewalls know them. None is anywhere else, and none is missing."""
    wanted = ON_EVERY_NODE | (ON_MASTERS if role is NodeRole.MASTER else ON_AGENTS)
    assert {port.number for row in services_on(role) for port in row.ports} == wanted
    on_loopback_only = {8101, 7070, 61825, 62080, 1337} & wanted
    for row in services_on(role):
        for port in row.ports:
            if port.number in on_loopback_only:
                assert port.bind == "loopback", (row.name, port.number)
            if port.number in (53, 61053):
                assert set(port.protocols) == {"tcp", "udp"}
