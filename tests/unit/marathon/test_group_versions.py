"""Earlier versions of groups: listed, shown, brought back."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.marathon import persist
from dcos.marathon.core import past
from dcos.model.past import RootChange
from dcos.store.journal import encode
from tests.unit.marathon.conftest import House, Running

APP: dict[str, Any] = {"cmd": "sleep 1000", "cpus": 0.1, "mem": 32}


def app(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, **APP, **more}


async def shop(marathon: Running, *, status: int = 200) -> Any:
    return await marathon.ask("GET", "/v2/groups/shop", status=status)


async def test_a_group_is_brought_back_as_it_was(marathon: Running) -> None:
    body = {"id": "/shop", "apps": [app("web", instances=2), app("old")], "groups": [{"id": "db", "apps": [app("pg")]}]}
    await marathon.ask("POST", "/v2/groups", body, 201)
    await marathon.settled()
    first = await shop(marathon)
    await marathon.ask("POST", "/v2/apps", app("/elsewhere"), 201)
    await marathon.settled()
    body = {"apps": [app("web", instances=1, cmd="sleep 5"), app("new")], "groups": []}
    await marathon.ask("PUT", "/v2/groups/shop", body, 200)
    await marathon.settled()
    assert {one["id"] for one in (await shop(marathon))["apps"]} == {"/shop/web", "/shop/new"}

    versions = await marathon.ask("GET", "/v2/groups/shop/versions", status=200)
    assert versions == sorted(versions, reverse=True)
    assert first["version"] in versions
    assert len(versions) == 3, "the change elsewhere is none of the group"
    assert len(await marathon.ask("GET", "/v2/groups/versions")) == 4
    shown = await marathon.ask("GET", f"/v2/groups/shop/versions/{first['version']}", status=200)
    assert {(one["id"], one["instances"]) for one in shown["apps"]} == {("/shop/web", 2), ("/shop/old", 1)}
    assert [one["id"] for one in shown["groups"]] == ["/shop/db"]
    assert shown["version"] == first["version"]
    wrong = await marathon.ask("GET", "/v2/groups/shop/versions/2000-01-01T00:00:00.000Z", status=404)
    assert wrong == {"message": "Group '/shop' does not exist in version 2000-01-01T00:00:00.000Z"}
    await marathon.ask("PUT", "/v2/groups/shop", {"version": "2000-01-01T00:00:00.000Z"}, 404)
    await marathon.ask("PUT", "/v2/groups/shop", {"version": first["version"], "scaleBy": 2}, 422)

    await marathon.ask("PUT", "/v2/groups/shop", {"version": first["version"]}, 200)
    await marathon.settled()
    back = await shop(marathon)
    assert {(one["id"], one["instances"], one["cmd"]) for one in back["apps"]} == {
        ("/shop/web", 2, "sleep 1000"),
        ("/shop/old", 1, "sleep 1000"),
    }
    assert [one["id"] for one in back["groups"][0]["apps"]] == ["/shop/db/pg"]
    assert "/elsewhere" in marathon.leader.state.apps


async def test_a_deleted_group_is_known_to_its_parent_and_to_the_next_leader(house: House) -> None:
    async with house.marathon() as marathon:
        await marathon.ask("POST", "/v2/groups", {"id": "/shop", "apps": [app("web")]}, 201)
        await marathon.settled()
        version = (await marathon.ask("GET", "/v2/groups"))["version"]
        await marathon.ask("DELETE", "/v2/groups/shop?force=true", status=200)
        await marathon.settled()
        await marathon.until("its instances are gone", lambda: not marathon.leader.state.instances)
        await shop(marathon, status=404)
    async with house.marathon() as marathon:
        await marathon.ask("PUT", "/v2/groups", {"version": version}, 200)
        await marathon.settled()
        assert [one["id"] for one in (await shop(marathon))["apps"]] == ["/shop/web"]


async def test_only_so_many_are_kept(house: House) -> None:
    house.settings["zk_max_versions"] = 3
    async with house.marathon() as marathon:
        for number in range(6):
            await marathon.ask("PUT", "/v2/apps/web", app("/web", env={"N": str(number)}))
            await marathon.settled()
        state = marathon.leader.state
        versions = await marathon.ask("GET", "/v2/groups/versions")
        assert len(versions) == 4, "those that three changes lead back to, and today's"
        assert past.at(state, versions[-1]) is not None
        assert len(state.versions["/web"]) <= 4


async def test_however_much_was_removed_comes_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persist, "IN_ONE", 2)
    house.settings["zk_max_versions"] = 3
    container = {"name": "one", "resources": {"cpus": 0.1, "mem": 32}, "exec": {"command": {"shell": "sleep 1"}}}
    async with house.marathon() as marathon:
        apps = [app(f"a{number}", instances=0) for number in range(6)]
        await marathon.ask("POST", "/v2/groups", {"id": "/shop", "apps": apps}, 201)
        await marathon.ask(
            "POST", "/v2/pods", {"id": "/shop/p", "containers": [container], "scaling": {"instances": 0}}, 201
        )
        await marathon.settled()
        version = (await marathon.ask("GET", "/v2/groups"))["version"]
        await marathon.ask("DELETE", "/v2/groups/shop?force=true", status=200)
        await marathon.settled()
        await marathon.until("forgotten", lambda: not marathon.leader.state.versions)

    def stored() -> list[str]:
        return sorted(path.rpartition("/")[2] for path in house.ensemble.tree() if "/state/root/" in path)

    beside = [name for name in stored() if "~" in name]
    assert len(beside) == 3, "seven, two in each document"
    store = house.ensemble.session()
    lost = "2000-01-01T00:00:00.000Z"
    await store.create(f"/marathon/state/root/{lost}~0000", encode(RootChange(version=lost)))
    async with house.marathon() as marathon:
        assert lost not in [one.version for one in marathon.leader.state.past]
        await marathon.ask("PUT", "/v2/groups", {"version": version}, 200)
        await marathon.settled()
        group = await shop(marathon)
        assert (len(group["apps"]), len(group["pods"])) == (6, 1)
        assert not [name for name in stored() if name.startswith("2000")], "what a crash left is gone"
        for number in range(4):
            await marathon.ask(
                "PUT", "/v2/apps/web", app("/web", env={"N": str(number)}, instances=0), 201 if not number else 200
            )
        await marathon.until("the old change is gone", lambda: not [name for name in stored() if "~" in name])
