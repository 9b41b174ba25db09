"""What is left to do when dcos-net, or its node, goes for good."""

from __future__ import annotations

import sys

from dcos.net import balancer, leases, namespaces, overlay, passage, roster
from dcos.net.config import Config
from dcos.net.place import SPARTAN, place_of
from dcos.runtime import links
from dcos.runtime.nft import Nft, NftError
from dcos.store.base import StoreError
from dcos.store.url import ZkUrl
from dcos.store.zookeeper import connect_url


async def cleanup(config: Config) -> int:
    place = place_of(config.loopback_cluster)
    try:
        await balancer.remove(Nft(), place)
        if not place.shared:
            await namespaces.remove(config.l4lb_cni_dir)
            await passage.remove()
            await links.remove_device(SPARTAN)
        if config.overlay_network is not None:
            await overlay.remove(config.overlay_network, config.cni_config_dir)
    except (NftError, links.LinkError) as error:
        print(f"dcos-net cleanup: {error}", file=sys.stderr)
        return 1
    return 0


async def release(config: Config, ip: str) -> int:
    """Give back the overlay's number of a node that is gone for good."""
    try:
        store = await connect_url(ZkUrl.parse(config.zk))
        try:
            given_back = await leases.release(store, ip)
            await roster.release(store, ip)
        finally:
            await store.close()
    except (StoreError, ValueError) as error:
        print(f"dcos-net release: {error}", file=sys.stderr)
        return 1
    print(f"{ip}: {'gave back ' + ', '.join(map(str, given_back)) if given_back else 'had no number'}")
    return 0
