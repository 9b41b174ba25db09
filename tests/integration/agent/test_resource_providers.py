"""Configurations of local resource providers, by the operator API: kept as upstream's agent keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp

from dcos.testing.agent_containers import Containers

KIND = "org.apache.mesos.rp.local.storage"


def info(**more: Any) -> dict[str, Any]:
    return {"type": KIND, "name": "disks", **more}


async def test_from_adding_to_removing(agent: Any, master: Any, tmp_path: Path) -> None:
    folder = tmp_path / "providers"
    folder.mkdir()
    (folder / "old.json").write_text(json.dumps({"type": KIND, "name": "old"}))
    (folder / "broken.json").write_text("{")
    await agent.start(f"--resource_provider_config_dir={folder}")
    await master.registered()

    def names() -> list[str]:
        return sorted(one.name for one in folder.glob("*.json"))

    async with aiohttp.ClientSession() as session:
        call = Containers(agent.url, session).call
        assert await call("ADD_RESOURCE_PROVIDER_CONFIG", {"info": info()}) == (200, "")
        (made,) = set(names()) - {"old.json", "broken.json"}
        assert made.startswith(f"{KIND}.disks.")
        assert made.endswith(".json")
        assert json.loads((folder / made).read_text()) == info()
        # the same once more is fine, another of its name is not
        assert await call("ADD_RESOURCE_PROVIDER_CONFIG", {"info": info()}) == (200, "")
        other = info(attributes=[{"name": "a", "type": "TEXT", "text": {"value": "b"}}])
        assert (await call("ADD_RESOURCE_PROVIDER_CONFIG", {"info": other}))[0] == 409
        assert await call("UPDATE_RESOURCE_PROVIDER_CONFIG", {"info": other}) == (200, "")
        assert json.loads((folder / made).read_text()) == other
        assert (await call("UPDATE_RESOURCE_PROVIDER_CONFIG", {"info": info(name="none")}))[0] == 409
        status, text = await call("ADD_RESOURCE_PROVIDER_CONFIG", {"info": info(id={"value": "x"})})
        assert (status, text) == (
            400,
            "Failed to validate agent::Call: Expecting 'add_resource_provider_config.info.id' to be unset",
        )
        status, text = await call("ADD_RESOURCE_PROVIDER_CONFIG", {"info": info(name="../../x")})
        assert status == 500
        assert text.startswith("Failed to write config file ")
        status, text = await call("MARK_RESOURCE_PROVIDER_GONE", {"resource_provider_id": {"value": "x"}})
        assert (status, text) == (500, "Attempted to remove an unknown resource provider")
        await agent.kill()
        await agent.start(f"--resource_provider_config_dir={folder}")
        await master.registered(2)
        assert "broken.json" in agent.log()
        for name in ("disks", "old", "never"):
            assert await call("REMOVE_RESOURCE_PROVIDER_CONFIG", {"type": KIND, "name": name}) == (200, "")
        assert names() == ["broken.json"]
        status, text = await call("GET_RESOURCE_PROVIDERS")
        assert (status, json.loads(text)) == (200, {"type": "GET_RESOURCE_PROVIDERS", "get_resource_providers": {}})


async def test_a_folder_that_is_not_there(agent: Any, tmp_path: Path) -> None:
    await agent.start(f"--resource_provider_config_dir={tmp_path}/none")
    assert await agent.process.wait() == 2
    assert f"Config directory '{tmp_path}/none' does not exist" in agent.log()
