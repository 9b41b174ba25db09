"""Settings of dcos-exhibitor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dcos import registry
from dcos.exhibitor.core.ensemble import Ensemble, parse_ensemble, parse_master_list
from dcos.runtime.settings import duration, setting
from dcos.runtime.settings import port as port_number

_JARS = ("zookeeper", "slf4j-simple", "netty-codec", "netty-resolver")
"""What zookeeper.jar names itself is found by it; it forgets two of Netty's, which TLS needs."""
DEBIAN_CLASSPATH = ":".join(f"/usr/share/java/{name}.jar" for name in _JARS)


def at_least_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("must be a whole number of 1 or more")
    return int(text)


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    ip: str | None = setting(None, "This node's address (else ip_discovery_command, else the default route's).")
    ip_discovery_command: Path | None = setting(
        None, "Program that prints this node's address.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    port: int = setting(
        registry.port_of("dcos-exhibitor"), "Port of the REST API, on this node's address.", parse=port_number
    )
    static_ensemble: Ensemble | None = setting(
        None,
        "The ZooKeeper ensemble as id:ip,id:ip (O:id:ip for an observer), the same on every master. Without it and "
        "without master_list, this node is an ensemble of one.",
        parse=parse_ensemble,
        flags=("staticensemble",),
    )
    master_list: Ensemble | None = setting(
        None,
        "The masters' addresses, comma-separated or as a JSON list: the ensemble if static_ensemble is not given.",
        parse=parse_master_list,
    )
    zk_client_port: int = setting(
        registry.port_of("dcos-exhibitor", "zk-client"), "ZooKeeper's port for clients.", parse=port_number
    )
    zk_connect_port: int = setting(
        registry.port_of("dcos-exhibitor", "zk-quorum"), "ZooKeeper's port for its followers.", parse=port_number
    )
    zk_election_port: int = setting(
        registry.port_of("dcos-exhibitor", "zk-election"), "ZooKeeper's port for its elections.", parse=port_number
    )
    node_modification: bool = setting(
        True, "Whether ``explorer/znode`` of the REST API may change ZooKeeper's nodes, as anybody there may."
    )
    join_patience: float = setting(
        600.0,
        "A ZooKeeper without data asks the other masters whether they have an ensemble already; so long it waits for those "
        "that do not answer, which may have data that it would begin without.",
        parse=duration,
    )
    resize_period: float = setting(
        5.0, "How often it is looked whether the ensemble is the wanted one, and a step taken if not.", parse=duration
    )
    zk_loopback: bool = setting(
        True,
        "Also answer ZooKeeper clients on 127.0.0.1, for tools that look there (not if this node's address is a "
        "loopback address itself).",
    )
    zk_tick_time: float = setting(2.0, "ZooKeeper's tick; sessions last 2 to 20 of them.", parse=duration)
    zk_classpath: str = setting(DEBIAN_CLASSPATH, "Jars of ZooKeeper and of a logger for it, separated by colons.")
    zk_log_level: str = setting("warn", "What ZooKeeper logs: error, warn, info, debug.")
    java: str = setting("java", "The Java program, looked up on PATH.")
    java_heap_mb: int = setting(256, "ZooKeeper's largest heap in MB.")
    java_flags: tuple[str, ...] = setting(
        ("-Xms32m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xss512k"),
        "Further flags for Java, separated by blanks.",
        parse=words,
        shown="-Xms32m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xss512k",
    )
    check_period: float = setting(2.0, "How often ZooKeeper is asked how it is.", parse=duration)
    renewal_turn: float = setting(
        300.0,
        "A ZooKeeper that does not take a renewed certificate by itself is started anew in this master's turn; so long is each.",
        parse=duration,
    )
    check_timeout: float = setting(10.0, "A ZooKeeper that does not answer for so long is down.", parse=duration)
    stop_timeout: float = setting(10.0, "ZooKeeper's time to end before it is killed.", parse=duration)
    backup_dir: Path | None = setting(None, "Folder of backups (else ``backups`` in the state folder); made as 0700.")
    backup_period: float = setting(
        600.0, "How often ZooKeeper's data is backed up if it changed; 0secs: on demand only.", parse=duration
    )
    backup_max_age: float = setting(
        21_600.0, "Backups older than this are deleted, never the newest; 0secs: none.", parse=duration
    )
    cleanup_period: float = setting(
        3_600.0, "How often old snapshots and transaction logs are deleted; 0secs: never.", parse=duration
    )
    cleanup_max_files: int = setting(
        3, "So many whole snapshots stay, and the logs that they need.", parse=at_least_one
    )
