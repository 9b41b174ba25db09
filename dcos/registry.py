"""The service table: every part of the cluster is one row.

From a row follow its unit file, user, environment file, nginx locations, ports, firewall and preflight lists, health checks, the
diagnostics list and ``docs/reference/services.md``; a test re-makes each and compares. Adding a service is one row
plus its package.

``environment`` values are templates over the cluster's calculated arguments (``{zk_servers}`` ...), see ``dcos.install``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class NodeRole(enum.StrEnum):
    """What a machine is. (A "role" without prefix is the Mesos resource role.)"""

    MASTER = "master"
    AGENT = "slave"
    PUBLIC_AGENT = "slave_public"


MASTERS = frozenset({NodeRole.MASTER})
AGENTS = frozenset({NodeRole.AGENT, NodeRole.PUBLIC_AGENT})
EVERYWHERE = frozenset(NodeRole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that a service listens on.   ``bind``: loopback, node (the node's own address), any, or fixed addresses.

    ``on_masters``: what it listens on there besides, unless the setting named here is false.
    """

    name: str
    number: int
    bind: str = "node"
    protocols: tuple[str, ...] = ("tcp",)
    on_masters: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path at the Admin Router that leads to a service.

    ``to`` names a port of the service or, with ``unix:``, a socket below ``/run/dcos``; ``upstream_path`` None keeps the
    path, otherwise it replaces ``prefix``; ``auth`` asks for a valid token, ``needs`` for full rights on that permission id
    where permissions are checked (empty: the service checks itself).
    """

    prefix: str
    to: str
    upstream_path: str | None = None
    auth: bool = True
    needs: str = ""
    exact: bool = False
    on: frozenset[NodeRole] = MASTERS
    buffered: bool = True
    drop_authorization: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One systemd unit of ``dcos.target``."""

    name: str
    """Unit name without ``.service``."""
    title: str
    """Left of the colon in ``Description=``; the health API shows it as the name."""
    summary: str
    on: frozenset[NodeRole]
    command: tuple[str, ...]
    """Console script and its fixed arguments."""
    unit: str = "python.service.in"
    """Template below ``units/``."""
    user: str = "root"
    why_root: str = ""
    """Required where ``user`` is root."""
    groups: tuple[str, ...] = ()
    """Supplementary groups."""
    ports: tuple[Port, ...] = ()
    routes: tuple[Route, ...] = ()
    health: str = ""
    """Path that answers 200 on the port named ``http`` when the service serves."""
    state: tuple[str, ...] = ()
    """Folders below ``/var/lib/dcos`` that the service owns, mode 0700."""
    writes: tuple[str, ...] = ()
    """Further paths that it may write (everything else is read-only)."""
    env_file: str = ""
    """Name below ``/opt/mesosphere/etc``."""
    environment: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    directives: tuple[tuple[str, str, str], ...] = ()
    """(directive, value, reason): what the template does not say, or says otherwise."""
    timer: tuple[tuple[str, str], ...] = ()
    """Lines of a ``[Timer]``; a service with a timer is a oneshot."""
    restart_s: int = 2
    start_timeout_s: int = 300
    certificate: bool = True
    """Whether the node has a certificate made for it. Those that meet nobody need none."""
    asks_certificate: bool = True
    """Whether it lets only services of the cluster connect, in mode strict; others check tokens themselves."""
    verifies_outside: bool = False
    """Whether it (or a program it starts) checks certificates of servers outside the cluster. The others load no
    authorities: 2 MB and a tenth of a second each."""
    memory_mb: int = 60
    """Resident memory expected when idle; bench/up.py prints it beside what it measures."""


_AGENT_ENVIRONMENT: Mapping[str, str] = {
    "MESOS_MASTER": "zk://{zk_servers}/mesos",
    "MESOS_WORK_DIR": "{mesos_work}",
    "MESOS_HOSTNAME_LOOKUP": "false",
    # Docker is optional: where its socket is not there, docker tasks are refused and nothing else changes.
    "MESOS_CONTAINERIZERS": "docker,mesos",
    "MESOS_DOCKER_REMOVE_DELAY": "{docker_remove_delay}",
    "MESOS_DOCKER_STOP_TIMEOUT": "{docker_stop_timeout}",
    "MESOS_ISOLATION": "cgroups/cpu,cgroups/mem,disk/du,filesystem/linux,docker/runtime,posix/rlimits,namespaces/pid,"
    "namespaces/ipc,linux/capabilities,linux/seccomp,volume/sandbox_path,network/cni",
    "MESOS_NETWORK_CNI_CONFIG_DIR": "{etc}/dcos/network/cni",
    # The first is for what operators add.
    "MESOS_NETWORK_CNI_PLUGINS_DIR": "/opt/mesosphere/active/cni:/usr/lib/cni",
    "MESOS_SANDBOX_LOG_MAX_SIZE": "2MB",
    "MESOS_IMAGE_PROVIDERS": "docker",
    "MESOS_GC_DELAY": "{gc_delay}",
    "MESOS_RECOVERY_TIMEOUT": "{mesos_recovery_timeout}",
    "MESOS_CGROUPS_ENABLE_CFS": "{mesos_cgroups_enable_cfs}",
    "MESOS_HTTP_EXECUTOR_DOMAIN_SOCKETS": "{mesos_http_executor_domain_sockets}",
    "MESOS_RECONFIGURATION_POLICY": "additive",
    "MESOS_SERVICE_ACCOUNT_CREDENTIAL": "{etc}/mesos-agent-service-account.json",
    "MESOS_SECRETS_CA": "{etc}/ca-bundle.crt",
}
"""What private and public agents have in common."""

SERVICES: tuple[Service, ...] = (
    Service(
        name="dcos-ca",
        title="Certificate Authority",
        summary="Signs the certificates of nodes and services",
        on=MASTERS,
        command=("dcos-ca",),
        user="dcos_ca",
        groups=("dcos_adminrouter",),
        directives=(
            ("RuntimeDirectoryMode", "0755", "Admin Router's user reaches the socket in it; the socket is 0660"),
            ("RestrictAddressFamilies", "AF_UNIX", "whoever has the authority's key speaks with this machine only"),
        ),
        routes=(Route(prefix="/ca/node/v1/", to="unix:dcos-ca/ca.sock", auth=False),),
        certificate=False,
        env_file="ca",
        environment={
            "CA_KEY_FILE": "{etc}/ca-key.pem",
            "CA_CHAIN_FILE": "{etc}/ca-chain.crt",
            "CA_ENROLMENT_FILE": "{etc}/ca-enrolment-keys.json",
            "CA_MASTER_LIST": "{master_list}",
        },
    ),
    Service(
        name="dcos-certificates",
        title="Certificates",
        summary="Has the certificates of this node made and renewed",
        on=EVERYWHERE,
        command=("dcos-certificates",),
        unit="oneshot.service.in",
        why_root="gives each service a key that no other can read",
        writes=("/var/lib/dcos",),
        certificate=False,
        env_file="certificates",
        environment={
            "CERTIFICATES_ENROLMENT_FILE": "{etc}/certificate-enrolment-key",
            "CERTIFICATES_CA_BUNDLE": "{etc}/ca-bundle.crt",
            "CERTIFICATES_MASTER_LIST": "{master_list}",
        },
        timer=(("OnBootSec", "1s"), ("OnUnitActiveSec", "1h"), ("RandomizedDelaySec", "2s")),
        start_timeout_s=3600,
    ),
    Service(
        name="dcos-exhibitor",
        title="Exhibitor",
        summary="Supervises ZooKeeper, which keeps the cluster's shared state",
        on=MASTERS,
        command=("dcos-exhibitor",),
        user="dcos_exhibitor",
        ports=(
            Port(name="http", number=8181),
            Port(name="zk-client", number=2181),
            Port(name="zk-client-loopback", number=2181, bind="loopback"),
            Port(name="zk-quorum", number=2888),
            Port(name="zk-election", number=3888),
        ),
        routes=(
            Route(prefix="/exhibitor/", to="http", upstream_path="/", needs="dcos:adminrouter:ops:exhibitor"),
            Route(
                prefix="/exhibitor/exhibitor/v1/cluster/status",
                to="http",
                upstream_path="/exhibitor/v1/cluster/status",
                auth=False,
                exact=True,
            ),
        ),
        health="/exhibitor/v1/cluster/state",
        state=("exhibitor",),
        env_file="exhibitor",
        environment={"EXHIBITOR_STATIC_ENSEMBLE": "{exhibitor_static_ensemble}"},
        memory_mb=170,
    ),
    Service(
        name="dcos-cluster-id",
        title="Cluster Id",
        summary="Agrees with the other nodes on what the cluster is called",
        on=EVERYWHERE,
        command=("dcos-install", "cluster-id"),
        unit="oneshot.service.in",
        why_root="writes /var/lib/dcos/cluster-id, whose folder belongs to root",
        writes=("/var/lib/dcos",),
        env_file="cluster-id",
        environment={"DCOS_ZK": "zk://{zk_servers}"},
        directives=(
            ("RemainAfterExit", "yes", "its work is done once a boot; then it counts as active"),
            ("Restart", "on-failure", "whatever went wrong, the id is still needed"),
            ("RestartSec", "2", "the same"),
        ),
        start_timeout_s=3600,
    ),
    Service(
        name="dcos-mesos-master",
        title="Mesos Master",
        summary="Offers the resources of the agents to frameworks",
        on=MASTERS,
        command=("dcos-mesos-master",),
        user="dcos_mesos_master",
        ports=(Port(name="http", number=5050),),
        routes=(
            Route(prefix="/mesos/", to="leader", upstream_path="/", buffered=False, needs="dcos:adminrouter:ops:mesos"),
        ),
        health="/health",
        state=("mesos/master",),
        env_file="mesos-master",
        environment={
            "MESOS_ZK": "zk://{zk_servers}/mesos",
            "MESOS_QUORUM": "{master_quorum}",
            "MESOS_CLUSTER": "{cluster_name}",
            "MESOS_HOSTNAME_LOOKUP": "false",
            "MESOS_OFFER_TIMEOUT": "2mins",
            "MESOS_MIN_ALLOCATABLE_RESOURCES": "cpus:0.01;mem:32;ports:1",
            "MESOS_MAX_COMPLETED_FRAMEWORKS": "{mesos_max_completed_frameworks}",
            "MESOS_MAX_COMPLETED_TASKS_PER_FRAMEWORK": "{mesos_max_completed_tasks_per_framework}",
        },
    ),
    Service(
        name="dcos-mesos-slave",
        title="Mesos Agent",
        summary="Runs tasks in containers on this node",
        on=frozenset({NodeRole.AGENT}),
        verifies_outside=True,
        command=("dcos-mesos-agent",),
        unit="agent.service.in",
        why_root="starts tasks as any user in cgroups and namespaces of their own",
        ports=(Port(name="http", number=5051),),
        health="/health",
        writes=("/var/lib/mesos", "/var/log/mesos", "/var/run/mesos"),
        env_file="mesos-slave",
        environment={
            **_AGENT_ENVIRONMENT,
            "MESOS_RESOURCES": "ports:[1025-2180,2182-3887,3889-5049,5052-8079,8082-8180,8182-32000]",
        },
    ),
    Service(
        name="dcos-mesos-slave-public",
        title="Mesos Agent Public",
        summary="Runs tasks that face the public in containers on this node",
        on=frozenset({NodeRole.PUBLIC_AGENT}),
        verifies_outside=True,
        command=("dcos-mesos-agent",),
        unit="agent.service.in",
        why_root="starts tasks as any user in cgroups and namespaces of their own",
        ports=(Port(name="http", number=5051),),
        health="/health",
        writes=("/var/lib/mesos", "/var/log/mesos", "/var/run/mesos"),
        env_file="mesos-slave-public",
        environment={
            **_AGENT_ENVIRONMENT,
            "MESOS_RESOURCES": "ports:[1-21,23-5050,5052-32000]",
            "MESOS_DEFAULT_ROLE": "slave_public",
            "MESOS_ATTRIBUTES": "public_ip:true",
        },
    ),
    Service(
        name="dcos-marathon",
        title="Marathon",
        summary="Keeps services running",
        on=MASTERS,
        command=("dcos-marathon",),
        user="dcos_marathon",
        state=("marathon",),
        ports=(Port(name="http", number=8080), Port(name="https", number=8443)),
        asks_certificate=False,
        routes=(Route(prefix="/marathon/", to="http", upstream_path="/", needs="dcos:adminrouter:service:marathon"),),
        health="/ping",
        env_file="marathon",
        environment={
            "MARATHON_MASTER": "zk://{zk_servers}/mesos",
            "MARATHON_ZK": "zk://{zk_servers}/marathon",
            "MARATHON_MESOS_ROLE": "slave_public",
            "MARATHON_DEFAULT_ACCEPTED_RESOURCE_ROLES": "*",
            "MARATHON_MESOS_USER": "root",
            "MARATHON_MESOS_AUTHENTICATION_PRINCIPAL": "dcos_marathon",
            "MARATHON_SECURITY": "{security}",
            "MARATHON_BOUNCER": "{scheme}://127.0.0.1:8101",
            "MARATHON_ENABLE_FEATURES": "vips,task_killing,gpu_resources,secrets",
            "MARATHON_DEFAULT_NETWORK_NAME": "{dcos_overlay_network_default_name}",
            "MARATHON_MESOS_BRIDGE_NAME": "{dcos_ucr_default_bridge_network_name}",
            "MARATHON_MAX_INSTANCES_PER_OFFER": "100",
            "MARATHON_TASK_LAUNCH_CONFIRM_TIMEOUT": "1800000",
        },
    ),
    Service(
        name="dcos-metronome",
        title="Metronome",
        summary="Runs jobs, once or on a schedule",
        on=MASTERS,
        command=("dcos-metronome",),
        user="dcos_metronome",
        ports=(Port(name="http", number=9000),),
        asks_certificate=False,
        health="/ping",
        env_file="metronome",
        environment={
            "METRONOME_MASTER": "zk://{zk_servers}/mesos",
            "METRONOME_ZK": "zk://{zk_servers}/metronome",
            "METRONOME_MESOS_USER": "root",
            "METRONOME_MESOS_AUTHENTICATION_PRINCIPAL": "dcos_metronome",
            "METRONOME_SECURITY": "{security}",
            "METRONOME_BOUNCER": "{scheme}://127.0.0.1:8101",
            "METRONOME_FEATURES_ENABLE": "gpu_resources,secrets",
            "METRONOME_TASK_LAUNCH_TIMEOUT": "600000",
            "METRONOME_TASK_LAUNCH_CONFIRM_TIMEOUT": "600000",
        },
    ),
    Service(
        name="dcos-mesos-dns",
        title="Mesos DNS",
        summary="Answers for the names of tasks and frameworks",
        on=MASTERS,
        command=("dcos-mesos-dns",),
        user="dcos_mesos_dns",
        ports=(
            Port(name="dns", number=61053, protocols=("tcp", "udp")),
            Port(name="http", number=8123),
            Port(name="http-loopback", number=8123, bind="loopback"),
        ),
        routes=(
            Route(
                prefix="/mesos_dns/",
                to="http",
                upstream_path="/",
                needs="dcos:adminrouter:ops:mesos-dns",
                drop_authorization=True,
            ),
        ),
        health="/v1/version",
        env_file="mesos-dns",
        environment={
            "MESOS_DNS_ZK": "zk://{zk_servers}/mesos",
            "MESOS_DNS_IPSOURCES": "{mesos_dns_ip_sources_list}",
            "MESOS_DNS_SETTRUNCATEBIT": "{mesos_dns_set_truncate_bit}",
            "MESOS_DNS_RESOLVERS": "{resolvers_list}",
        },
    ),
    Service(
        name="dcos-net",
        title="DC/OS Net",
        summary="Forwards DNS, balances virtual IPs and joins the overlay networks",
        on=EVERYWHERE,
        command=("dcos-net",),
        why_root="writes nftables and network devices, binds port 53, asks agents for echoes",
        capabilities=("CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW"),
        directives=(
            (
                "ProtectKernelTunables",
                "no",
                "switches forwarding on: containers reach virtual IPs and each other through it",
            ),
            ("WatchdogSec", "30", "it asks itself for ready.spartan, and is started anew when no answer comes"),
        ),
        ports=(
            Port(
                name="dns",
                number=53,
                bind="198.51.100.1,198.51.100.2,198.51.100.3,fd01:d::c633:6401",
                protocols=("tcp", "udp"),
                on_masters=("any", "master_dns_bindall"),
            ),
            Port(name="http", number=62080, bind="loopback"),
        ),
        writes=("/opt/mesosphere/etc/dcos/network/cni",),
        routes=(
            Route(
                prefix="/net/",
                to="http",
                upstream_path="/",
                needs="dcos:adminrouter:ops:networking",
                drop_authorization=True,
            ),
            Route(
                prefix="/navstar/lashup/key",
                to="http",
                upstream_path="/lashup/key",
                needs="dcos:adminrouter:ops:networking",
                drop_authorization=True,
            ),
        ),
        health="/v1/version",
        env_file="dcos_net",
        environment={
            "DCOS_NET_ZK": "zk://{zk_servers}/mesos",
            "DCOS_NET_MASTER_LIST": "{master_list}",
            "DCOS_NET_RESOLVERS": "{resolvers}",
            "DCOS_NET_ENABLE_LB": "{enable_lb}",
            "DCOS_NET_FORWARD_ZONES": "{dns_forward_zones}",
            "DCOS_NET_MASTER_DNS_BINDALL": "{master_dns_bindall}",
            "DCOS_NET_BIND_IP_RESERVED": "{dns_bind_ip_reserved}",
            "DCOS_NET_BIND_IP_BLACKLIST": "{dns_bind_ip_blacklist}",
            "DCOS_NET_WATCHDOG": "{dcos_net_watchdog}",
            "DCOS_NET_MIN_NAMED_IP": "{dcos_l4lb_min_named_ip}",
            "DCOS_NET_MAX_NAMED_IP": "{dcos_l4lb_max_named_ip}",
            "DCOS_NET_MIN_NAMED_IP6": "{dcos_l4lb_min_named_ip6}",
            "DCOS_NET_MAX_NAMED_IP6": "{dcos_l4lb_max_named_ip6}",
            "DCOS_NET_ENABLE_IPV6": "{enable_ipv6}",
            "DCOS_NET_L4LB_ENABLE_IPV6": "{dcos_l4lb_enable_ipv6}",
            "DCOS_NET_SEARCH": "{dns_search}",
            "DCOS_NET_OVERLAY_ENABLE": "{dcos_overlay_enable}",
            "DCOS_NET_OVERLAY_NETWORK": "{dcos_overlay_network}",
            "DCOS_NET_OVERLAY_MTU": "{dcos_overlay_mtu}",
            "DCOS_NET_CNI_CONFIG_DIR": "{etc}/dcos/network/cni",
            "DCOS_NET_CNI_DATA_DIR": "{dcos_cni_data_dir}",
            "DCOS_NET_BRIDGE_SUBNETS": "{dcos_ucr_default_bridge_subnet}",
        },
    ),
    Service(
        name="dcos-gen-resolvconf",
        title="Generate resolv.conf",
        summary="Points this node at the forwarders that answer",
        on=EVERYWHERE,
        command=("dcos-net", "gen-resolvconf"),
        unit="oneshot.service.in",
        why_root="writes /etc/resolv.conf",
        writes=("/etc",),
        env_file="dcos_net",
        timer=(("OnBootSec", "5s"), ("OnUnitActiveSec", "1min")),
        certificate=False,
    ),
    Service(
        name="dcos-bouncer",
        title="Bouncer",
        summary="Knows users and signs their tokens",
        on=MASTERS,
        command=("dcos-bouncer",),
        verifies_outside=True,
        user="dcos_bouncer",
        ports=(Port(name="http", number=8101, bind="loopback"),),
        routes=(
            Route(prefix="/acs/api/v1/auth/", to="http", auth=False),
            Route(prefix="/acs/api/v1/auth/oidc/providers", to="http", needs="dcos:adminrouter:acs"),
            Route(prefix="/acs/api/v1", to="http", needs="dcos:adminrouter:acs"),
        ),
        health="/acs/api/v1/auth/jwks",
        state=("bouncer",),
        env_file="bouncer",
        environment={
            "BOUNCER_ZK": "zk://{zk_servers}/dcos/iam",
            "BOUNCER_ZK_CREDENTIALS_FILE": "{etc}/bouncer-zookeeper-credentials",
            "BOUNCER_KEY_FILE": "{etc}/bouncer-key",
            "BOUNCER_AUTH_COOKIE_SECURE_FLAG": "{auth_cookie_secure_flag}",
        },
        start_timeout_s=600,
    ),
    Service(
        name="dcos-secrets",
        title="DC/OS Secrets",
        summary="Keeps secrets sealed and gives them to those who may read them",
        on=MASTERS,
        command=("dcos-secrets",),
        user="dcos_secrets",
        ports=(Port(name="http", number=1337, bind="loopback"),),
        routes=(Route(prefix="/secrets/v1", to="http"),),
        health="/secrets/v1/ping",
        env_file="secrets",
        environment={
            "SECRETS_ZK": "zk://{zk_servers}/dcos-secrets",
            "SECRETS_ZK_CREDENTIALS_FILE": "{etc}/secrets-zookeeper-credentials",
            "SECRETS_KEY_FILE": "{etc}/secrets-key",
            "SECRETS_BOUNCER": "{scheme}://127.0.0.1:8101",
        },
    ),
    Service(
        name="dcos-cosmos",
        title="Cosmos",
        summary="Lists and installs packages of the catalog",
        on=MASTERS,
        command=("dcos-cosmos",),
        verifies_outside=True,
        user="dcos_cosmos",
        ports=(Port(name="http", number=7070, bind="loopback"),),
        routes=(
            Route(prefix="/package/", to="http", needs="dcos:adminrouter:package", buffered=False),
            Route(prefix="/capabilities", to="http", needs="dcos:adminrouter:package"),
            Route(prefix="/cosmos/service/", to="http", upstream_path="/service/", needs="dcos:adminrouter:package"),
        ),
        health="/capabilities",
        state=("cosmos",),
        env_file="cosmos",
        environment={
            "COSMOS_ZOOKEEPER_URI": "zk://{zk_servers}/cosmos",
            "COSMOS_ADMIN_ROUTER_URI": "{scheme}://127.0.0.1",
            "COSMOS_SECURITY": "{security}",
            "COSMOS_BOUNCER": "{scheme}://127.0.0.1:8101",
        },
    ),
    Service(
        name="dcos-adminrouter",
        title="Admin Router Master",
        summary="Front door of the cluster, proxies its services behind authentication",
        on=MASTERS,
        command=("dcos-adminrouter", "--role=master"),
        user="dcos_adminrouter",
        capabilities=("CAP_NET_BIND_SERVICE",),
        directives=(
            (
                "ExecReload",
                "/bin/kill -HUP $MAINPID",
                "takes new certificates and settings of nginx, without an interruption",
            ),
        ),
        ports=(
            Port(name="http", number=80, bind="any"),
            Port(name="https", number=443, bind="any"),
        ),
        state=("adminrouter",),
        env_file="adminrouter.env",
        environment={
            "ADMINROUTER_ACTIVATE_AUTH_MODULE": "{oauth_enabled}",
            "ADMINROUTER_SECURITY": "{security}",
            "ADMINROUTER_X_FRAME_OPTIONS": "{adminrouter_x_frame_options}",
            "ADMINROUTER_GRPC_PORT": "{adminrouter_grpc_proxy_port}",
            "ADMINROUTER_CERTIFICATE": "{state}/pki/dcos-adminrouter.pem",
            "ADMINROUTER_SERVICE_ACCOUNT_CREDENTIAL": "{etc}/adminrouter-service-account.json",
            "ADMINROUTER_ZK": "zk://{zk_servers}/mesos",
        },
        memory_mb=105,
    ),
    Service(
        name="dcos-adminrouter-agent",
        title="Admin Router Agent",
        summary="Serves this node's operations APIs to the masters",
        on=AGENTS,
        command=("dcos-adminrouter", "--role=agent"),
        user="dcos_adminrouter",
        ports=(Port(name="http", number=61001),),
        state=("adminrouter",),
        env_file="adminrouter-agent.env",
        environment={"ADMINROUTER_WORKERS": "1"},
        memory_mb=20,
    ),
    Service(
        name="dcos-diagnostics",
        title="Diagnostics",
        summary="Tells the health of every node's units",
        on=EVERYWHERE,
        command=("dcos-diagnostics",),
        user="dcos_diagnostics",
        groups=("systemd-journal", "dcos_adminrouter"),
        directives=(
            ("RuntimeDirectoryMode", "0755", "Admin Router's user reaches the socket in it; the socket is 0660"),
        ),
        ports=(Port(name="http", number=1050),),
        routes=(
            Route(prefix="/system/health/v1", to="http", needs="dcos:adminrouter:ops:system-health"),
            Route(prefix="/system/health/v1", to="unix:dcos-diagnostics.sock", auth=False, on=AGENTS),
        ),
        health="/system/health/v1",
        writes=("/run/dcos",),
        env_file="dcos-diagnostics",
        environment={
            "DIAGNOSTICS_MASTER_LIST": "{master_list}",
            "DIAGNOSTICS_ZK": "zk://{zk_servers}/mesos",
        },
    ),
)


def services_on(role: NodeRole) -> tuple[Service, ...]:
    """The rows for a machine of ``role``, in table order (which is a good order to start them in)."""
    return tuple(service for service in SERVICES if role in service.on)


def service(name: str) -> Service:
    """The row named ``name``.   Errors: KeyError."""
    for row in SERVICES:
        if row.name == name:
            return row
    raise KeyError(name)


def port_of(name: str, port: str = "http") -> int:
    """Number of a service's named port.   Errors: KeyError."""
    for one in service(name).ports:
        if one.name == port:
            return one.number
    raise KeyError(f"{name} has no port {port}")
