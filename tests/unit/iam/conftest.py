"""A bouncer over the store's twin, without ZooKeeper."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from dcos.iam.api import application
from dcos.iam.config import Config
from dcos.iam.core.limits import FailureLimit
from dcos.iam.core.signing import SigningKey
from dcos.iam.identity import Identity
from dcos.iam.passwords import Passwords
from dcos.iam.policy_store import PolicyStore
from dcos.runtime import http
from dcos.store.memory import MemoryEnsemble
from dcos.wire import jwt
from tests.unit.iam.served import KEY, Bouncer, FixedClock


@pytest.fixture
async def bouncer(tmp_path: Path) -> AsyncIterator[Bouncer]:
    ensemble = MemoryEnsemble()
    store, clock, passwords = ensemble.session(), FixedClock(), Passwords(memory_kib=64, passes=1)
    (tmp_path / "ui-config.json").write_text('{"uiConfiguration": {"plugins": {}}}')
    (tmp_path / "cluster-id").write_text("the-id\n")
    policy = PolicyStore(store)
    await policy.prepare(None)
    identity = Identity(
        config=Config(zk="zk://unused:1/x"),
        clock=clock,
        passwords=passwords,
        ui_config=tmp_path / "ui-config.json",
        cluster_id=tmp_path / "cluster-id",
        keys=((SigningKey(private_key=jwt.private_pem(KEY), signs_from=0.0), KEY),),
        session=store,
        policy=policy,
        limit=FailureLimit(burst=3, interval_s=10),
    )
    async with (
        http.listen(application(identity), host="127.0.0.1", port=0) as (host, port),
        aiohttp.ClientSession(f"http://{host}:{port}", cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        yield Bouncer(identity, ensemble, store, client, clock)
    passwords.close()
