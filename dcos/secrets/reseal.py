"""``dcos-secrets reseal``: all secrets are sealed with the first key of the file; run on one master, by hand."""

from __future__ import annotations

from dcos.runtime.app import App, Exit
from dcos.secrets import persist
from dcos.secrets.api import STORE
from dcos.secrets.config import Config
from dcos.store.base import StoreError
from dcos.store.resealing import reseal
from dcos.store.url import ZkUrl, credentials_in
from dcos.store.zookeeper import connect
from dcos.wire.sealing import SealingError, read_keys

_EXIT_FAILED = 4


async def run(app: App[Config]) -> None:
    """Errors: Exit."""
    config = app.config
    try:
        url, credentials = ZkUrl.parse(config.zk), credentials_in(config.zk_credentials_file)
        ring = read_keys(config.key_file.read_text(encoding="ascii"))
        store = await connect(
            url.hosts,
            chroot=url.path if url.path != "/" else "",
            session_timeout_s=config.zk_session_timeout,
            credentials=credentials,
            private=True,
        )
        try:
            names = await persist.names(store, STORE)
            done = await reseal(store, ring, [(persist.node(STORE, name), name) for name in names])
        finally:
            await store.close()
    except (ValueError, OSError, SealingError, StoreError) as error:
        raise Exit(_EXIT_FAILED, str(error) or repr(error)) from error
    print(f"{done.changed} secrets were sealed anew, {done.kept} had the newest key")
