"""Ensembles of real ZooKeepers that grow and shrink below dcos-exhibitors, while a client writes."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.store.base import Disconnected, NodeExists, SessionLost, StoreError
from dcos.store.zookeeper import connect, reconfigure
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_ports
from dcos.testing.zookeeper import why_not
from tests.integration.exhibitor.test_exhibitor import Exhibitor, aside, eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
    pytest.mark.timeout(1800),
]


class Writer:
    """Writes one node after another until it is told to end; ``acknowledged`` are those that ZooKeeper took."""

    def __init__(self, hosts: str) -> None:
        self.acknowledged: list[str] = []
        self.failure: Exception | None = None
        self._hosts = hosts
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            asyncio.run(self._write())
        except Exception as error:
            self.failure = error

    async def _write(self) -> None:
        count = 0
        while not self._ends.is_set():
            store = await connect(self._hosts)
            try:
                while not self._ends.is_set():
                    path = f"/w{count}"
                    try:
                        await store.create(path)
                        self.acknowledged.append(path)
                    except NodeExists:
                        self.acknowledged.append(path)
                    except Disconnected:
                        await asyncio.sleep(0.02)
                        continue
                    count += 1
                    await asyncio.sleep(0.02)
            except SessionLost:
                continue
            finally:
                await store.close()

    def end(self) -> None:
        self._ends.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def five(tmp_path: Path) -> Iterator[list[Exhibitor]]:
    ports = free_ports(4)
    flags = ("--zk_tick_time=500ms", "--join_patience=1hrs", "--resize_period=200ms", "--backup_period=0secs")
    made = [Exhibitor(tmp_path, f"127.0.44.{n}", ports, *flags) for n in range(1, 6)]
    for one in made:
        one.variables = {"NOTIFY_SOCKET": ""}  # nobody reads what they tell there
    try:
        yield made
    finally:
        for one in made:
            one.clean_up()


def ensemble(masters: list[Exhibitor]) -> str:
    """As it is set: ids count from 1."""
    return ",".join(f"{one.ip.rpartition('.')[2]}:{one.ip}" for one in masters)


def spec(masters: list[Exhibitor]) -> str:
    return ",".join(f"S:{part}" for part in ensemble(masters).split(","))


def serve(masters: list[Exhibitor], members: list[Exhibitor]) -> bool:
    """Whether all ``masters`` serve and know ``members`` as the ensemble."""
    try:
        found = [one.get("ensemble") for one in masters]
    except OSError:
        return False
    return all(one["state"] == 3 and one["members"] == spec(members) and one["waiting"] == "" for one in found)


def wants(one: Exhibitor, masters: list[Exhibitor]) -> None:
    """Its dcos-exhibitor is started anew with another ensemble, and serves before the next one's turn."""
    if one.process is not None:
        one.end()
    one.start(f"--static_ensemble={ensemble(masters)}")
    eventually(lambda: state(one) == 3)


def state(one: Exhibitor) -> int:
    try:
        return int(one.get("ensemble")["state"])
    except OSError:
        return 0


async def there(hosts: str, paths: list[str]) -> list[str]:
    """Of ``paths``, those that are not there."""
    store = await connect(hosts)
    try:
        return [path for path, node in zip(paths, await store.get_many(paths), strict=True) if node is None]
    finally:
        await store.close()


def test_one_becomes_three_then_five_then_three_then_one(five: list[Exhibitor]) -> None:
    """No acknowledged write is lost, and an interruption in the middle is gone on from."""
    one, three = five[:1], five[:3]
    first = one[0]
    first.start(f"--static_ensemble={ensemble(one)}")
    eventually(lambda: state(first) == 3)
    assert first.get("config/get-state")["standaloneMode"] is True
    hosts = ",".join(f"{master.ip}:{master.client}" for master in five)
    writer = Writer(hosts)
    try:
        for new in three[1:]:
            new.start(f"--static_ensemble={ensemble(three)}")
        wants(first, three)
        eventually(lambda: serve(three, three))
        assert (first.state_folder / "conf/super").stat().st_mode & 0o777 == 0o600
        for new in five[3:]:
            new.start(f"--static_ensemble={ensemble(five)}")
        for master in three[1:]:
            wants(master, five)
        assert "wants" in five[1].get("ensemble")["waiting"] or five[1].get("ensemble")["members"] == spec(three)
        wants(first, five)
        first.end(signal.SIGKILL)  # whoever takes the steps, or is about to
        first.start(f"--static_ensemble={ensemble(five)}")
        eventually(lambda: serve(five, five))
        for master in three:
            wants(master, three)
        eventually(lambda: serve(three, three))
        for old in five[3:]:
            old.end()
        wants(first, one)
        eventually(lambda: serve(one, one))
        for old in three[1:]:
            old.end()
        before = len(writer.acknowledged)
        eventually(lambda: len(writer.acknowledged) > before)
    finally:
        writer.end()
    assert writer.failure is None
    assert aside(there(f"{first.ip}:{first.client}", writer.acknowledged)) == []
    first.end()
    first.start(f"--static_ensemble={ensemble(one)}")
    eventually(lambda: serve(one, one))


def test_a_dead_master_is_replaced_by_one_without_data(five: list[Exhibitor]) -> None:
    """Its address comes before all others, so that the masters' list counts anew: who is there keeps its id."""
    three, new = five[1:4], five[0]
    lists = [f"--master_list={','.join(one.ip for one in masters)}" for masters in (three, [*three[:2], new])]
    for master in three:
        master.start(lists[0])
    eventually(lambda: [state(one) for one in three] == [3, 3, 3])
    three[2].end()
    new.start(lists[1])
    for master in three[:2]:
        master.end()
        master.start(lists[1])
        eventually(lambda master=master: state(master) == 3)  # type: ignore[misc]
    left = [*three[:2], new]
    members = f"S:1:{three[0].ip},S:2:{three[1].ip},S:4:{new.ip}"
    eventually(lambda: [one.get("ensemble")["members"] for one in left] == [members] * 3)
    eventually(lambda: [state(one) for one in left] == [3, 3, 3])
    assert new.get("config/get-state")["config"]["serverId"] == 4


def test_masters_that_want_different_ensembles_change_nothing(five: list[Exhibitor]) -> None:
    three = five[:3]
    for master in three:
        master.start(f"--static_ensemble={ensemble(three)}")
    eventually(lambda: serve(three, three))
    wants(three[0], three[:2])
    eventually(lambda: f"{three[1].ip} wants" in three[0].get("ensemble")["waiting"])
    assert three[0].get("ensemble")["members"] == spec(three)
    with pytest.raises(StoreError):
        aside(change_without_right(f"{three[0].ip}:{three[0].client}"))


async def change_without_right(hosts: str) -> None:
    """Others than dcos-exhibitor may not."""
    await reconfigure(hosts, ("super", "guessed"), ["server.1=127.0.44.1:1:2:participant"], -1)
