"""dcos-history's shell: asks the leading master at the beginning of every slot, serves what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dcos.client.mesos import MesosError, MesosMaster
from dcos.node.core.slots import MINUTE
from dcos.node.history.api import application
from dcos.node.history.store import Store
from dcos.runtime import activation, http, unix_sockets
from dcos.runtime import app as runtime
from dcos.runtime.app import App
from dcos.runtime.credentials import MESOS_CREDENTIAL, CredentialFile, pair_of, read_one
from dcos.runtime.settings import REQUIRED, duration, setting
from dcos.store.detect import follow_leading_master
from dcos.store.url import ZkUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    zk: ZkUrl = setting(REQUIRED, "Where Mesos masters register: zk://host:port,.../path.", parse=ZkUrl.parse)
    folder: Path | None = setting(None, "Where samples are kept. Default: dcos-history in /var/lib/dcos.")
    socket: Path | None = setting(
        None, "Socket to listen at, where systemd gives none. Default: dcos-history.sock in /run/dcos."
    )
    timeout: float = setting(1.8, "How long the master has to answer; then the sample is {}.", parse=duration)
    max_bytes: int = setting(16 << 20, "Longest summary that is kept; a longer one is {}. 90 of them lie on the disk.")
    mesos_credential: CredentialFile | None = setting(None, MESOS_CREDENTIAL, parse=read_one, raw=True)


async def run(app: App[Config]) -> None:
    config = app.config
    store = Store(config.folder or app.layout.state / "dcos-history")
    store.open()
    async with contextlib.AsyncExitStack() as opened:
        masters = follow_leading_master(config.zk, rng=app.rng)
        credential = pair_of(config.mesos_credential, app.log)
        mesos = await opened.enter_async_context(MesosMaster(masters, credential=credential, timeout_s=config.timeout))
        doors = activation.inherited(os.environ)
        if not doors:
            path = config.socket or app.layout.run / "dcos-history.sock"
            path.parent.mkdir(parents=True, exist_ok=True)
            doors = (unix_sockets.listening(path, mode=0o660),)
            opened.callback(path.unlink, missing_ok=True)
        (door,) = doors
        await opened.enter_async_context(http.listen_on(application(store, app.clock), door))
        app.spawn(_sampling(app, mesos, store), name="sampling")
        app.ready(f"serving on {door.getsockname()}")
        await asyncio.Event().wait()  # until cancelled


async def _sampling(app: App[Config], mesos: MesosMaster, store: Store) -> None:
    """For ever. A disk that takes nothing ends the service: what it shows would be old."""
    trouble = ""
    while True:
        now = app.clock.now()
        sample: bytes | None = None
        said = ""
        try:
            sample = await mesos.get("/state-summary")
            msgspec.json.decode(sample, type=dict[str, msgspec.Raw])
            if len(sample) > app.config.max_bytes:
                said = f"the summary has {len(sample)} bytes, more than max_bytes"
        except (MesosError, msgspec.MsgspecError, TimeoutError) as error:
            said = str(error) or type(error).__name__
        if said != trouble:
            trouble = said
            if said:
                app.log.warning("no_summary", why=said)
        await asyncio.to_thread(store.put, None if said else sample, now)
        await asyncio.sleep(MINUTE.until_next(app.clock.now()))


def main() -> int:
    return runtime.main("dcos-history", Config, run, prefix="HISTORY_")
