"""The keys of ``config.yaml``: what each is for, its default or calculation, its rules. One row a key.

Source: DC/OS on-premises keys (``gen/calc.py``, ``gen/dcos-config.yaml``), those that have a meaning here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dcos.install import authority
from dcos.install.about import version
from dcos.install.settings import calculations as calc
from dcos.install.settings import rules
from dcos.install.settings.rules import Rule


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. Without ``default`` and ``calculated`` the user must give it; a calculated one cannot be given."""

    name: str
    help: str
    default: str | None = None
    calculated: Callable[..., str] | None = None
    rules: tuple[Rule, ...] = ()
    secret: bool = False
    """Only masters get it, in files of mode 0600."""
    given_with: tuple[str, str] | None = None
    """A calculated one may be given, too, where that key has that value; rules say whether it fits."""


def _yes(name: str, help: str, default: str = "true") -> Key:
    return Key(name, help, default, rules=(rules.is_boolean(name),))


def _fixed(name: str, help: str, value: str) -> Key:
    return Key(name, help, calculated=lambda: value)


KEYS: tuple[Key, ...] = (
    # the cluster
    Key("cluster_name", "Name of the cluster, shown by the CLI and the GUI.", rules=(rules.cluster_name_is_one_line,)),
    Key(
        "bootstrap_url",
        "Where nodes fetch genconf/serve from: http://host:port or file:///path.",
        rules=(rules.bootstrap_url_is_usable,),
    ),
    Key(
        "master_discovery",
        "How agents find the masters: static (master_list) or master_http_loadbalancer (Exhibitor at exhibitor_address tells).",
        rules=(rules.discovery_is_known,),
    ),
    Key(
        "exhibitor_address",
        "With master_http_loadbalancer: address or name of a load balancer, or master, whose port 8181 is Exhibitor's.",
        "",
        rules=(rules.exhibitor_can_be_asked,),
    ),
    Key("exhibitor_storage_backend", "Who knows the ZooKeeper ensemble: static.", rules=(rules.storage_is_supported,)),
    Key("master_list", "Addresses of the masters: 1, 3, 5, 7 or 9 of them.", rules=(rules.masters_are_addresses,)),
    Key(
        "num_masters",
        "Number of masters; may be given with master_http_loadbalancer.",
        calculated=calc.num_masters,
        rules=(rules.masters_are_odd, rules.masters_are_as_many),
        given_with=("master_discovery", "master_http_loadbalancer"),
    ),
    Key("platform", "Word for the kind of machines, shown in places.", "onprem"),
    # the nodes
    Key("ip_detect_filename", "Script that prints the address of the node it runs on.", "genconf/ip-detect"),
    Key("ip_detect_public_filename", "Script that prints its public address; empty: the same one.", ""),
    Key("ip_detect_contents", "Text of that script.", calculated=calc.ip_detect_contents),
    Key("ip_detect_public_contents", "Text of that script.", calculated=calc.ip_detect_public_contents),
    # identity
    _yes("oauth_enabled", "Whether Admin Router asks for a token."),
    _yes("auth_cookie_secure_flag", "Whether browsers send the login cookie by HTTPS only.", "false"),
    Key(
        "adminrouter_x_frame_options",
        "Who may show the web interface in a frame: DENY, SAMEORIGIN or ALLOW-FROM <URL>.",
        "DENY",
        rules=(rules.frames_are_known,),
    ),
    _yes(
        "adminrouter_tls_1_0_enabled",
        "Whether Admin Router speaks TLS 1.0, for clients that know nothing else.",
        "false",
    ),
    _yes("adminrouter_tls_1_1_enabled", "Whether Admin Router speaks TLS 1.1.", "false"),
    _yes("adminrouter_tls_1_2_enabled", "Whether Admin Router speaks TLS 1.2."),
    _yes("adminrouter_tls_1_3_enabled", "Whether Admin Router speaks TLS 1.3."),
    Key(
        "adminrouter_tls_cipher_suite",
        "Its ciphers for TLS 1.2 and older, in OpenSSL's words; empty: ECDHE with AES-GCM or ChaCha20.",
        "",
        rules=(rules.ciphers_are_known,),
    ),
    Key(
        "adminrouter_tls_protocols",
        "What Admin Router speaks, in nginx's words.",
        calculated=calc.adminrouter_tls_protocols,
        rules=(rules.a_safe_protocol_is_spoken,),
    ),
    Key(
        "adminrouter_grpc_proxy_port",
        "Port of Admin Router for gRPC; open only where ADMINROUTER_GRPC_UPSTREAM names a service.",
        "12379",
        rules=(rules.is_integer("adminrouter_grpc_proxy_port", 1, 65535),),
    ),
    Key(
        "security",
        "Whether permissions are checked beside tokens: disabled (any account may do everything), permissive, or strict (and "
        "services speak TLS only).",
        "disabled",
        rules=(rules.security_is_supported,),
    ),
    _yes(
        "tls_between_services",
        "With security: permissive: whether services ask each other over TLS already. The step between permissive and strict.",
        "false",
    ),
    Key(
        "superuser_username",
        "First user, made at the first start.",
        "",
        rules=(rules.superuser_is_whole,),
    ),
    Key(
        "superuser_password_hash",
        "Argon2id hash of its password, made by `dcos-install hash-password`.",
        "",
        rules=(rules.password_is_hashed,),
        secret=True,
    ),
    Key(
        "superuser_service_account_uid",
        "Service account that may do everything, made at the first start: for programs that set the cluster up.",
        "",
        rules=(rules.service_account_is_whole,),
    ),
    Key("superuser_service_account_public_key", "Its public key (RSA, PEM).", "", rules=(rules.is_public_key,)),
    # certificates
    Key(
        "ca_certificate_path",
        "Certificate of the authority that signs those of nodes and services (PEM); empty: one of the cluster's own is made.",
        "",
        rules=(rules.authority_is_whole,),
    ),
    Key("ca_certificate_key_path", "Its private key (PEM, without a passphrase); only masters get it.", ""),
    Key(
        "ca_certificate_chain_path",
        "Where it is no root: the certificates above it, in order, up to the root (PEM).",
        "",
    ),
    Key(
        "ca_certificate_contents",
        "Text of that file.",
        calculated=calc.ca_certificate_contents,
        rules=(authority.fits,),
    ),
    Key("ca_key_contents", "Text of that file.", calculated=calc.ca_key_contents, secret=True),
    Key("ca_chain_contents", "Text of that file.", calculated=calc.ca_chain_contents),
    Key(
        "ca_trusted_path",
        "Further roots that all nodes trust (PEM): of an authority that comes or goes, of another certificate of the front door.",
        "",
    ),
    Key(
        "ca_trusted_contents",
        "Text of that file.",
        calculated=calc.ca_trusted_contents,
        rules=(authority.are_roots,),
    ),
    Key(
        "certificate_days",
        "How many days the certificates of nodes and services hold; they are made anew when a third is left.",
        "14",
        rules=(rules.is_integer("certificate_days", 2, 90),),
    ),
    Key(
        "revoked_nodes",
        "Addresses of nodes that get no certificate any more: lost, stolen, given away.",
        "[]",
        rules=(rules.are_ipv4("revoked_nodes"), rules.revoked_are_no_masters),
    ),
    # names and virtual IPs
    Key(
        "resolvers",
        "Name servers for everything outside the cluster.",
        '["8.8.8.8", "8.8.4.4"]',
        rules=(rules.resolvers_are_addresses,),
    ),
    Key("dns_search", "Search domains of every node, separated by blanks.", "", rules=(rules.search_domains_fit,)),
    Key(
        "dns_forward_zones",
        "Zones with name servers of their own: {zone: [address[:port]]}.",
        "{}",
        rules=(rules.forward_zones_are_servers,),
    ),
    _yes("master_dns_bindall", "Whether masters answer DNS questions on all their addresses."),
    Key(
        "dns_bind_ip_reserved",
        "Addresses on which masters do not, because others do.",
        '["198.51.100.4"]',
        rules=(rules.are_ipv4("dns_bind_ip_reserved"),),
    ),
    Key(
        "dns_bind_ip_blacklist",
        "Further addresses on which masters do not.",
        "[]",
        rules=(rules.are_ipv4("dns_bind_ip_blacklist"),),
    ),
    _yes("dcos_net_watchdog", "Whether dcos-net is started anew when it no longer answers."),
    _yes("mesos_dns_set_truncate_bit", "Whether Mesos-DNS says so where an answer did not fit into a packet."),
    Key(
        "mesos_dns_ip_sources",
        "Where Mesos-DNS takes a task's address from, in order.",
        '["host", "netinfo"]',
        rules=(rules.ip_sources_are_known,),
    ),
    _yes("enable_lb", "Whether nodes balance virtual IPs."),
    Key(
        "dcos_l4lb_min_named_ip",
        "First address for named virtual IPs.",
        "11.0.0.0",
        rules=(rules.is_ipv4("dcos_l4lb_min_named_ip"),),
    ),
    Key(
        "dcos_l4lb_max_named_ip",
        "Last address for named virtual IPs.",
        "11.255.255.255",
        rules=(rules.is_ipv4("dcos_l4lb_max_named_ip"), rules.named_range_is_ordered),
    ),
    Key(
        "dcos_l4lb_min_named_ip6",
        "First IPv6 address for named virtual IPs.",
        "fd01:c::",
        rules=(rules.is_ipv6("dcos_l4lb_min_named_ip6"),),
    ),
    Key(
        "dcos_l4lb_max_named_ip6",
        "Last IPv6 address for named virtual IPs.",
        "fd01:c::ffff:ffff:ffff:ffff",
        rules=(rules.is_ipv6("dcos_l4lb_max_named_ip6"), rules.named_range6_is_ordered),
    ),
    _yes("enable_ipv6", "Whether nodes make anything of IPv6: virtual IPs, overlay networks."),
    _yes("dcos_l4lb_enable_ipv6", "Whether virtual IPs have IPv6 addresses; only with enable_ipv6."),
    # networks of containers
    _yes("dcos_overlay_enable", "Whether containers may have addresses of their own that every node reaches."),
    Key(
        "dcos_overlay_network",
        "Those networks: subnets, the length of a node's part, and where tunnels end.",
        '{"vtep_subnet": "44.128.0.0/20", "vtep_subnet6": "fd01:a::/64", "vtep_mac_oui": "70:B3:D5:00:00:00", '
        '"overlays": [{"name": "dcos", "subnet": "9.0.0.0/8", "prefix": 24}, '
        '{"name": "dcos6", "subnet6": "fd01:b::/64", "prefix6": 80}]}',
        rules=(rules.overlay_is_whole,),
    ),
    Key(
        "dcos_overlay_mtu",
        "Largest packet of the overlay: that of the machines' network less 50, or smaller.",
        "1420",
        rules=(rules.is_integer("dcos_overlay_mtu", 552),),
    ),
    Key(
        "dcos_overlay_network_default_name",
        "Network of apps that name none in mode container.",
        "dcos",
        rules=(rules.default_overlay_is_there,),
    ),
    Key(
        "dcos_overlay_network6_default_name",
        "Name of the network with IPv6 addresses. As in the original nothing uses it but who reads the expanded configuration: "
        "apps name the networks they join.",
        "dcos6",
        rules=(rules.default_overlay6_is_there,),
    ),
    Key(
        "dcos_ucr_default_bridge_network_name",
        "Network that bridge mode means for containers without Docker.",
        "mesos-bridge",
        rules=(rules.is_network_name("dcos_ucr_default_bridge_network_name"),),
    ),
    Key(
        "dcos_ucr_default_bridge_subnet",
        "Its addresses, the same on every agent.",
        "172.31.254.0/24",
        rules=(rules.is_ipv4_network("dcos_ucr_default_bridge_subnet"),),
    ),
    Key(
        "dcos_cni_data_dir",
        "Where agents note which addresses containers have; should be empty after a reboot.",
        "/var/run/dcos/cni/networks",
        rules=(rules.is_absolute("dcos_cni_data_dir"),),
    ),
    # Mesos
    Key(
        "mesos_recovery_timeout",
        "How long a restarted agent waits for its tasks.",
        "24hrs",
        rules=(rules.is_duration("mesos_recovery_timeout"),),
    ),
    Key("gc_delay", "How long sandboxes are kept.", "2days", rules=(rules.is_duration("gc_delay"),)),
    Key(
        "docker_remove_delay",
        "How long ended containers of the Docker Engine are kept.",
        "1hrs",
        rules=(rules.is_duration("docker_remove_delay"),),
    ),
    _yes(
        "enable_docker_gc",
        "Whether agents take away, each hour, containers, images and volumes of the Docker Engine that nobody uses.",
    ),
    Key(
        "docker_stop_timeout",
        "Time that docker tasks get to end when they name none.",
        "20secs",
        rules=(rules.is_duration("docker_stop_timeout"),),
    ),
    _yes("mesos_cgroups_enable_cfs", "Whether CPU shares are also a ceiling."),
    _yes("mesos_http_executor_domain_sockets", "Whether executors reach their agent by a unix socket too."),
    Key(
        "mesos_max_completed_frameworks",
        "Ended frameworks kept in memory.",
        "10",
        rules=(rules.is_integer("mesos_max_completed_frameworks", 0),),
    ),
    Key(
        "mesos_max_completed_tasks_per_framework",
        "Ended tasks of a framework kept in memory.",
        "100",
        rules=(rules.is_integer("mesos_max_completed_tasks_per_framework", 0),),
    ),
    Key("weights", "Weights of roles: role=number,role=number.", "", rules=(rules.weights_are_numbers,)),
    # checks
    _yes("check_time", "Whether the installer and the check clock_sync ask for a synchronised clock."),
    Key(
        "custom_checks",
        "Checks beside the built-in ones: cluster_checks and node_checks. See docs/guides/checks.md.",
        "{}",
        rules=(rules.custom_checks_are_whole,),
    ),
    Key(
        "check_search_path",
        "PATH of checks: folders, separated by colons.",
        "/opt/mesosphere/bin:/usr/bin:/bin:/sbin",
        rules=(rules.search_path_is_absolute,),
    ),
    # follows from the above, or is the same everywhere
    Key("master_quorum", "Masters that must agree.", calculated=calc.master_quorum),
    Key("scheme", "How services of the cluster ask each other: http or https.", calculated=calc.scheme),
    Key("zk_client_port", "ZooKeeper's port.", calculated=calc.zk_client_port),
    Key("zk_servers", "host:port of every ZooKeeper server.", calculated=calc.zk_servers),
    Key(
        "exhibitor_static_ensemble",
        "ZooKeeper's servers with their numbers.",
        calculated=calc.exhibitor_static_ensemble,
    ),
    Key("masters", "The masters, separated by commas.", calculated=calc.masters),
    Key("resolvers_list", "The resolvers, separated by commas.", calculated=calc.resolvers_list),
    Key(
        "mesos_dns_ip_sources_list",
        "The sources, separated by commas.",
        calculated=calc.mesos_dns_ip_sources_list,
    ),
    _fixed("dcos_version", "Version of this program.", version()),
    _fixed("dcos_variant", "Edition.", "open"),
    _fixed("provider", "Kind of installation.", "onprem"),
    _fixed("mesos_master_port", "Mesos master.", "5050"),
    _fixed("mesos_agent_port", "Mesos agent.", "5051"),
    _fixed("marathon_port", "Marathon.", "8080"),
    _fixed("exhibitor_port", "Exhibitor.", "8181"),
    _fixed("mesos_dns_port", "Mesos-DNS.", "8123"),
)

_NETWORK = "calico networks come with a later version"
_OBSERVED = "logs and metrics come with a later version"
_LOGIN = "sign-in through an outside provider is set up once the cluster runs: PUT /acs/api/v1/auth/oidc/providers/<id>"

UNSUPPORTED: dict[str, str] = {
    "dcos_overlay_config_attempts": "the overlay is tried until it works",
    **dict.fromkeys(("calico_enabled", "calico_network_cidr", "calico_vxlan_enabled"), _NETWORK),
    **dict.fromkeys(("mesos_container_log_sink", "mesos_logrotate_file_size_mb", "mesos_log_retention_mb"), _OBSERVED),
    **dict.fromkeys(("enable_mesos_input_plugin", "telemetry_enabled", "diagnostics_bundles_dir"), _OBSERVED),
    **dict.fromkeys(("oauth_issuer_url", "oauth_client_id", "oauth_auth_redirector", "oauth_auth_host"), _LOGIN),
    **dict.fromkeys(
        ("cluster_docker_credentials", "cluster_docker_registry_url"),
        "the Docker Engine's own configuration on each node says this",
    ),
    "check_config": "the built-in checks are fixed; custom_checks adds to them",
    **dict.fromkeys(
        ("use_proxy", "http_proxy", "https_proxy", "no_proxy"), "proxies for services come with a later version"
    ),
    **dict.fromkeys(
        ("exhibitor_admin_password", "exhibitor_tls_enabled", "exhibitor_tls_required"),
        "what ZooKeeper speaks, security says; who may ask Exhibitor, Admin Router does",
    ),
    **dict.fromkeys(("rexray_config", "rexray_config_preset"), "external volumes come with a later version"),
    **dict.fromkeys(("enable_gpu_isolation", "gpus_are_scarce"), "GPUs are not handled"),
    **dict.fromkeys(("mesos_master_work_dir", "mesos_agent_work_dir"), "work directories are fixed"),
    "fault_domain_detect_filename": "fault domains come with a later version",
    "license_key_contents": "nothing here needs a license key",
    "process_timeout": "commands of the installer wait for their end",
    "ssh_user": "installation over SSH comes with a later version",
    "ssh_port": "installation over SSH comes with a later version",
    "agent_list": "every node is told its role when it is installed",
    "public_agent_list": "every node is told its role when it is installed",
}
