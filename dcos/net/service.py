"""The shell of dcos-net: state in; names, forwarder and virtual IPs out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from dcos.client.cluster import ClusterFollower
from dcos.client.mesos import MesosMaster, redirecting
from dcos.model.cluster import ClusterState
from dcos.model.layout import Layout
from dcos.model.zone import Zone
from dcos.net import api, leaving, masters, metrics, passage, resolvconf, roster, watchdog
from dcos.net.balancer import Balancer
from dcos.net.config import PREFIX, BadFile, Config, read_files
from dcos.net.core import names, vips
from dcos.net.core.cache import Cache, LastGood
from dcos.net.core.following import Following
from dcos.net.core.names import Names, Node, Router
from dcos.net.core.vips import Addresses, Ranges, Vips
from dcos.net.forwarder import Forwarder
from dcos.net.namespaces import Kernel, Namespaces
from dcos.net.overlay import Overlay
from dcos.net.place import SPARTAN, place_of
from dcos.net.probes import Probes
from dcos.net.roster import Roster, Told
from dcos.net.suspects import Suspects
from dcos.runtime import app as shell
from dcos.runtime import dns as sockets
from dcos.runtime import heap, http, links, log
from dcos.runtime.addresses import has_ipv6, local_addresses
from dcos.runtime.app import App, Exit
from dcos.runtime.credentials import pair_of
from dcos.runtime.dns import Server
from dcos.runtime.net import detect_ip
from dcos.runtime.nft import Nft, why_not
from dcos.runtime.settings import load_or_exit
from dcos.store.detect import follow_leading_master
from dcos.store.shared import SharedSession
from dcos.store.url import ZkUrl
from dcos.store.zookeeper import connect_url
from dcos.wire import envfile

_BINDALL_EVERY_S = 30.0
_FEW = 100
"""Changed tasks that are not worth a thread."""
_MANY = 5000
"""Changed tasks whose change takes memory that is worth giving back."""
_KEY_EVERY_S = 5.0
_LAST_GOOD = 10_000
"""Questions whose last good answer is remembered."""
_SLICE_S = 0.0005
"""Seconds of work on names between two looks at the sockets."""


class Net:
    """What the node knows now, and everything made from it."""

    def __init__(
        self,
        app: App[Config],
        node: Node,
        ranges: Ranges,
        names_: Names,
        forwarder: Forwarder,
        balance: Balancer | None,
        probes: Probes | None = None,
        spaces: Namespaces | None = None,
    ) -> None:
        self.roster = Roster(node.ip, self._public_ips, app.clock.now)
        self.zk = SharedSession(lambda: connect_url(ZkUrl.parse(app.config.zk)))
        self.version = metadata.version("dcos")
        self.node = node
        self.state = ClusterState()
        self.state_at = app.clock.now()
        self.left: dict[str, float] = {}
        """Addresses that had an agent and when they lost it, Unix seconds."""
        self.vips = Vips({}, ())
        self._names = names_
        self._app = app
        self.forwarder = forwarder
        self._balance = balance
        self.overlay: Overlay | None = None
        self._following = Following(ranges, node.ip, ipv6=_vips_of_ipv6(app.config))
        self.cluster_key = ""
        self._given = Addresses({}, {})
        self._silent: frozenset[str] = frozenset()
        self._probes = probes
        self.suspects = Suspects(probes.suspect if probes is not None else lambda _: None)
        self._spaces = spaces
        self._probed: frozenset[str] = frozenset()
        self._lock = asyncio.Lock()
        self._complained: set[vips.BadLabel] = set()

    async def _public_ips(self) -> tuple[str, ...]:
        """What they are now, also for the names that are answered."""
        config = self._app.config
        found = config.public_ips
        if not found:
            found = await roster.detect_public_ips(
                config.public_ip_command or self._app.layout.bin / "detect_ip_public"
            )
        if found != self.node.public_ips:
            self.node = replace(self.node, public_ips=found)
            self._names.move(self.node)
            self.forwarder.forget(self._names.touched())
        return found

    async def know_masters(self, ips: tuple[str, ...]) -> None:
        """They are others than before."""
        async with self._lock:
            self.node = replace(self.node, masters=ips)
            self._names.move(self.node)
            self.forwarder.forget(self._names.touched())
            self.forwarder.ask(names.MESOS, _mesos_dns(self._app.config, ips))
            if self.overlay is not None:
                self.overlay.masters = frozenset(ips)
            await self._take(self.state)

    async def nodes(self, *, force: bool) -> Mapping[str, Told]:
        """What all nodes tell of themselves."""
        return await self.roster.shown(force=force)

    async def take(self, state: ClusterState) -> None:
        """The kernel first, then the names: who looks a virtual IP up can connect to it."""
        async with self._lock:
            await self._take(state)

    async def follow_silent(self, probes: Probes) -> None:
        """Leave agents out as soon as they no longer answer, for ever."""
        async for silent in probes.changes():
            self._silent = silent
            self.suspects.find(silent)
            await self.take(self.state)

    async def _take(self, state: ClusterState) -> None:
        with_vips = self._with_vips(state)
        if with_vips.changed is not None and len(with_vips.changed.tasks) < _FEW:
            made = self._following.take(with_vips, self._silent)
        else:
            made = await asyncio.to_thread(self._following.take, with_vips, self._silent)
        found, given = made.vips, made.addresses
        if self._probes is not None and made.agents != self._probed:
            self._probed = made.agents
            self._probes.watch(made.agents)
        if self._balance is not None and state.revision:
            hosts = {agent.ip for agent in state.agents.values()} | {self.node.ip, *self.node.masters}
            await self._balance.want(made.services, hosts, made.changed, made.lost)
            if self._spaces is not None:
                await self._spaces.want(made.services, hosts, made.changed, made.lost)
        await self._name(state, given)
        if with_vips.changed is None or len(with_vips.changed.tasks) > _MANY:
            heap.give_back()
        self.vips, self._given = found, given
        self._see_who_left(state)
        self.state, self.state_at = state, self._app.clock.now()
        for bad in found.bad:
            if bad not in self._complained:
                self._app.log.warning("bad_vip_label", task=bad.task_id, label=bad.label, rule=bad.rule)
        self._complained = set(found.bad)

    def _see_who_left(self, state: ClusterState) -> None:
        if state.agents is self.state.agents:
            return
        before, now = ({agent.ip for agent in one.agents.values() if agent.reachable} for one in (self.state, state))
        self.left |= dict.fromkeys(before - now, self._app.clock.now())
        self.left = {ip: at for ip, at in self.left.items() if ip not in now}

    async def _name(self, state: ClusterState, given: Addresses) -> None:
        """Others get their turn every few milliseconds, however much has changed."""
        clock = self._app.clock
        until = clock.monotonic() + _SLICE_S
        for _ in self._names.steps(state, given):
            if clock.monotonic() >= until:
                self.forwarder.forget(self._names.touched())
                await asyncio.sleep(0)
                until = clock.monotonic() + _SLICE_S
        self.forwarder.forget(self._names.touched())

    @property
    def zones(self) -> tuple[Zone, ...]:
        return self._names.zones

    def _with_vips(self, state: ClusterState) -> ClusterState:
        return state if self._app.config.enable_lb else ClusterState()

    def metrics(self) -> str:
        """Prometheus text."""
        return metrics.service_text(
            self.forwarder.counts,
            self.vips,
            self._balance,
            self.state,
            len(self._silent),
            self.overlay,
            len(self._spaces) if self._spaces is not None else 0,
        )

    async def vip_metrics(self) -> str:
        """Prometheus text with lines for each VIP; reads them from the kernel."""
        counts = await self._balance.counts() if self._balance is not None else {}
        return metrics.vip_text(counts, self.vips, self._given)


def _vips_of_ipv6(config: Config) -> bool:
    return config.enable_ipv6 and config.l4lb_enable_ipv6


def _host_port(text: str) -> tuple[str, int]:
    """``host`` or ``host:port`` of a master."""
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else (text, 5050)


def _listed_masters(config: Config) -> tuple[str, ...]:
    """Addresses of the masters. Where they are not configured, the ZooKeeper servers: they are on the masters. None where
    an Exhibitor is to say."""
    if config.master_source != masters.LIST:
        return ()
    listed = config.master_list or (ZkUrl.parse(config.zk).hosts if config.zk else ())
    return tuple(dict.fromkeys(_host_port(text)[0] for text in listed))


def _mesos_dns(config: Config, masters: tuple[str, ...]) -> list[Server]:
    return [Server(ip, config.mesos_dns_port) for ip in masters]


def _groups(config: Config, masters: tuple[str, ...]) -> dict[str, list[Server]]:
    own = set(config.dns_bind)
    groups = {apex: list(found) for apex, found in config.forward_zones}
    groups[names.MESOS] = _mesos_dns(config, masters)
    groups[names.UPSTREAM] = [server for server in config.resolvers if (server.host, server.port) not in own]
    return groups


async def _bind_all(app: App[Config], forwarder: Forwarder, taken: set[str]) -> None:
    """Answer on every other address of this machine, for as long as the machine has it."""
    config = app.config
    never = {*config.bind_ip_reserved, *config.bind_ip_blacklist, *taken}
    bound: dict[str, contextlib.AsyncExitStack] = {}
    try:
        while True:
            wanted = set(local_addresses(loopback=True))
            if config.enable_ipv6:
                wanted |= set(local_addresses(loopback=True, version=6))
            wanted -= never
            for ip in set(bound) - wanted:
                await bound.pop(ip).aclose()
            for ip in wanted - set(bound):
                stack = contextlib.AsyncExitStack()
                try:
                    await stack.enter_async_context(sockets.serve(forwarder.answer, ip, 53))
                except OSError as error:
                    app.log.warning("bind_failed", address=ip, error=str(error))
                    never.add(ip)
                    continue
                bound[ip] = stack
            await asyncio.sleep(_BINDALL_EVERY_S)
    finally:
        for stack in bound.values():
            await stack.aclose()


async def _learn_key(app: App[Config], forwarder: Forwarder, router: Router, net: Net) -> None:
    """The cluster's id comes to be while this service runs: nodes agree on it through ZooKeeper."""
    file = app.config.cluster_id_file or app.layout.cluster_id
    while True:
        with contextlib.suppress(OSError, UnicodeError):
            cluster_id = file.read_text(encoding="utf-8").strip()
            if cluster_id:
                net.cluster_key = names.cluster_key(cluster_id)
                forwarder.reroute(replace(router, cluster_key=net.cluster_key))
                return
        await asyncio.sleep(_KEY_EVERY_S)


async def _follow(app: App[Config], follower: ClusterFollower, net: Net) -> None:
    async for state in follower.changes():
        before = app.clock.monotonic()
        await net.take(state)
        app.status(f"{len(net.vips.backends)} virtual IPs, {len(state.tasks)} tasks")
        await asyncio.sleep(min(app.clock.monotonic() - before, 0.5))  # at most half of a core, however much changes


async def _prepare_network(app: App[Config], addresses: list[str]) -> None:
    config = app.config
    try:
        there = {*local_addresses(loopback=True), *local_addresses(loopback=True, version=6)}
        await links.ensure_device(SPARTAN, [host for host in addresses if host not in there])
        if (config.enable_lb or config.overlay_enable) and links.enable_forwarding():
            app.log.info("forwarding_enabled")
    except links.LinkError as error:
        raise Exit(1, f"{error}; needs CAP_NET_ADMIN, or --no-manage_network") from error
    except OSError as error:
        app.log.warning("forwarding_not_enabled", error=str(error))


async def _keep_bridges_passing(app: App[Config]) -> None:
    """For ever: somebody may begin to filter at any time."""
    rules = passage.of_bridges(app.config.bridge_subnets)
    while True:
        try:
            if await passage.let_pass(passage.BRIDGES, rules):
                app.log.info("passage_made", chain=passage.BRIDGES.name)
        except links.LinkError as error:
            app.log.warning("no_passage", chain=passage.BRIDGES.name, error=str(error))
        await asyncio.sleep(app.config.repair_interval)


def _balancer(app: App[Config], node_ip: str, ranges: Ranges) -> Balancer | None:
    config = app.config
    if not config.enable_lb or not (config.manage_network or config.loopback_cluster):
        app.log.info("no_virtual_ips", manage_network=config.manage_network, enable_lb=config.enable_lb)
        return None
    missing = why_not()
    if missing:
        raise Exit(1, f"{missing}; or --no-enable_lb")
    return Balancer(
        Nft(),
        ranges,
        node_ip=node_ip,
        versions=(4, 6) if _vips_of_ipv6(config) else (4,),
        place=place_of(config.loopback_cluster),
    )


def _namespaces(app: App[Config], node_ip: str, ranges: Ranges) -> Namespaces | None:
    """None where nodes are loopback addresses: then containers are not theirs alone."""
    config = app.config
    if config.loopback_cluster:
        return None
    kernel = Kernel(ranges, node_ip, (4, 6) if _vips_of_ipv6(config) else (4,))
    return Namespaces(config.l4lb_cni_dir, kernel, repair_s=config.repair_interval, clock=app.clock.monotonic)


def _probes(app: App[Config], own: str) -> Probes | None:
    """None where they are not allowed: then agents are left out when the master gives them up."""
    try:
        return Probes(app.clock.monotonic, own)
    except OSError as error:
        app.log.warning("no_probes", error=str(error), needs="CAP_NET_RAW")
        return None


def _overlay(config: Config, ip: str, masters: tuple[str, ...]) -> Overlay | None:
    """Masters are part of it, so that they reach containers; they have no containers themselves."""
    if not config.overlay_enable or not config.manage_network:
        return None
    if config.overlay_network is None or not config.zk:
        raise Exit(2, "overlay_enable: give --overlay_network and --zk as well")
    return Overlay(
        replace(config.overlay_network, mtu=min(config.overlay_network.mtu, config.overlay_mtu)),
        ip,
        bridges=ip not in masters,
        masters=masters,
        ipv6=config.enable_ipv6 and links.has_ipv6(),
        configs=config.cni_config_dir,
        data_dir=config.cni_data_dir,
    )


async def _ask_for_masters(app: App[Config], net: Net, url: str, places: list[tuple[str, int]]) -> None:
    """Keep ``places``, where a leader is asked for, and all else up to date with what Exhibitor says. Whether this node is one
    of the masters counts as it was at first: it does not change as long as a machine is installed."""
    first = True
    async for ips in masters.asked(url, app.config.exhibitor_interval):
        places[:] = [(ip, 5050) for ip in ips]
        await net.know_masters(ips)
        if first:
            _be_of_a_role(app, net)
        first = False


def _be_of_a_role(app: App[Config], net: Net) -> None:
    """Begin with what depends on whether this node is a master."""
    config, node = app.config, net.node
    is_master = node.ip in node.masters
    if config.manage_network and config.bridge_subnets and not is_master:
        app.spawn(_keep_bridges_passing(app), name="bridges")
    if config.master_dns_bindall and config.manage_network and is_master:
        app.spawn(_bind_all(app, net.forwarder, {host for host, _ in config.dns_bind}), name="bind all")
    net.overlay = _overlay(config, node.ip, node.masters)
    if net.overlay is not None:
        app.spawn(net.overlay.run(net.zk, config.repair_interval), name="overlay")


def _where_masters_are_told(config: Config) -> str | None:
    """An Exhibitor's URL; None: a list says who they are."""
    try:
        url = masters.exhibitor_url(config.master_source, config.exhibitor_address, config.exhibitor_uri)
    except ValueError as error:
        raise Exit(2, str(error)) from None
    if url is None and not config.zk and not config.master_list:
        raise Exit(2, "zk: give --zk or --master_list, or no leader can be found")
    return url


async def run(app: App[Config]) -> None:
    heap.use_one_arena()
    config = app.config
    exhibitor = _where_masters_are_told(config)
    ip = detect_ip(config.ip, config.ip_discovery_command)
    node = Node(ip=ip, public_ips=config.public_ips, masters=_listed_masters(config))
    binds = [(host, port) for host, port in config.dns_bind if ":" not in host or (config.enable_ipv6 and has_ipv6())]
    if config.manage_network:
        await _prepare_network(app, [host for host, _ in binds])
    own = Names(node, health_aware=config.dns_health_aware)
    router = names.router(own.zones, [apex for apex, _ in config.forward_zones])
    forwarder = Forwarder(
        router,
        _groups(config, node.masters),
        timeout_s=config.upstream_timeout,
        cache=Cache(config.dns_cache_size),
        last_good=LastGood(_LAST_GOOD, config.dns_stale),
        monotonic=app.clock.monotonic,
    )
    heap.freeze_survivors()
    ranges = Ranges(
        min4=config.min_named_ip, max4=config.max_named_ip, min6=config.min_named_ip6, max6=config.max_named_ip6
    )
    balance = _balancer(app, ip, ranges)
    spaces = _namespaces(app, ip, ranges) if balance is not None else None
    probes = _probes(app, ip) if balance is not None and not config.loopback_cluster else None
    net = Net(app, node, ranges, own, forwarder, balance, probes, spaces)
    await net.take(ClusterState())
    places = [_host_port(text) for text in config.master_list] if exhibitor is None else []
    detect = follow_leading_master(ZkUrl.parse(config.zk), rng=app.rng) if config.zk else redirecting(places)
    async with contextlib.AsyncExitStack() as stack:
        if balance is not None:
            stack.callback(balance.end)
        for host, port in binds:
            await stack.enter_async_context(sockets.serve(forwarder.answer, host, port))
        await net.roster.look()
        if config.zk:
            stack.push_async_callback(net.zk.close)
            app.spawn(net.roster.run(net.zk), name="roster")
        if config.rest_port:
            await stack.enter_async_context(
                http.listen(api.application(net), host=config.rest_bind, port=config.rest_port)
            )
        if exhibitor is None:
            _be_of_a_role(app, net)
        else:
            app.spawn(_ask_for_masters(app, net, exhibitor, places), name="masters")
        app.spawn(_learn_key(app, forwarder, router, net), name="cluster key")
        every_s = watchdog.interval_s()
        if every_s is not None and binds:
            app.spawn(watchdog.watch([Server(*one) for one in binds], every_s, check=config.watchdog), name="watchdog")
        master = await stack.enter_async_context(
            MesosMaster(detect, credential=pair_of(config.mesos_credential, app.log))
        )
        follower = ClusterFollower(master, rng=app.rng, poll_s=config.poll_interval)
        app.spawn(follower.run(), name="cluster")
        app.spawn(_follow(app, follower, net), name="net")
        if balance is not None:
            app.spawn(balance.keep_repaired(config.repair_interval), name="repair")
        if spaces is not None:
            app.spawn(spaces.run(), name="namespaces")
        if probes is not None:
            app.spawn(net.follow_silent(probes), name="liveness")
            if config.zk:
                app.spawn(net.suspects.run(net.zk), name="suspects")
        app.log.info("listening", dns=",".join(f"{host}:{port}" for host, port in binds), ip=ip)
        app.ready("forwarding")
        await asyncio.get_running_loop().create_future()  # until cancelled


def _take_settings(file: Path) -> None:
    """Those that the service has from systemd, for a person who runs a command of it."""
    with contextlib.suppress(OSError, UnicodeError):
        for variable, value in envfile.parse(file.read_text(encoding="utf-8")).items():
            os.environ.setdefault(variable, value)


def main() -> int:
    """``dcos-net [flags]``, ``gen-resolvconf [flags]``, ``cleanup [flags]``, ``release ADDRESS [flags]``."""
    argv = sys.argv[1:]
    try:
        read_files(Layout.from_environ(os.environ).etc)
    except BadFile as error:
        print(f"dcos-net: {error}", file=sys.stderr)
        return 2
    if argv[:1] in (["cleanup"], ["release"]):
        _take_settings(Layout.from_environ(os.environ).etc / "dcos_net")
    if argv[:1] == ["gen-resolvconf"]:
        return resolvconf.main(argv[1:])
    if argv[:1] == ["cleanup"]:
        log.configure()
        config = load_or_exit(Config, argv[1:], os.environ, prefix=PREFIX, prog="dcos-net cleanup")
        return asyncio.run(leaving.cleanup(config))
    if argv[:1] == ["release"]:
        log.configure()
        if len(argv) < 2 or not vips.is_address(argv[1]):
            print("dcos-net release: give the address of a node that is gone for good", file=sys.stderr)
            return 2
        config = load_or_exit(Config, argv[2:], os.environ, prefix=PREFIX, prog="dcos-net release")
        return asyncio.run(leaving.release(config, argv[1]))
    return shell.main("dcos-net", Config, run, prefix=PREFIX, argv=argv)
