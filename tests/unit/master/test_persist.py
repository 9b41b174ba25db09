"""The registry on the store's twin."""

from __future__ import annotations

import pytest

from dcos.master.core.effects import Keep, Write
from dcos.master.core.registry import AgentEntry, MachineEntry, Settings, Shelf, Standing, WeightEntry
from dcos.master.legacy_registry import RegistryError, read, write
from dcos.master.persist import Registry, epoch_path
from dcos.model.v1.quota import QuotaConfig
from dcos.model.v1.types import AgentID, AgentInfo, MachineID, MachineInfoMode, TimeInfo, Unavailability, ValueScalar
from dcos.store.base import BadVersion
from dcos.store.election import Epoch
from dcos.store.memory import MemoryEnsemble, MemoryStore

STORED = (
    b'{"schema":1,"entry":{"info":{"hostname":"h","port":5051,"id":{"value":"m-S0"}},'
    b'"standing":"ADMITTED","since":5.0}}'
)
"""Schema 1, as it was first written: must be read for ever."""


def entry(agent: str = "m-S0", standing: Standing = Standing.ADMITTED) -> AgentEntry:
    return AgentEntry(info=AgentInfo(hostname="h", id=AgentID(value=agent)), standing=standing, since=5.0)


async def opened(ensemble: MemoryEnsemble) -> tuple[MemoryStore, Registry]:
    store = ensemble.session()
    path = epoch_path("/mesos")
    if await store.get(path) is None:
        await store.create(path, parents=True)
    version = await store.set(path, b"")
    return store, Registry(store, "/mesos", Epoch(path, version))


def test_the_first_schema() -> None:
    assert write(entry()) == STORED
    assert read(STORED) == entry()
    with pytest.raises(RegistryError, match="schema 2"):
        read(STORED.replace(b'"schema":1', b'"schema":2'))


async def test_what_is_written_is_recovered() -> None:
    ensemble = MemoryEnsemble()
    _, registry = await opened(ensemble)
    assert await registry.recover() == ()
    await registry.write([Write("a", entry("a")), Write("b", entry("b")), Write("a", entry("a", Standing.GONE))])
    await registry.write([Write("b", None), Write("c", None)])
    _, successor = await opened(ensemble)
    assert await successor.recover() == (("a", entry("a", Standing.GONE)),)
    assert all(path.startswith("/mesos-registry") for path in ensemble.tree())


async def test_an_old_leader_cannot_write() -> None:
    ensemble = MemoryEnsemble()
    _, old = await opened(ensemble)
    await old.recover()
    _, new = await opened(ensemble)
    await new.recover()
    with pytest.raises(BadVersion):
        await old.write([Write("a", entry("a"))])
    assert await new.recover() == ()


@pytest.mark.parametrize("applied", [True, False])
async def test_a_lost_answer_is_looked_after(applied: bool) -> None:
    ensemble = MemoryEnsemble()
    store, registry = await opened(ensemble)
    await registry.recover()
    store.fail_next_write(applied=applied)
    await registry.write([Write("a", entry("a"))])
    store.fail_next_write(applied=applied)
    await registry.write([Write("a", None), Write("b", entry("b"))])
    assert [agent for agent, _ in await registry.recover()] == ["b"]


async def test_many_agents_are_written_in_parts() -> None:
    ensemble = MemoryEnsemble()
    _, registry = await opened(ensemble)
    await registry.recover()
    before = ensemble.writes
    await registry.write([Write(f"m-S{number}", entry(f"m-S{number}")) for number in range(1200)])
    assert ensemble.writes - before == 1
    assert len(await registry.recover()) == 1200
    before = ensemble.writes
    await registry.write([Write(f"m-S{number}", entry(f"m-S{number}", Standing.GONE)) for number in range(0, 1200, 3)])
    assert ensemble.writes - before == 1
    _, successor = await opened(ensemble)
    found = await successor.recover()
    assert [one for _, one in found] == [
        entry(f"m-S{number}", Standing.ADMITTED if number % 3 else Standing.GONE) for number in range(1200)
    ]


async def test_what_is_too_much_for_one_request_goes_in_parts() -> None:
    ensemble = MemoryEnsemble()
    _, registry = await opened(ensemble)
    await registry.recover()
    info = AgentInfo(hostname="h" * 3000)
    before = ensemble.writes
    many = [AgentEntry(info=info, standing=Standing.ADMITTED, since=float(number)) for number in range(600)]
    await registry.write([Write(f"m-S{number}", one) for number, one in enumerate(many)])
    assert ensemble.writes - before == 4
    _, successor = await opened(ensemble)
    assert [one for _, one in await successor.recover()] == many


async def test_the_first_layout_is_taken_over_and_then_closed() -> None:
    ensemble = MemoryEnsemble()
    store, _ = await opened(ensemble)
    for number in range(300):
        path = f"/mesos-registry/agents/{number % 256:02x}/m-S{number}"
        await store.create(path, write(entry(f"m-S{number}")), parents=True)
    _, registry = await opened(ensemble)
    found = dict(await registry.recover())
    assert found == {f"m-S{number}": entry(f"m-S{number}") for number in range(300)}
    left = [path for path in ensemble.tree() if path.startswith("/mesos-registry/agents/")]
    assert left == ["/mesos-registry/agents/00", "/mesos-registry/agents/00/moved"]
    await registry.write([Write("m-S5", None)])
    _, successor = await opened(ensemble)
    before = ensemble.writes
    assert dict(await successor.recover()) == {name: one for name, one in found.items() if name != "m-S5"}
    assert ensemble.writes == before
    barrier = await store.get("/mesos-registry/agents/00/moved")
    assert barrier is not None
    with pytest.raises(RegistryError, match="schema 2 is not known"):
        read(barrier.data)


async def test_an_upgrade_that_was_broken_off_goes_on() -> None:
    ensemble = MemoryEnsemble()
    store, old = await opened(ensemble)
    await store.create("/mesos-registry/agents/07/a", write(entry("a")), parents=True)
    store, registry = await opened(ensemble)
    store.fail_next_write(applied=True)
    assert await registry.recover() == (("a", entry("a")),)
    with pytest.raises(BadVersion):
        await old.write([Write("b", entry("b"))])


async def test_a_broken_node_is_named() -> None:
    ensemble = MemoryEnsemble()
    store, registry = await opened(ensemble)
    await registry.recover()
    await store.create(registry.page_path(7), b"{}")
    with pytest.raises(RegistryError, match="/mesos-registry/pages/0007: "):
        await registry.recover()
    await store.set(registry.page_path(7), b'{"schema":3,"agents":{}}')
    with pytest.raises(RegistryError, match=r"pages/0007: schema 3 is not known to this version \(knows 2\)"):
        await registry.recover()


async def test_settings_are_kept_beside_agents() -> None:
    ensemble = MemoryEnsemble()
    store, registry = await opened(ensemble)
    await registry.recover()
    assert await registry.recover_settings() == Settings()
    quota = QuotaConfig(role="*", limits={"cpus": ValueScalar(value=2)})
    weight = WeightEntry(role="a/b", weight=2.5)
    machine = MachineEntry(
        id=MachineID(hostname="h/../x", ip="10.0.0.1"),
        mode=MachineInfoMode.DOWN,
        window=0,
        place=1,
        unavailability=Unavailability(start=TimeInfo(nanoseconds=1)),
    )
    before = registry.writes
    await registry.write(
        [
            Write("a", entry("a")),
            Keep(Shelf.QUOTA, "*", quota),
            Keep(Shelf.WEIGHTS, "a/b", weight),
            Keep(Shelf.MACHINES, "h/../x|10.0.0.1", machine),
            Keep(Shelf.WEIGHTS, "gone", WeightEntry(role="gone", weight=1.0)),
        ]
    )
    assert registry.writes == before + 1
    store.fail_next_write(applied=True)
    await registry.write([Keep(Shelf.WEIGHTS, "gone", None)])
    _, successor = await opened(ensemble)
    assert [name for name, _ in await successor.recover()] == ["a"]
    assert await successor.recover_settings() == Settings(quotas=(quota,), weights=(weight,), machines=(machine,))
    await successor.write([Keep(Shelf.QUOTA, "*", None)])
    assert (await successor.recover_settings()).quotas == ()


async def test_a_setting_that_is_not_understood_names_its_path() -> None:
    ensemble = MemoryEnsemble()
    store, registry = await opened(ensemble)
    await registry.recover()
    await store.create("/mesos-registry/quota/x", b'{"schema": 2, "entry": {}}')
    with pytest.raises(RegistryError, match="/mesos-registry/quota/x: schema 2"):
        await registry.recover_settings()
