"""``--resources`` in its two forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dcos.agent import resources
from dcos.model.resources import Resources


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"cpus": lambda _: 8.0, "mem": lambda _: 1000.0, "disk": lambda _: 500.0}
    monkeypatch.setattr(resources, "_DETECT", found)


def disk(size: float = 10, **more: Any) -> dict[str, Any]:
    return {"name": "disk", "type": "SCALAR", "scalar": {"value": size}, **more}


def have(text: str | list[Any], tmp_path: Path, role: str = "*") -> Resources:
    given = text if isinstance(text, str) else json.dumps(text)
    return Resources.of(resources.agent_resources(given, role, tmp_path))


@pytest.mark.parametrize(
    ("text", "role", "wanted"),
    [
        ("", "*", "cpus:8;mem:1000;disk:500;ports:[31000-32000]"),
        ("cpus:2;mem:16000;ports:[31000-32000]", "*", "cpus:2;mem:16000;disk:500;ports:[31000-32000]"),
        ("cpus:0;mem(a):5;mem:7;disk:1;ports:[1-2,3-4]", "*", "mem(a):5;mem:7;disk:1;ports:[1-4]"),
        ("cpus:1;set:{a,b};mem:1;disk:1;ports:[1-2]", "r", "cpus(r):1;set(r):{a,b};mem(r):1;disk(r):1;ports(r):[1-2]"),
    ],
)
def test_text(tmp_path: Path, text: str, role: str, wanted: str) -> None:
    assert have(text, tmp_path, role) == Resources.parse(wanted)


def test_json_with_disks_and_roles(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    path = {"source": {"type": "PATH", "path": {"root": "disk1"}}}
    mount = {"source": {"type": "MOUNT", "mount": {"root": str(tmp_path / "mount")}}}
    total = have(
        [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}, "role": "a"},
            {
                "name": "mem",
                "type": "SCALAR",
                "scalar": {"value": 5},
                "reservations": [{"type": "STATIC", "role": "b"}],
            },
            disk(10),
            disk(20, disk=path),
            disk(30, disk=mount),
        ],
        tmp_path,
    )
    assert total.quantities() == {"cpus": 2000, "mem": 5000, "disk": 60_000, "ports": 1_001_000}
    assert set(total.reserved()) == {"a", "b"}
    assert (tmp_path / "disk1").is_dir()
    assert sum(kind.indivisible for kind, _ in total) == 1


DYNAMIC = {"reservations": [{"type": "DYNAMIC", "role": "a"}]}
VOLUME = {
    "reservations": [{"type": "STATIC", "role": "a"}],
    "disk": {"persistence": {"id": "v"}, "volume": {"mode": "RW", "container_path": "d"}},
}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cpus:-1", "may not be text"),
        ("cpus", "expecting name:value"),
        ("cpus(a:1", "expecting name"),
        ("cpus:1;cpus:[1-2]", "two types"),
        ("gpus:0.5", "unsigned integer"),
        ("cpus(a//b):1", "two adjacent slashes"),
        ("[{]", "not a JSON array"),
        ([disk(-1)], "value <= 0"),
        ([disk(1, revocable={})], "revocable"),
        ([disk(1, **DYNAMIC)], "dynamically reserved"),
        ([disk(1, **VOLUME)], "Persistent volumes cannot be specified"),
        ([disk(1, shared={})], "Only persistent volumes can be shared"),
        ([disk(1, disk={"source": {"type": "MOUNT", "mount": {"root": "/not/there"}}})], "does not exist"),
        ([disk(1, disk={"source": {"type": "BLOCK"}})], "must be PATH or MOUNT"),
        ([disk(1, disk={"source": {"type": "PATH"}})], "needs a root"),
    ],
)
def test_refused(tmp_path: Path, text: str | list[Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        have(text, tmp_path)
