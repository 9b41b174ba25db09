"""The flags of dcos-cosmos: its own and upstream's spellings."""

from __future__ import annotations

import pytest

from dcos.catalog.config import Address, Config
from dcos.runtime.settings import SettingsError, load


def test_upstream_flags() -> None:
    flags = [
        "--zookeeperUri=zk://a/cosmos",
        "--httpInterface",
        "[::1]:7071",
        "--marathonUri=http://m:1",
        "--catalog=/a, /b",
    ]
    config = load(Config, flags, {"COSMOS_ADMIN_ROUTER_URI": "http://door"}, prefix="COSMOS_")
    assert config.zookeeper_uri == "zk://a/cosmos"
    assert config.http_interface == Address("::1", 7071)
    assert (config.marathon_uri, config.admin_router_uri) == ("http://m:1", "http://door")
    assert [str(folder) for folder in config.catalog] == ["/a", "/b"]
    assert load(Config, ["--zk=zk://b/cosmos"], {}, prefix="COSMOS_").zookeeper_uri == "zk://b/cosmos"


@pytest.mark.parametrize("text", ["7070", "host:", ":7070", "host:x", "host:70000"])
def test_bad_addresses(text: str) -> None:
    with pytest.raises(SettingsError, match="host:port"):
        load(Config, [f"--http_interface={text}"], {}, prefix="COSMOS_")
