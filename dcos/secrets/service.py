"""dcos-secrets: keeps a session with ZooKeeper, serves the API.

Ready when ZooKeeper has answered once. While it does not, everything answers 503; a lost session is followed by a new one.
"""

from __future__ import annotations

import asyncio
import os
import sys

from dcos.client.authority import Authority
from dcos.client.token_keys import Keys
from dcos.runtime import app as runtime
from dcos.runtime import http
from dcos.runtime.app import App, Exit
from dcos.secrets import persist, reseal
from dcos.secrets.api import STORE, Vault, application
from dcos.secrets.config import Config
from dcos.store.base import Disconnected, SessionLost
from dcos.store.url import ZkUrl, credentials_in
from dcos.store.zookeeper import connect
from dcos.wire.sealing import SealingError, read_keys

_EXIT_BAD_INPUT = 3
"""A file cannot be used: starting again does not help."""
_RETRY_S = 1.0


async def run(app: App[Config]) -> None:
    config = app.config
    try:
        url = ZkUrl.parse(config.zk)
        credentials = credentials_in(config.zk_credentials_file)
        ring = read_keys(config.key_file.read_text(encoding="ascii"))
    except (ValueError, OSError, SealingError) as error:
        raise Exit(_EXIT_BAD_INPUT, str(error)) from error
    async with http.session(timeout_s=10.0) as session:
        keys_url = f"{config.bouncer.rstrip('/')}/acs/api/v1/auth/jwks"
        keys = Keys(keys_url, session, clock=app.clock, rng=app.rng, log=app.log)
        app.spawn(keys.keep(), name="keys")
        authority = Authority(config.bouncer, session, clock=app.clock, log=app.log)
        vault = Vault(ring=ring, keys=keys, authority=authority, random=os.urandom)
        async with http.listen(application(vault), host=config.ip, port=config.port):
            while True:
                store = await connect(
                    url.hosts,
                    chroot=url.path if url.path != "/" else "",
                    session_timeout_s=config.zk_session_timeout,
                    credentials=credentials,
                    private=True,
                )
                vault.session = store
                try:
                    await persist.prepare(store, STORE)
                    app.ready(f"serving on {config.ip}:{config.port}")
                    await store.session_lost()
                except (Disconnected, SessionLost) as error:
                    app.log.warning("store_trouble", error=repr(error))
                finally:
                    vault.session = None
                    await store.close()
                await asyncio.sleep(_RETRY_S * app.rng.uniform(0.5, 1.5))


def main() -> int:
    """``dcos-secrets [flags]``, ``dcos-secrets reseal [flags]``."""
    if sys.argv[1:2] == ["reseal"]:
        return runtime.main("dcos-secrets reseal", Config, reseal.run, prefix="SECRETS_", argv=sys.argv[2:])
    return runtime.main("dcos-secrets", Config, run, prefix="SECRETS_")
