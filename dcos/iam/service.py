"""dcos-bouncer: keeps a session with ZooKeeper, shares the signing key with the other masters, serves the API.

It is ready when the key is known and requests are answered. While ZooKeeper cannot be reached, the key set is still served from
memory (so Admin Router can always check tokens) and everything else answers 503; a lost session is followed by a new one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from dcos.iam import bootstrap, persist, reseal
from dcos.iam.api import application
from dcos.iam.config import Config
from dcos.iam.core.limits import FailureLimit
from dcos.iam.core.users import User
from dcos.iam.identity import Identity
from dcos.iam.key_store import KeyStore
from dcos.iam.passwords import Passwords
from dcos.iam.policy_store import PolicyStore
from dcos.runtime import app as runtime
from dcos.runtime import http
from dcos.runtime.app import App, Exit
from dcos.store.base import Disconnected, SessionLost, Store, StoreError
from dcos.store.url import ZkUrl, credentials_in
from dcos.store.zookeeper import connect
from dcos.wire.sealing import SealingError, read_keys

_EXIT_BAD_INPUT = 3
"""A file or a stored node cannot be used: starting again does not help."""
_RETRY_S = 1.0


async def run(app: App[Config]) -> None:
    config, layout = app.config, app.layout
    try:
        url = ZkUrl.parse(config.zk)
        file = config.zk_credentials_file
        credentials = credentials_in(file) if file is not None else url.credentials
        ring = None
        if config.key_file is not None and config.key_file.exists():
            ring = read_keys(config.key_file.read_text(encoding="ascii"))
        else:
            app.log.warning("no_key_file", why="passwords of identity providers are kept in the clear in ZooKeeper")
        first = bootstrap.read(config.bootstrap_user_file or layout.etc / "bouncer-bootstrap-user.json")
        accounts = bootstrap.read_accounts(config.service_accounts_file or layout.etc / "bouncer-service-accounts.json")
    except (ValueError, OSError, SealingError, bootstrap.BootstrapError) as error:
        raise Exit(_EXIT_BAD_INPUT, str(error)) from error
    passwords = Passwords()
    identity = Identity(
        config=config,
        clock=app.clock,
        passwords=passwords,
        ring=ring,
        ui_config=config.ui_config_file or layout.etc / "ui-config.json",
        cluster_id=config.cluster_id_file or layout.cluster_id,
        limit=FailureLimit(burst=config.login_burst, interval_s=config.login_interval),
    )
    try:
        async with http.listen(application(identity), host=config.ip, port=config.port):
            while True:
                store = await connect(
                    url.hosts,
                    chroot=url.path if url.path != "/" else "",
                    session_timeout_s=config.zk_session_timeout,
                    credentials=credentials,
                    private=credentials is not None,
                )
                try:
                    keys = KeyStore(
                        store,
                        ring,
                        clock=app.clock,
                        log=app.log,
                        interval_s=config.key_rotation_interval,
                        lifetime_s=config.token_lifetime,
                    )
                    identity.learn(await keys.keys())
                    if first is not None and await bootstrap.make_first_user(store, *first):
                        app.log.info("first_user_made", uid=first[0].uid)
                    policy = PolicyStore(store)
                    await policy.prepare(await _first_superuser(store, first))
                    if accounts is not None and await bootstrap.make_service_accounts(store, policy, accounts):
                        app.log.info("service_accounts_made", count=len(accounts.rows))
                    identity.session, identity.policy = store, policy
                    app.ready(f"serving on {config.ip}:{config.port}")
                    await _together(policy.follow(), keys.follow(identity.learn), keys.keep_rotating())
                except (Disconnected, SessionLost) as error:
                    app.log.warning("store_trouble", error=repr(error))
                except (StoreError, persist.StoredFormError) as error:
                    raise Exit(_EXIT_BAD_INPUT, f"{url}: {error!r}") from error
                finally:
                    identity.session = identity.policy = None
                    await store.close()
                await asyncio.sleep(_RETRY_S * app.rng.uniform(0.5, 1.5))
    finally:
        passwords.close()


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    """All of them, until one has trouble; its error is raised when the others have ended."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first_superuser(store: Store, first: tuple[User, str] | None) -> str | None:
    """The account of the installation, if it is still there."""
    if first is None or await persist.user(store, first[0].uid) is None:
        return None
    return first[0].uid


def main() -> int:
    """``dcos-bouncer [flags]``, ``dcos-bouncer reseal [flags]``."""
    if sys.argv[1:2] == ["reseal"]:
        return runtime.main("dcos-bouncer reseal", Config, reseal.run, prefix="BOUNCER_", argv=sys.argv[2:])
    return runtime.main("dcos-bouncer", Config, run, prefix="BOUNCER_")
