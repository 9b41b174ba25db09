"""``dcos-bouncer reseal``: signing keys and settings of providers are sealed with the first key of the file; on one master."""

from __future__ import annotations

from dcos.iam import key_store, provider_store
from dcos.iam.config import Config
from dcos.runtime.app import App, Exit
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
        if config.key_file is None:
            raise ValueError("--key_file: must be given to seal anything")
        url = ZkUrl.parse(config.zk)
        file = config.zk_credentials_file
        credentials = credentials_in(file) if file is not None else url.credentials
        ring = read_keys(config.key_file.read_text(encoding="ascii"))
        store = await connect(
            url.hosts,
            chroot=url.path if url.path != "/" else "",
            session_timeout_s=config.zk_session_timeout,
            credentials=credentials,
            private=credentials is not None,
        )
        try:
            paths = [key_store.PATH, provider_store.LDAP]
            for above in (provider_store.OIDC, provider_store.SAML):
                paths += [f"{above}/{name}" for name in await store.children(above) or ()]
            done = await reseal(store, ring, [(path, path) for path in paths])
        finally:
            await store.close()
    except (ValueError, OSError, SealingError, StoreError) as error:
        raise Exit(_EXIT_FAILED, str(error) or repr(error)) from error
    print(f"{done.changed} nodes were sealed anew, {done.kept} had the newest key")
