from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from dcos.node.config import addresses, role_of, source
from dcos.node.core.units import UnitState
from dcos.node.sources import FileSource
from dcos.registry import NodeRole
from dcos.runtime.files import write_atomic
from dcos.testing.units import RESTARTING, UnitSourceContract


class FileWorld:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "units.json"
        self.source = FileSource(self.path)

    async def show(self, states: Mapping[str, UnitState]) -> None:
        write_atomic(self.path, msgspec.json.encode(states))

    async def break_down(self) -> None:
        self.path.write_text("{")


class TestFileSource(UnitSourceContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> FileWorld:
        return FileWorld(tmp_path)


async def test_what_a_process_supervisor_writes(tmp_path: Path) -> None:
    (tmp_path / "units.json").write_text(
        '{"dcos-cosmos.service": {"description": "Cosmos: x", "load_state": "loaded", "active_state": "active",'
        ' "sub_state": "running", "exec_main_status": -9, "pid": 12, "active_enter_timestamp": 1.5, "mood": "good"}}'
    )
    told = (await FileSource(tmp_path / "units.json").states(["dcos-cosmos.service"]))["dcos-cosmos.service"]
    assert told == msgspec.structs.replace(
        RESTARTING,
        active_state="active",
        sub_state="running",
        description="Cosmos: x",
        exec_main_status=0,  # of the process before: this one runs
        pid=12,
        active_enter_timestamp=1.5,
        inactive_enter_timestamp=0.0,
    )


def test_settings() -> None:
    assert addresses('["10.0.0.1","10.0.0.2"]') == addresses("10.0.0.1, 10.0.0.2") == ("10.0.0.1", "10.0.0.2")
    assert role_of("slave") == role_of("agent") == NodeRole.AGENT
    assert source("file:/x") == "file:/x"
    for parse, text in ((addresses, "m1"), (role_of, "boss"), (source, "file:"), (source, "systemd")):
        with pytest.raises(ValueError, match="must be"):
            parse(text)
