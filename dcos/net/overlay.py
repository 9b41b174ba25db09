"""The overlay in the kernel of this node: tunnel device, neighbours, routes, masquerading, networks of both container engines.

The node's number is taken from ZooKeeper once and kept (``leases``). All that is made here stays at the end of the process, so
containers go on talking while this service is restarted; ``remove`` is for when it goes for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dcos.model.overlay import Settings
from dcos.net import leases
from dcos.net.core import overlay, overlay_state, policy
from dcos.net.core.overlay import DEVICE, PORT, TABLE, VNI
from dcos.net.core.overlay_state import Report
from dcos.net.vxlan import add_device, change, change_rules, rules_of, tunnels_of
from dcos.runtime import links
from dcos.runtime.files import write_atomic
from dcos.runtime.log import get_logger
from dcos.runtime.nft import Nft, NftError
from dcos.store.base import Store, StoreError
from dcos.store.shared import SharedSession

_RETRY_S = 5.0
_DOCKER_S = 30.0


class OverlayError(Exception):
    """The overlay cannot be made as it should: says what and why."""


class Overlay:
    """One node's. ``bridges``: containers run here; ``configs``: folder of CNI networks; ``docker``: socket of the Engine."""

    def __init__(
        self,
        settings: Settings,
        node_ip: str,
        *,
        bridges: bool,
        masters: Collection[str] = (),
        ipv6: bool = True,
        configs: Path,
        data_dir: str,
        docker: Path = Path("/run/docker.sock"),
    ) -> None:
        self.number: int | None = None
        self.nodes: Mapping[int, str] = {}
        self.failures = 0
        self.error = ""
        """What could not be made the last time."""
        self._store: Store | None = None
        self.masters = frozenset(masters)
        self._whole = settings
        self._settings = settings if ipv6 else settings.without_ipv6()
        """What is made here."""
        self._node_ip = node_ip
        self._bridges = bridges
        self._configs = configs
        self._data_dir = data_dir
        self._docker = docker
        self._nft = Nft()
        self._lock = asyncio.Lock()
        self._log = get_logger("overlay")

    async def run(self, zk: SharedSession, repair_s: float) -> None:
        """For ever: take a number, follow the others, repair."""
        repairing = asyncio.create_task(self._keep_repaired(repair_s))
        try:
            while True:
                try:
                    await self._session(zk)
                except (StoreError, leases.Full) as error:
                    self._log.warning("no_leases", error=f"{type(error).__name__} {error}")
                await asyncio.sleep(_RETRY_S)
        finally:
            repairing.cancel()

    async def _session(self, zk: SharedSession) -> None:
        async with zk.borrow() as store:
            try:
                number = await leases.take(store, self._node_ip, self._whole.capacity)
                self._store = store
                async for nodes in leases.follow(store):
                    if nodes.get(number) != self._node_ip:
                        return  # given back by an operator, or the tree is not there yet: ask again
                    await self.apply(number, nodes)
                    await leases.report(store, number, self._report())
            finally:
                self._store = None

    def _report(self) -> Report:
        return Report(self._node_ip, self.error)

    async def cluster_state(self) -> dict[str, Any] | None:
        """What ``/overlay-master/state`` shows; None while ZooKeeper does not tell."""
        if self._store is None:
            return None
        try:
            nodes = await leases.reports(self._store)
        except StoreError:
            return None
        return overlay_state.cluster_state(self._whole, nodes, self.masters)

    def node_state(self) -> dict[str, Any]:
        """What ``/overlay-agent/overlay`` shows; no networks as long as there is no number."""
        if self.number is None:
            return {"ip": self._node_ip, "overlays": []}
        return overlay_state.node_state(self._settings, self.number, self._report(), bridges=self._bridges)

    async def _keep_repaired(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            if self.number is not None:
                before = self.error
                await self.apply(self.number, self.nodes)
                if self.error != before and self._store is not None:
                    with contextlib.suppress(StoreError):  # the next session says it again
                        await leases.report(self._store, self.number, self._report())

    async def apply(self, number: int, nodes: Mapping[int, str]) -> None:
        """Make the kernel know ``nodes``; what it already knows is not touched. Failures are logged and tried again later."""
        async with self._lock:
            self.number, self.nodes = number, nodes
            try:
                await self._device(number)
                wanted = overlay.tunnels(self._settings, number, nodes)
                ip, fdb = overlay.changes(wanted, await tunnels_of(DEVICE, TABLE))
                await change(ip, fdb)
                table = policy.table(self._settings, overlay.place(self._settings, number))
                if not policy.is_whole(await self._nft.objects("inet", policy.TABLE), table):
                    await self._nft.apply(table)
                if self._bridges:
                    await self._networks(number)
                self.error = ""
            except (links.LinkError, NftError, OverlayError, OSError) as error:
                self.failures += 1
                self.error = str(error)[:1000]
                self._log.error("apply_failed", error=str(error))

    async def _device(self, number: int) -> None:
        own = overlay.place(self._settings, number)
        addresses = [f"{own.vtep_ip}/{self._settings.vtep_subnet.prefixlen}"]
        if self._settings.ipv6 and self._settings.vtep_subnet6 is not None:
            addresses.append(f"{own.vtep_ip6}/{self._settings.vtep_subnet6.prefixlen}")
            if links.enable_forwarding(6):
                self._log.info("forwarding_enabled", version=6)
        if await add_device(
            DEVICE,
            vni=VNI,
            port=PORT,
            local=self._node_ip,
            mac=own.vtep_mac,
            addresses=addresses,
            mtu=self._settings.mtu,
        ):
            self._log.info("device_made", number=number, address=str(own.vtep_ip))
        present = await rules_of(TABLE)
        subnets = [str(one) for one in self._settings.subnets]
        await change_rules("add", [one for one in subnets if one not in present], TABLE)
        await _accept_forwarding(subnets)

    async def _networks(self, number: int) -> None:
        """The files that agents read, and the Engine's networks."""
        for part in overlay.place(self._settings, number).parts:
            text = msgspec.json.format(
                msgspec.json.encode(overlay.cni_config(part, self._settings.mtu, self._data_dir)), indent=2
            )
            path = self._configs / f"{part.name}.conf"
            if not path.exists() or path.read_bytes() != text:
                self._configs.mkdir(parents=True, exist_ok=True)
                write_atomic(path, text, mode=0o644)
            if self._docker.exists():
                await self._docker_network(part)

    async def _docker_network(self, part: overlay.Part) -> None:
        """Make it unless there is one of the name.   Errors: OverlayError."""
        name = part.name
        try:
            async with (
                asyncio.timeout(_DOCKER_S),
                aiohttp.ClientSession("http://docker", connector=aiohttp.UnixConnector(str(self._docker))) as session,
            ):
                async with session.get(f"/networks/{name}") as answer:
                    if answer.status == 200:
                        return
                async with session.get("/version") as answer:
                    told = msgspec.json.decode(await answer.read(), type=dict[str, object])
                wanted = overlay.docker_network(part, self._settings.mtu, api_version(str(told.get("ApiVersion"))))
                async with session.post("/networks/create", json=wanted) as answer:
                    if answer.status != 201:
                        raise OverlayError(f"Docker network {name}: {(await answer.text()).strip()[:500]}")
        except (aiohttp.ClientError, msgspec.MsgspecError, TimeoutError) as error:
            raise OverlayError(f"Docker network {name}: {error or 'the Engine does not answer'}") from error
        self._log.info("docker_network_made", name=name)

    def metrics(self) -> list[tuple[str, str, str, int]]:
        """Name, type, help, value."""
        return [
            ("overlay_nodes", "gauge", "Nodes of the overlay.", len(self.nodes)),
            ("overlay_failures_total", "counter", "Changes of the overlay that failed.", self.failures),
        ]


def api_version(text: str) -> tuple[int, int]:
    """``1.48`` as numbers; (0, 0) where it is not one."""
    first, _, second = text.partition(".")
    return (int(first), int(second)) if first.isdigit() and second.isdigit() else (0, 0)


def _forwarding_rules(subnets: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Program and rule for what comes from and goes to the overlays; nothing where there are no iptables."""
    for subnet in subnets:
        program = "ip6tables" if ":" in subnet else "iptables"
        for side in ("-s", "-d") if shutil.which(program) else ():
            yield program, ["FORWARD", side, subnet, "-m", "comment", "--comment", "dcos overlay", "-j", "ACCEPT"]


async def _accept_forwarding(subnets: Iterable[str]) -> None:
    """Docker's filter drops what is routed between other networks."""
    for program, rule in _forwarding_rules(subnets):
        if not (await links.program(program, "-w", "-C", *rule)).ok:
            made = await links.program(program, "-w", "-I", *rule)
            if not made.ok:
                raise OverlayError(f"{program} FORWARD: {made.stderr.decode(errors='replace').strip()}")


async def remove(settings: Settings, configs: Path) -> None:
    """Take the overlay out of this node; Docker networks that containers use stay.   Errors: LinkError, NftError."""
    for program, rule in _forwarding_rules(map(str, settings.subnets)):
        await links.program(program, "-w", "-D", *rule)
    for one in settings.overlays:
        (configs / f"{one.name}.conf").unlink(missing_ok=True)
        if shutil.which("docker"):
            await links.program("docker", "network", "rm", one.name)
        await links.remove_device(f"m-{one.name}")
    await change_rules("del", await rules_of(TABLE), TABLE)
    await links.remove_device(DEVICE)
    await Nft().apply(policy.removal())
