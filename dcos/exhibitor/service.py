"""dcos-exhibitor's shell: one lock, one supervised ZooKeeper, one REST API.

Exit codes: 3: another dcos-exhibitor has the state folder; 4: this node is not in the ensemble.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from dcos.exhibitor import backup_command
from dcos.exhibitor.activity import Activity
from dcos.exhibitor.api import About, Api, admits
from dcos.exhibitor.config import Config
from dcos.exhibitor.core import dynamic
from dcos.exhibitor.core.dynamic import bracketed
from dcos.exhibitor.core.ensemble import Dynamic, Ensemble, Member, Tls, ZooSettings, zoo_cfg
from dcos.exhibitor.explorer import Explorer
from dcos.exhibitor.membership import Membership
from dcos.exhibitor.relay import relay
from dcos.exhibitor.renewal import Renewal
from dcos.exhibitor.resizer import Resizer
from dcos.exhibitor.server import Launch, java_command
from dcos.exhibitor.state_folder import Taken, held
from dcos.exhibitor.supervisor import Plan, Supervisor
from dcos.exhibitor.upkeep import Schedule, Upkeep
from dcos.runtime import app as runtime
from dcos.runtime import http
from dcos.runtime.app import App, Exit
from dcos.runtime.clock import Clock
from dcos.runtime.net import detect_ip
from dcos.runtime.tls import own as own_identity

EXIT_LOCKED = 3
EXIT_NOT_A_MEMBER = 4
EXIT_TLS = 5


async def run(app: App[Config]) -> None:
    config = app.config
    ip = detect_ip(config.ip, config.ip_discovery_command)
    ensemble = config.static_ensemble or config.master_list or Ensemble((Member(1, ip),))
    own = ensemble.member(ip)
    if own is None:
        # Serving all the same would make a second, empty store.
        raise Exit(EXIT_NOT_A_MEMBER, f"{ip} is not in the ensemble {ensemble.spec}")
    state = app.layout.state / "exhibitor"
    with _folder_of_ours(state):
        settings = _settings(config, ip, state)
        activity = Activity(app.log, app.clock)
        membership = Membership(ensemble, own, state)
        about = About(
            own=own,
            ensemble=ensemble,
            settings=settings,
            port=config.port,
            check_period_s=config.check_period,
        )
        async with contextlib.AsyncExitStack() as stack:
            session = await stack.enter_async_context(http.session(timeout_s=10.0))
            explorer = Explorer(
                f"{bracketed(ip)}:{config.zk_client_port}", activity, may_change=config.node_modification
            )
            upkeep = Upkeep(_schedule(config, state), activity, app.clock)
            api = Api(about, membership, upkeep, explorer, activity, session)
            resizer = Resizer(membership, settings, api.ask, activity, config.resize_period)
            api.resizer = resizer
            await stack.enter_async_context(http.listen(api.application(), host=ip, port=config.port, admits=admits))
            await membership.begin(
                api.ask, app.clock, config.join_patience, waits=lambda: app.ready("asks the other masters")
            )
            own = membership.me
            supervisor = _supervisor(config, settings, membership, own, state, activity, app.clock)
            api.supervisor = supervisor
            if config.zk_loopback and not ip.startswith("127."):
                await stack.enter_async_context(relay("127.0.0.1", config.zk_client_port, ip, config.zk_client_port))
            if (identity := own_identity()) is not None:
                renewal = Renewal(app, identity, supervisor, ensemble, own, settings, config.renewal_turn)
                app.spawn(renewal.follow(), name="renewal")
            app.spawn(upkeep.run(), name="upkeep")
            app.spawn(resizer.run(), name="resizer")
            app.spawn(_tell_readiness(app, supervisor, ensemble), name="readiness")
            await supervisor.run()


async def _tell_readiness(app: App[Config], supervisor: Supervisor, ensemble: Ensemble) -> None:
    """A server alone is ready when it serves. In an ensemble it is ready when it answers, though it waits for a quorum:
    otherwise ``systemctl start`` on the first master would wait for the second one, which may be installed after it."""
    if ensemble.is_alone:
        await supervisor.serving()
        app.ready("ZooKeeper serves")
        return
    await supervisor.answering()
    app.ready("ZooKeeper runs, waiting for a quorum")
    await supervisor.serving()
    app.status("ZooKeeper serves")


def _settings(config: Config, ip: str, state: Path) -> ZooSettings:
    return ZooSettings(
        client_address=ip,
        client_port=config.zk_client_port,
        connect_port=config.zk_connect_port,
        election_port=config.zk_election_port,
        snapshot_dir=str(state / "zookeeper/snapshot"),
        transaction_dir=str(state / "zookeeper/transactions"),
        tick_ms=round(config.zk_tick_time * 1000),
        tls=_tls(),
    )


def _tls() -> Tls | None:
    """Errors: Exit: ZooKeeper wants key and certificate in one file, and its authorities."""
    identity = own_identity()
    if identity is None:
        return None
    given = identity.settings
    if given.certificate != given.key or given.authorities is None:
        raise Exit(EXIT_TLS, "LIBPROCESS_SSL_CERT_FILE and _KEY_FILE must be one file, and _CA_FILE be given")
    return Tls(str(given.certificate), str(given.authorities), identity.plain_too, identity.asks)


def _seeds(membership: Membership, settings: ZooSettings, own: Member) -> tuple[tuple[Path, str], ...]:
    """The configuration as it is now, for a ZooKeeper that starts now."""
    known = membership.current()
    assert known is not None  # it has begun
    version, text = dynamic.file_for(known, own, settings.connect_port, settings.election_port)
    file = membership.seed.with_name(f"{membership.seed.name}.{version:x}") if version else membership.seed
    return (
        (file, text),
        (membership.zoo_cfg, zoo_cfg(settings, Dynamic(str(file), membership.digest()))),
    )


def _supervisor(
    config: Config,
    settings: ZooSettings,
    membership: Membership,
    own: Member,
    state: Path,
    activity: Activity,
    clock: Clock,
) -> Supervisor:
    if membership.is_standalone:
        return Supervisor(_plan(config, settings, zoo_cfg(settings, None), own, state), activity, clock)
    text = zoo_cfg(settings, Dynamic(str(membership.seed), membership.digest()))
    plan = _plan(config, settings, text, own, state)
    return Supervisor(plan, activity, clock, seeds=lambda: _seeds(membership, settings, own))


def _plan(config: Config, settings: ZooSettings, text: str, own: Member, state: Path) -> Plan:
    zoo = state / "conf/zoo.cfg"
    argv = java_command(
        config.java,
        heap_mb=config.java_heap_mb,
        flags=config.java_flags,
        classpath=config.zk_classpath,
        log_level=config.zk_log_level,
        config=zoo,
    )
    texts = (
        (zoo, text),
        (Path(settings.snapshot_dir) / "myid", f"{own.id}\n"),
    )
    return Plan(
        launch=Launch(argv, state, texts),
        transactions=Path(settings.transaction_dir),
        pid_file=state / "zookeeper.pid",
        host=settings.client_address,
        port=settings.client_port,
        patience_s=settings.patience_s,
        check_period_s=config.check_period,
        check_timeout_s=config.check_timeout,
        stop_timeout_s=config.stop_timeout,
    )


@contextlib.contextmanager
def _folder_of_ours(state: Path) -> Iterator[None]:
    """Errors: Exit."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(state))
        except Taken as error:
            raise Exit(EXIT_LOCKED, str(error)) from error
        yield


def _schedule(config: Config, state: Path) -> Schedule:
    return Schedule(
        folder=config.backup_dir or state / "backups",
        backup_period_s=config.backup_period,
        backup_max_age_s=config.backup_max_age,
        cleanup_period_s=config.cleanup_period,
        keep=config.cleanup_max_files,
    )


def main() -> int:
    """``dcos-exhibitor [flags]``, ``dcos-exhibitor backup ...``."""
    if sys.argv[1:2] == ["backup"]:
        return backup_command.main(sys.argv[2:])
    return runtime.main("dcos-exhibitor", Config, run, prefix="EXHIBITOR_")
