"""The overlay in the kernel of this node: tunnel device, neighbours, routes, masquerading, networks of both container engines.

The node's number is taken from ZooKeeper once and kept (``leases``). All that is made here stays at the end of the process, so
containers go on talking while this service is restarted; ``remove`` is for when it goes for good.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec

from dcos.model.overlay import Settings
from dcos.net import leases
from dcos.net.core import overlay
from dcos.net.core.overlay import DEVICE, NFT_TABLE, PORT, TABLE, VNI
from dcos.net.vxlan import add_device, change, rules_of, tunnels_of
from dcos.runtime import links
from dcos.runtime.files import write_atomic
from dcos.runtime.log import get_logger
from dcos.runtime.nft import Nft, NftError
from dcos.store.base import StoreError
from dcos.store.url import ZkUrl
from dcos.store.zookeeper import connect_url

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
        configs: Path,
        data_dir: str,
        docker: Path = Path("/run/docker.sock"),
    ) -> None:
        self.number: int | None = None
        self.nodes: Mapping[int, str] = {}
        self.failures = 0
        self._settings = settings
        self._node_ip = node_ip
        self._bridges = bridges
        self._configs = configs
        self._data_dir = data_dir
        self._docker = docker
        self._nft = Nft()
        self._lock = asyncio.Lock()
        self._log = get_logger("overlay")

    async def run(self, zk: ZkUrl, repair_s: float) -> None:
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

    async def _session(self, zk: ZkUrl) -> None:
        store = await connect_url(zk)
        try:
            number = await leases.take(store, self._node_ip, self._settings.capacity)
            async for nodes in leases.follow(store):
                if nodes.get(number) != self._node_ip:
                    return  # given back by an operator, or the tree is not there yet: ask again
                await self.apply(number, nodes)
        finally:
            await store.close()

    async def _keep_repaired(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            if self.number is not None:
                await self.apply(self.number, self.nodes)

    async def apply(self, number: int, nodes: Mapping[int, str]) -> None:
        """Make the kernel know ``nodes``; what it already knows is not touched. Failures are logged and tried again later."""
        async with self._lock:
            self.number, self.nodes = number, nodes
            try:
                await self._device(number)
                wanted = overlay.tunnels(self._settings, number, nodes)
                ip, fdb = overlay.changes(wanted, await tunnels_of(DEVICE, TABLE))
                await change(ip, fdb)
                if await self._nft.objects("ip", NFT_TABLE) is None:
                    await self._nft.apply(overlay.nft_table(self._settings, overlay.place(self._settings, number)))
                if self._bridges:
                    await self._networks(number)
            except (links.LinkError, NftError, OverlayError, OSError) as error:
                self.failures += 1
                self._log.error("apply_failed", error=str(error))

    async def _device(self, number: int) -> None:
        own = overlay.place(self._settings, number)
        length = self._settings.vtep_subnet.prefixlen
        if await add_device(
            DEVICE,
            vni=VNI,
            port=PORT,
            local=self._node_ip,
            mac=own.vtep_mac,
            address=f"{own.vtep_ip}/{length}",
            mtu=self._settings.mtu,
        ):
            self._log.info("device_made", number=number, address=str(own.vtep_ip))
        present = await rules_of(TABLE)
        missing = [one for each in self._settings.overlays if (one := str(each.subnet)) not in present]
        await change([f"rule add to {one} lookup {TABLE}" for one in missing], [])
        await _accept_forwarding([str(one.subnet) for one in self._settings.overlays])

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
                await self._docker_network(overlay.docker_network(part, self._settings.mtu))

    async def _docker_network(self, wanted: Mapping[str, object]) -> None:
        """Make it unless there is one of the name.   Errors: OverlayError."""
        name = wanted["Name"]
        try:
            async with (
                asyncio.timeout(_DOCKER_S),
                aiohttp.ClientSession("http://docker", connector=aiohttp.UnixConnector(str(self._docker))) as session,
            ):
                async with session.get(f"/networks/{name}") as answer:
                    if answer.status == 200:
                        return
                async with session.post("/networks/create", json=wanted) as answer:
                    if answer.status != 201:
                        raise OverlayError(f"Docker network {name}: {(await answer.text()).strip()[:500]}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OverlayError(f"Docker network {name}: {error or 'the Engine does not answer'}") from error
        self._log.info("docker_network_made", name=name)

    def metrics(self) -> list[tuple[str, str, str, int]]:
        """Name, type, help, value."""
        return [
            ("overlay_nodes", "gauge", "Nodes of the overlay.", len(self.nodes)),
            ("overlay_failures_total", "counter", "Changes of the overlay that failed.", self.failures),
        ]


async def _accept_forwarding(subnets: list[str]) -> None:
    """Docker's filter drops what is routed between other networks; nothing to do where there are no iptables."""
    if shutil.which("iptables") is None:
        return
    for subnet in subnets:
        for side in ("-s", "-d"):
            rule = ["FORWARD", side, subnet, "-m", "comment", "--comment", "dcos overlay", "-j", "ACCEPT"]
            if not (await links.program("iptables", "-w", "-C", *rule)).ok:
                made = await links.program("iptables", "-w", "-I", *rule)
                if not made.ok:
                    raise OverlayError(f"iptables FORWARD: {made.stderr.decode(errors='replace').strip()}")


async def remove(settings: Settings, configs: Path) -> None:
    """Take the overlay out of this node; Docker networks that containers use stay.   Errors: LinkError, NftError."""
    for one in settings.overlays:
        (configs / f"{one.name}.conf").unlink(missing_ok=True)
        for side in ("-s", "-d") if shutil.which("iptables") else ():
            rule = ["FORWARD", side, str(one.subnet), "-m", "comment", "--comment", "dcos overlay", "-j", "ACCEPT"]
            await links.program("iptables", "-w", "-D", *rule)
        if shutil.which("docker"):
            await links.program("docker", "network", "rm", one.name)
        await links.remove_device(f"m-{one.name}")
    present = await rules_of(TABLE)
    await change([f"rule del to {one} lookup {TABLE}" for one in sorted(present)], [])
    await links.remove_device(DEVICE)
    await Nft().apply(f"add table ip {NFT_TABLE}\ndelete table ip {NFT_TABLE}\n")
