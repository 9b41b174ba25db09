"""What is rendered: environment files, unit files, the whole tree of a node."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from dcos.install import units
from dcos.install.prereqs import ROLES
from dcos.install.settings import resolve
from dcos.install.tree import BOOTSTRAP_USER, BOUNCER_CREDENTIALS, Input, Release, Secrets, plan
from dcos.model import checks
from dcos.model.layout import Layout
from dcos.net.config import environment_of_lines
from dcos.registry import SERVICES, NodeRole, Service, services_on
from dcos.wire import envfile, jwt

ROOT = Path(__file__).parents[3]
AWKWARD = [
    "",
    "plain",
    "with blank",
    '["a", "b"]',
    '$HOME `id` \\ "',
    "it's",
    "a=b",
    "zk://a:1,b:2/x",
    "#no comment",
    "x;y",
]


@pytest.mark.parametrize("value", AWKWARD)
def test_environment_values_come_back(value: str) -> None:
    assert envfile.parse(envfile.render({"KEY": value})) == {"KEY": value}


@pytest.mark.parametrize("value", AWKWARD)
def test_a_shell_reads_the_exported_form_the_same_way(value: str, tmp_path: Path) -> None:
    path = tmp_path / "environment.export"
    path.write_text(envfile.render({"KEY": value}, export=True))
    done = subprocess.run(
        ["sh", "-c", f'. {path}; printf %s "$KEY"'],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == value


def test_a_line_break_cannot_smuggle_a_variable() -> None:
    with pytest.raises(ValueError, match="one line"):
        envfile.render({"KEY": "a\nLD_PRELOAD=x"})


def arguments(**changes: object) -> dict[str, str]:
    user, _ = resolve.load(ROOT / "config/config.yaml")
    found = resolve.resolve({**user, **changes}, ROOT / "config")
    assert not found.errors
    return found.readable()


def given(role: NodeRole, **changes: object) -> Input:
    return Input(
        role=role,
        release=Release("3.0.0", "b" * 40, "dcos--3.0.0_" + "b" * 12, "c" * 40),
        arguments=arguments(**changes),
        user_config="cluster_name: my-cluster\n",
        templates={path.name: path.read_text() for path in (ROOT / "units").iterdir()},
        scripts=("dcos", "dcos-marathon", "python3"),
        secrets=Secrets(
            "admin",
            "$argon2id$hash",
            "dcos_bouncer",
            "digest-password",
            ca_key="signing-key",
            ca_chain="the-chain",
            master_enrolment_key="master-enrolment",
            agent_enrolment_key="agent-enrolment",
        ),
    )


def test_every_node_has_the_checks_of_its_configuration() -> None:
    mine = {"description": "Mine", "cmd": ["true"], "timeout": "1s", "roles": ["agent"]}
    custom = {"node_checks": {"checks": {"mine": mine}, "poststart": ["mine"]}}
    changed = given(NodeRole.AGENT, custom_checks=custom, check_time=False, check_search_path="/usr/bin")
    files = {file.path.name: file.text for file in plan(changed, Layout()).files}
    assert files["dcos-check-runner.yaml"] == "check-config: /opt/mesosphere/etc/dcos-check-config.json\n"
    told = json.loads(files["dcos-check-config.json"])
    assert told["check_env"] == {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/opt/mesosphere/lib"}
    names = checks.parse(told).of(checks.POSTSTART, checks.AGENT)
    assert names["mine"].cmd == ("true",)
    assert names["xz"].cmd == ("/opt/mesosphere/bin/dcos-checks", "executable", "xz")
    assert "clock_sync" not in names


@pytest.mark.parametrize("role", list(NodeRole))
def test_every_row_of_the_role_has_its_unit_and_nothing_else_has(role: NodeRole) -> None:
    tree = plan(given(role))
    made = {file.path.name for file in tree.files if file.path.parent == Layout().systemd}
    rows = services_on(role)
    assert made == {
        "dcos.target",
        "mesos_executors.slice",
        *(name for row in rows for name in units.units_of(row)),
    }
    wants = {link.path.name for link in tree.links if link.path.parent.name == "dcos.target.wants"}
    assert (
        wants
        == set(tree.wanted)
        == {units.started_by_target(row) for row in rows} | {f"{row.name}.socket" for row in rows if row.sockets}
    )


@pytest.mark.parametrize("row", SERVICES, ids=lambda row: row.name)
def test_a_unit_is_whole(row: Service) -> None:
    role = next(iter(row.on))
    text = next(file.text for file in plan(given(role)).files if file.path.name == f"{row.name}.service")
    assert not re.search(r"@[a-z_]+@", text.replace("@system-service", ""))
    assert f"Description={row.title}: {row.summary}" in text
    assert "PartOf=dcos.target" in text
    assert f"ExecStart=/opt/mesosphere/bin/{row.command[0]}" in text
    if row.timer:
        return
    assert "StartLimitIntervalSec=0" in text
    if row.unit != "oneshot.service.in":
        assert "Type=notify" in text
        assert "Restart=always" in text
    if row.user != "root":
        assert f"User={row.user}" in text
        assert "NoNewPrivileges=yes" in text
        assert f"CapabilityBoundingSet={' '.join(row.capabilities)}\n" in text
    for name, value, reason in row.directives:
        assert f"# {reason}\n{name}={value}\n" in text
        assert text.count(f"\n{name}=") == 1


@pytest.mark.parametrize("row", [row for row in SERVICES if row.sockets], ids=lambda row: row.name)
def test_a_socket_is_for_admin_router_and_its_service_needs_it(row: Service) -> None:
    files = {file.path.name: file.text for file in plan(given(next(iter(row.on)))).files}
    socket, service = files[f"{row.name}.socket"], files[f"{row.name}.service"]
    for name in row.sockets:
        assert f"ListenStream=/run/dcos/{name}\n" in socket
    assert "SocketGroup=dcos_adminrouter\nSocketMode=0660\n" in socket
    assert f"Requires={row.name}.socket\n" in service
    assert f"After={row.name}.socket\n" in service


def test_only_masters_hold_secrets() -> None:
    master = {file.path.name: file for file in plan(given(NodeRole.MASTER)).files}
    for name in (BOOTSTRAP_USER, BOUNCER_CREDENTIALS):
        assert master[name].mode == 0o600
        assert master[name].owner == "dcos_bouncer"
    for role in (NodeRole.AGENT, NodeRole.PUBLIC_AGENT):
        for file in plan(given(role)).files:
            assert "digest-password" not in file.text
            assert "$argon2id" not in file.text


def test_the_key_that_signs_is_known_to_the_authority_alone() -> None:
    holders = {file.path.name: file for file in plan(given(NodeRole.MASTER)).files if "signing-key" in file.text}
    assert {name: (file.owner, file.mode) for name, file in holders.items()} == {"ca-key.pem": ("dcos_ca", 0o600)}
    for role, known, unknown in (
        (NodeRole.MASTER, "master-enrolment", "agent-enrolment"),
        (NodeRole.AGENT, "agent-enrolment", "master-enrolment"),
        (NodeRole.PUBLIC_AGENT, "agent-enrolment", "master-enrolment"),
    ):
        files = {file.path.name: file for file in plan(given(role)).files}
        own = files["certificate-enrolment-key"]
        assert (own.text, own.mode, own.owner) == (f"{known}\n", 0o600, "root")
        elsewhere = {name for name, file in files.items() if unknown in file.text or "signing-key" in file.text}
        assert elsewhere == ({"ca-key.pem", "ca-enrolment-keys.json"} if role is NodeRole.MASTER else set())


def test_no_secret_is_in_a_file_that_others_may_read() -> None:
    for file in plan(given(NodeRole.MASTER)).files:
        if "digest-password" in file.text or "$argon2id" in file.text:
            assert file.mode == 0o600


@pytest.mark.parametrize("role", list(NodeRole))
def test_every_link_leads_to_something_planned_or_bundled(role: NodeRole) -> None:
    tree = plan(given(role))
    files = {str(file.path) for file in tree.files}
    for link in tree.links:
        if "active/dcos/bin" in link.target or link.path.parent.name == "active":
            continue
        target = Path(link.path.parent, link.target)
        parts: list[str] = []
        for part in target.parts:
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        resolved = str(Path(*parts)).replace("/active/dcos-config/", "/packages/dcos-config--setup_" + "c" * 40 + "/")
        known = files | {str(one.path) for one in tree.links}
        assert resolved in known, f"{link.path} -> {link.target}"


def test_agents_know_the_network_of_bridge_mode() -> None:
    changes = {"dcos_ucr_default_bridge_network_name": "box", "dcos_ucr_default_bridge_subnet": "10.8.0.0/16"}
    at = Layout().etc / "dcos/network/cni/ucr-default-bridge.conf"
    for role in NodeRole:
        tree = plan(given(role, **changes))
        assert (at in {link.path for link in tree.links}) == (role is not NodeRole.MASTER)
    (file,) = [one for one in tree.files if one.path.name == at.name]
    config = json.loads(file.text)
    assert (config["name"], config["delegate"]["ipam"]["subnet"]) == ("box", "10.8.0.0/16")
    (agent,) = [one for one in tree.files if one.path.name == "mesos-slave-public"]
    found = envfile.parse(agent.text)
    assert found["MESOS_NETWORK_CNI_CONFIG_DIR"] == str(at.parent)
    assert "network/cni" in found["MESOS_ISOLATION"].split(",")


@pytest.mark.parametrize("role", NodeRole)
def test_every_node_says_how_names_are_found(role: NodeRole) -> None:
    """As files of lines that dcos-net reads, and others may."""
    tree = plan(given(role, resolvers=["10.0.0.2", "10.0.0.3:5353"], dns_search="a.example b.example"))
    files = {file.path.name: file.text for file in tree.files}
    assert environment_of_lines((files["dns_config"] + files["dns_search_config"]).encode()) == {
        "MASTER_SOURCE": "master_list",
        "DCOS_NET_RESOLVERS": "10.0.0.2,10.0.0.3:5353",
        "DCOS_NET_SEARCH": "a.example b.example",
    }
    if role is NodeRole.MASTER:
        assert envfile.parse(files["mesos-dns"])["MESOS_DNS_RESOLVERS"] == "10.0.0.2,10.0.0.3:5353"


def test_agents_ask_a_load_balancer_who_the_masters_are() -> None:
    """And reach ZooKeeper by names that follow; masters have their list."""
    changes = {"master_discovery": "master_http_loadbalancer", "exhibitor_address": "lb.example.com", "num_masters": 3}
    for role in NodeRole:
        files = {file.path.name: file.text for file in plan(given(role, **changes)).files}
        told, zk = environment_of_lines(files["dns_config"].encode()), envfile.parse(files["dcos_net"])["DCOS_NET_ZK"]
        if role is NodeRole.MASTER:
            assert told["MASTER_SOURCE"] == "master_list"
            assert ".zk" not in zk
            continue
        assert (told["MASTER_SOURCE"], told["EXHIBITOR_ADDRESS"]) == ("exhibitor", "lb.example.com")
        assert zk == "zk://zk-1.zk:2181,zk-2.zk:2181,zk-3.zk:2181,zk-4.zk:2181,zk-5.zk:2181/mesos"
        common = "mesos-slave" if role is NodeRole.AGENT else "mesos-slave-public"
        assert envfile.parse(files[common])["MESOS_MASTER"] == zk


def test_another_root_moves_everything() -> None:
    tree = plan(given(NodeRole.MASTER), Layout(Path("/somewhere/node")))
    paths = [file.path for file in tree.files] + [link.path for link in tree.links]
    assert all(path.is_relative_to("/somewhere/node") for path in paths)
    for file in tree.files:
        if file.path.name in ("environment", "bouncer", "mesos-master"):
            assert "/opt/mesosphere" not in file.text.replace("/somewhere/node/opt/mesosphere", "")


def test_roles_are_the_installers_words() -> None:
    assert {role.value for role in NodeRole} == set(ROLES)


def test_a_service_account_that_may_everything() -> None:
    """As bouncer reads it."""
    key = jwt.public_pem(jwt.generate_key().public_key())
    made = given(NodeRole.MASTER, superuser_service_account_uid="setup", superuser_service_account_public_key=key)
    (file,) = [one for one in plan(made).files if one.path.name == "bouncer-service-accounts.json"]
    assert (file.mode, file.owner) == (0o600, "dcos_bouncer")
    (row,) = [one for one in json.loads(file.text) if one["uid"] == "setup"]
    assert row["public_key"].strip() == key.strip()
    assert row["permissions"] == [{"rid": "dcos:superuser", "action": "full"}]
