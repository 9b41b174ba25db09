"""Everything an installation puts on a node, as data: files, links, folders, users. Pure: ``apply.py`` makes it real.

Generated files are a package of their own, ``dcos-config--setup_<id>``, linked from ``/opt/mesosphere/etc`` as upstream does.
What only some nodes may know is in ``Secrets``; ``Secrets.of`` keeps it from the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dcos.install import networks, units
from dcos.install.settings.rules import BY_LOAD_BALANCER
from dcos.model import checks
from dcos.model.layout import Layout
from dcos.registry import NodeRole, Service, services_on
from dcos.wire import envfile

BOUNCER_CREDENTIALS = "bouncer-zookeeper-credentials"
BOOTSTRAP_USER = "bouncer-bootstrap-user.json"
BOOTSTRAP_ACCOUNTS = "bouncer-service-accounts.json"
BOUNCER_KEY = "bouncer-key"
SECRETS_CREDENTIALS = "secrets-zookeeper-credentials"
SECRETS_KEY = "secrets-key"
AGENT_CREDENTIAL = "mesos-agent-service-account.json"
AGENT_ACCOUNT = "dcos_mesos_agent"
AGENT_RIGHTS = ("dcos:secrets:default",)
CA_BUNDLE = "ca-bundle.crt"
CA_CHAIN = "ca-chain.crt"
CA_KEY = "ca-key.pem"
CA_ENROLMENT = "ca-enrolment-keys.json"
ENROLMENT = "certificate-enrolment-key"
ROUTER_CREDENTIAL = "adminrouter-service-account.json"
ROUTER_ACCOUNT = "dcos_adminrouter"
ROUTER_RIGHTS = (
    "dcos:service:marathon:marathon:services:/",
    "dcos:service:marathon:marathon:admin:events",
    "dcos:service:marathon:marathon:admin:leader",
)


@dataclass(frozen=True, slots=True)
class File:
    path: Path
    text: str
    mode: int = 0o644
    owner: str = "root"


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path
    mode: int = 0o755
    owner: str = "root"


@dataclass(frozen=True, slots=True)
class Link:
    path: Path
    target: str


@dataclass(frozen=True, slots=True)
class Tree:
    """In the order in which it is made: users, folders, files, links."""

    users: tuple[str, ...]
    folders: tuple[Folder, ...]
    files: tuple[File, ...]
    links: tuple[Link, ...]
    wanted: tuple[str, ...]
    """Units that ``dcos.target`` starts."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is being installed."""

    version: str
    bundle_id: str
    package: str
    config_id: str

    @property
    def config_package(self) -> str:
        return f"dcos-config--setup_{self.config_id}"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What nobody but the named may know. A master is never told an agent's key, an agent nothing but that."""

    superuser_username: str = ""
    superuser_password_hash: str = ""
    zookeeper_user: str = ""
    zookeeper_password: str = ""
    secrets_zookeeper_password: str = ""
    """Of the user ``dcos_secrets``."""
    bouncer_key: str = ""
    """Seals passwords of identity providers."""
    secrets_key: str = ""
    """Seals secrets: 32 bytes in base64."""
    agent_public_key: str = ""
    """Of the service account by which agents read secrets."""
    agent_private_key: str = ""
    adminrouter_public_key: str = ""
    """Of the account by which Admin Router asks Marathon."""
    adminrouter_private_key: str = ""
    ca_key: str = ""
    """Signs certificates (PEM)."""
    ca_chain: str = ""
    """Its certificate, then those above it up to the root."""
    master_enrolment_key: str = ""
    """By which masters prove to the authority that they are."""
    agent_enrolment_key: str = ""

    def of(self, role: NodeRole) -> Secrets:
        """Those that nodes of ``role`` may know."""
        if role is NodeRole.MASTER:
            return replace(self, agent_private_key="")
        return Secrets(agent_private_key=self.agent_private_key, agent_enrolment_key=self.agent_enrolment_key)


@dataclass(frozen=True, slots=True)
class Input:
    """All that an installation depends on."""

    role: NodeRole
    release: Release
    arguments: Mapping[str, str]
    user_config: str
    templates: Mapping[str, str]
    scripts: tuple[str, ...]
    """Names in the bundle's ``bin`` folder."""
    secrets: Secrets = Secrets()
    changes: Mapping[str, Mapping[str, str]] | None = None
    """Further variables of a service, by its name: what a driver must set otherwise than production does."""


def environment(given: Input, layout: Layout) -> dict[str, str]:
    """Variables that every service of the node sees."""
    return {
        "PATH": f"{layout.bin}:/usr/bin:/bin:/usr/sbin:/sbin",
        "LD_LIBRARY_PATH": str(layout.opt / "lib"),
        "DCOS_VERSION": given.release.version,
        "DCOS_IMAGE_COMMIT": given.release.bundle_id,
        "DCOS_VARIANT": given.arguments["dcos_variant"],
        "MESOS_IP_DISCOVERY_COMMAND": str(layout.bin / "detect_ip"),
        "PROVIDER": given.arguments["provider"],
    }


def service_environment(row: Service, given: Input, layout: Layout) -> dict[str, str]:
    """A service's own variables: the row's templates over the cluster's arguments and this node's paths."""
    values = {
        **given.arguments,
        "zk_servers": _zk_servers(given),
        "etc": str(layout.etc),
        "state": str(layout.state),
        "run": str(layout.run),
        "mesos_work": str(layout.mesos_work),
        "root": str(layout.root).rstrip("/"),
    }
    made = {key: text.format_map(values) for key, text in row.environment.items()}
    if row.env_file and row.certificate:
        made |= _tls(row, given.arguments, layout)
    if row.env_file and not row.verifies_outside:
        made |= {"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "/dev/null"}
    return {**made, **(given.changes or {}).get(row.name, {})}


def _tls(row: Service, arguments: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """How a service speaks with others, by the cluster's mode. The variables are ``runtime/tls.py``'s."""
    security = arguments["security"]
    if security == "disabled":
        return {}
    own = str(layout.state / "pki" / f"{row.name}.pem")
    made = {"ENABLED": "true", "CERT_FILE": own, "KEY_FILE": own, "CA_FILE": str(layout.etc / CA_BUNDLE)}
    if security == "permissive":
        made["SUPPORT_DOWNGRADE"] = "true"
        if arguments["scheme"] == "https":
            made["ASK_OTHERS"] = "true"
    elif row.asks_certificate:
        made["REQUIRE_CLIENT_CERT"] = "true"
    return {f"LIBPROCESS_SSL_{name}": value for name, value in made.items()}


def _dns_config(given: Input) -> dict[str, str]:
    """How names are found, for who reads it there; dcos-net does."""
    asked = {"MASTER_SOURCE": "master_list"}
    if _asks_exhibitor(given):
        asked = {"MASTER_SOURCE": "exhibitor", "EXHIBITOR_ADDRESS": given.arguments["exhibitor_address"]}
    return {**asked, "RESOLVERS": given.arguments["resolvers_list"]}


def _checks(given: Input, layout: Layout) -> dict[str, object]:
    """The built-in checks and those of ``config.yaml``."""
    built_in = checks.built_in(str(layout.bin / "dcos-checks"), check_time=given.arguments["check_time"] == "true")
    every = built_in.with_more(checks.parse(json.loads(given.arguments["custom_checks"])))
    path = given.arguments["check_search_path"]
    return {**every.as_json(), "check_env": {"PATH": path, "LD_LIBRARY_PATH": str(layout.opt / "lib")}}


def _asks_exhibitor(given: Input) -> bool:
    """Whether the node is told who the masters are when it runs, not when it is installed. Masters know themselves."""
    return given.role is not NodeRole.MASTER and given.arguments["master_discovery"] == BY_LOAD_BALANCER


def _zk_servers(given: Input) -> str:
    """By names that dcos-net answers where masters may change."""
    if not _asks_exhibitor(given):
        return given.arguments["zk_servers"]
    return ",".join(f"zk-{number}.zk:{given.arguments['zk_client_port']}" for number in range(1, 6))


def _etc(given: Input, layout: Layout) -> list[tuple[str, str, int, str]]:
    """(name, text, mode, owner) of every file of the configuration package's ``etc``."""
    files: list[tuple[str, str, int, str]] = []
    merged: dict[str, dict[str, str]] = {}
    for row in services_on(given.role):
        if row.env_file:
            merged.setdefault(row.env_file, {}).update(service_environment(row, given, layout))
    files += [(name, envfile.render(values), 0o644, "root") for name, values in merged.items()]
    readable = dict(sorted(given.arguments.items()))
    ui_plugins = {
        "banner": {"enabled": False},
        "branding": {"enabled": False},
        "external-links": {"enabled": False},
        "authentication": {"enabled": False},
        "oauth": {"enabled": given.arguments["oauth_enabled"] == "true"},
        "intercom": {"enabled": False},
        "tracking": {"enabled": False},
        "ui-update": {"enabled": False},
        "mesos": {"logging-strategy": "logrotate"},
    }
    files += [
        ("expanded.config.json", _json(readable), 0o644, "root"),
        ("user.config.yaml", given.user_config, 0o644, "root"),
        ("dcos-version.json", _json(version_info(given.release, given.arguments)), 0o644, "root"),
        ("ui-config.json", _json({"uiConfiguration": {"plugins": ui_plugins}}), 0o644, "root"),
        ("master_list", given.arguments["master_list"] + "\n", 0o644, "root"),
        ("master_count", given.arguments["num_masters"] + "\n", 0o644, "root"),
        ("dns_search_config", envfile.render({"SEARCH": given.arguments["dns_search"]}), 0o644, "root"),
        ("dns_config", envfile.render(_dns_config(given)), 0o644, "root"),
        ("dcos-check-config.json", _json(_checks(given, layout)), 0o644, "root"),
        ("dcos-check-runner.yaml", f"check-config: {layout.etc}/dcos-check-config.json\n", 0o644, "root"),
    ]
    if bundle := given.arguments.get("ca_bundle"):
        files.append((CA_BUNDLE, bundle, 0o644, "root"))
    secrets = given.secrets.of(given.role)
    if given.role is NodeRole.MASTER:
        files += _master_secrets(secrets, given.arguments)
    else:
        files += _agent_secrets(secrets)
        files += [
            (name, _json(network), 0o644, "root") for name, network in networks.of_agents(given.arguments).items()
        ]
    return files


def _master_secrets(secrets: Secrets, arguments: Mapping[str, str]) -> list[tuple[str, str, int, str]]:
    owner = "dcos_bouncer"
    files = []
    if secrets.superuser_username:
        user = {"uid": secrets.superuser_username, "password_hash": secrets.superuser_password_hash}
        files.append((BOOTSTRAP_USER, _json(user), 0o600, owner))
    if secrets.zookeeper_user:
        text = f"{secrets.zookeeper_user}:{secrets.zookeeper_password}\n"
        files.append((BOUNCER_CREDENTIALS, text, 0o600, owner))
    accounts = [
        {
            "uid": uid,
            "description": description,
            "public_key": key,
            "permissions": [{"rid": rid, "action": "full" if rid == "dcos:superuser" else "read"} for rid in rids],
        }
        for uid, description, key, rids in (
            (AGENT_ACCOUNT, "Agents, which read secrets for their tasks", secrets.agent_public_key, AGENT_RIGHTS),
            (ROUTER_ACCOUNT, "Admin Router, which finds services", secrets.adminrouter_public_key, ROUTER_RIGHTS),
            (
                arguments["superuser_service_account_uid"],
                "Superuser service account",
                arguments["superuser_service_account_public_key"],
                ("dcos:superuser",),
            ),
        )
        if key
    ]
    if accounts:
        files.append((BOOTSTRAP_ACCOUNTS, _json(accounts), 0o600, owner))
    if secrets.adminrouter_private_key:
        credential = _credential(ROUTER_ACCOUNT, secrets.adminrouter_private_key)
        files.append((ROUTER_CREDENTIAL, credential, 0o600, "dcos_adminrouter"))
    if secrets.bouncer_key:
        files.append((BOUNCER_KEY, f"{secrets.bouncer_key}\n", 0o600, owner))
    if secrets.secrets_key:
        text = f"dcos_secrets:{secrets.secrets_zookeeper_password}\n"
        files.append((SECRETS_CREDENTIALS, text, 0o600, "dcos_secrets"))
        files.append((SECRETS_KEY, f"{secrets.secrets_key}\n", 0o600, "dcos_secrets"))
    if secrets.ca_key:
        enrolment = {"master": secrets.master_enrolment_key, "agent": secrets.agent_enrolment_key}
        files.append((CA_KEY, secrets.ca_key, 0o600, "dcos_ca"))
        files.append((CA_CHAIN, secrets.ca_chain, 0o644, "root"))
        files.append((CA_ENROLMENT, _json(enrolment), 0o600, "dcos_ca"))
        files.append((ENROLMENT, f"{secrets.master_enrolment_key}\n", 0o600, "root"))
    return files


def _agent_secrets(secrets: Secrets) -> list[tuple[str, str, int, str]]:
    files = []
    if secrets.agent_private_key:
        files.append((AGENT_CREDENTIAL, _credential(AGENT_ACCOUNT, secrets.agent_private_key), 0o600, "root"))
    if secrets.agent_enrolment_key:
        files.append((ENROLMENT, f"{secrets.agent_enrolment_key}\n", 0o600, "root"))
    return files


def _credential(uid: str, private_key: str) -> str:
    """What a service logs in with."""
    endpoint = "https://leader.mesos/acs/api/v1/auth/login"
    return _json({"scheme": "RS256", "uid": uid, "private_key": private_key, "login_endpoint": endpoint})


def version_info(release: Release, arguments: Mapping[str, str]) -> dict[str, str]:
    """``dcos-version.json``."""
    return {
        "version": release.version,
        "dcos-image-commit": release.bundle_id,
        "bootstrap-id": release.bundle_id,
        "dcos-variant": arguments["dcos_variant"],
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _scripts(given: Input, layout: Layout) -> list[tuple[str, str]]:
    path = f"PATH={layout.bin}:$PATH"
    shell = "#!/bin/sh\n# Runs a command with the environment of the services.\n"
    shell += f'set -a\n. {layout.opt}/environment.export\nexec "$@"\n'
    return [
        ("detect_ip", given.arguments["ip_detect_contents"]),
        ("detect_ip_public", given.arguments["ip_detect_public_contents"]),
        ("dcos-shell", shell),
        ("add_dcos_path.sh", f"# Login shells find the programs of DC/OS.\nexport {path}\n"),
    ]


def plan(given: Input, layout: Layout | None = None) -> Tree:
    """Everything that belongs on the node."""
    at = layout or Layout()
    rows = services_on(given.role)
    config = at.opt / "packages" / given.release.config_package
    folders = [Folder(at.opt / part) for part in ("active", "bin", "etc", "lib", "include")]
    folders += [Folder(config), Folder(config / "etc"), Folder(config / "bin")]
    if given.role is not NodeRole.MASTER:
        folders += [Folder(top / part) for top in (config / "etc", at.etc) for part in networks.FOLDERS]
    files: list[File] = []
    links = [
        Link(at.opt / "active/dcos", f"../packages/{given.release.package}"),
        Link(at.opt / "active/dcos-config", f"../packages/{given.release.config_package}"),
    ]
    for name, text, mode, owner in _etc(given, at):
        files.append(File(config / "etc" / name, text, mode, owner))
        links.append(Link(at.etc / name, f"{'../' * (name.count('/') + 1)}active/dcos-config/etc/{name}"))
    for name, text in _scripts(given, at):
        files.append(File(config / "bin" / name, text, 0o755))
        links.append(Link(at.bin / name, f"../active/dcos-config/bin/{name}"))
    links += [Link(at.bin / name, f"../active/dcos/bin/{name}") for name in given.scripts]
    common = environment(given, at)
    files += [
        File(at.opt / "environment", envfile.render(common)),
        File(at.opt / "environment.export", envfile.render(common, export=True)),
        File(at.opt / "active.buildinfo.full.json", _json(_build_info(given.release))),
    ]
    metadata = at.opt / "active/dcos-metadata/etc"
    folders += [Folder(metadata.parent), Folder(metadata)]
    links += [Link(metadata / name, f"../../../etc/{name}") for name in ("dcos-version.json", "ui-config.json")]

    folders += [Folder(at.config), Folder(at.config / "roles"), Folder(at.config / "setup-flags")]
    files += [
        File(at.config / "roles" / given.role.value, ""),
        File(at.config / "setup-flags/repository-url", given.arguments["bootstrap_url"] + "\n"),
        File(
            at.config / "setup-flags/cluster-package-list",
            _json([given.release.package, given.release.config_package]),
        ),
    ]
    users = [name for row in rows for name in (row.user, *row.groups) if name.startswith("dcos_")]
    folders += _state_folders(rows, at)
    unit_files, wanted = _units(rows, given, at)
    files += unit_files
    wants = at.systemd / "dcos.target.wants"
    folders.append(Folder(wants))
    links += [Link(wants / name, f"../{name}") for name in wanted]
    links.append(Link(at.root / "etc/profile.d/dcos.sh", str(at.bin / "add_dcos_path.sh")))
    return Tree(tuple(dict.fromkeys(users)), tuple(dict.fromkeys(folders)), tuple(files), tuple(links), tuple(wanted))


def _state_folders(rows: tuple[Service, ...], at: Layout) -> list[Folder]:
    """State folders, parents first; the innermost belongs to the service's user."""
    found = [Folder(at.state)]
    for row in rows:
        for name in row.state:
            parts = Path(name).parts
            found += [Folder(at.state.joinpath(*parts[:count])) for count in range(1, len(parts))]
            found.append(Folder(at.state / name, 0o700, row.user))
        found += [Folder(Path(path)) for path in row.writes if path.startswith("/var/") and at.root == Path("/")]
    return found


def _units(rows: tuple[Service, ...], given: Input, at: Layout) -> tuple[list[File], list[str]]:
    files = [
        File(at.systemd / "dcos.target", given.templates["dcos.target.in"]),
        File(at.systemd / "mesos_executors.slice", given.templates["mesos_executors.slice.in"]),
        File(
            at.root / "etc/tmpfiles.d/dcos.conf", units.fill(given.templates["dcos.tmpfiles.in"], {"run": str(at.run)})
        ),
    ]
    wanted = []
    for row in rows:
        env_file = str(at.etc / row.env_file) if row.env_file else ""
        text = units.service_unit(row, given.templates[row.unit], at, str(at.opt / "environment"), env_file)
        files.append(File(at.systemd / f"{row.name}.service", text))
        if row.timer:
            files.append(
                File(at.systemd / f"{row.name}.timer", units.timer_unit(row, given.templates["service.timer.in"]))
            )
        if row.sockets:
            text = units.socket_unit(row, given.templates["service.socket.in"], at)
            files.append(File(at.systemd / f"{row.name}.socket", text))
            wanted.append(f"{row.name}.socket")
        wanted.append(units.started_by_target(row))
    return files, wanted


def _build_info(release: Release) -> dict[str, object]:
    return {
        "dcos": {
            "package_version": release.package.split("--", 1)[1],
            "single_source": {"kind": "bundle", "id": release.bundle_id},
        },
        release.config_package.split("--", 1)[0]: None,
    }
