"""A SAML login over two masters, processes with a real ZooKeeper between them: begun at one, finished at another, once."""

from __future__ import annotations

import asyncio
import functools
import shutil
from pathlib import Path

import aiohttp
import pytest

from dcos.testing import zookeeper
from dcos.testing.cluster import eventually
from dcos.testing.patience import PATIENCE_S
from tests.integration.iam.saml_provider import SamlProviderServer
from tests.integration.iam.test_bouncer_service import Bouncer, _logs_in, zk
from tests.integration.iam.test_saml import _Form

__all__ = ["zk"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(zookeeper.why_not() is not None, reason=str(zookeeper.why_not())),
    pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="no xmlsec1 (package xmlsec1)"),
]
_OURS = "/acs/api/v1/auth/saml/providers/ours"


async def test_begun_here_finished_there(tmp_path: Path, zk: zookeeper.ZooKeeperServer) -> None:
    masters = [Bouncer(tmp_path / name, zk.hosts) for name in ("one", "two")]
    one, two = (f"http://127.0.0.1:{master.port}" for master in masters)
    try:
        for master in masters:
            ready = functools.partial(_logs_in, master)
            await asyncio.to_thread(eventually, "the first user logs in", ready, within_s=PATIENCE_S)
        async with (
            SamlProviderServer(tmp_path).running() as provider,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser,
        ):
            body = {"description": "D", "idp_metadata": provider.metadata(), "sp_base_url": "https://cluster.test"}
            async with browser.put(one + _OURS, json=body) as reply:
                assert reply.status == 201
            async with browser.get(f"{two}{_OURS}/sp-metadata") as reply:
                provider.meet(await reply.text())
            start = f"{one}/acs/api/v1/auth/login?saml-provider=ours&target=/x"
            async with browser.get(start, allow_redirects=False) as reply:
                where, (cookie,) = reply.headers["Location"], reply.cookies.values()
            async with browser.get(where) as reply:
                fields = _Form(await reply.text()).fields
            statuses = []
            for master in (two, one, two):
                headers, back = {"Cookie": f"{cookie.key}={cookie.value}"}, f"{master}{_OURS}/acs-callback"
                async with browser.post(back, data=fields, headers=headers, allow_redirects=False) as reply:
                    statuses.append(reply.status)
            assert statuses == [303, 401, 401]
    finally:
        ends = [master.end() for master in masters]
    assert [code for code, _ in ends] == [0, 0]
