"""``--resources`` in its two forms."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
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


@pytest.mark.parametrize(
    ("mem_gb", "disk_gb", "wanted"),
    [(8, 100, (7 * 1024, 95 * 1024)), (2, 10, (1024, 5 * 1024)), (1.5, 9, (768, 4608)), (None, None, (1024, 10240))],
)
def test_what_a_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mem_gb: float | None, disk_gb: float | None, wanted: Any
) -> None:
    """Less 1 GB of memory and 5 GB of disk, or half of a small machine; something where the kernel does not say."""

    def sysconf(name: str) -> int:
        if mem_gb is None:
            raise ValueError(name)
        return {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": int(mem_gb * 2**30) // 4096}[name]

    def statvfs(path: Path) -> Any:
        if disk_gb is None:
            raise OSError(path)
        return SimpleNamespace(f_frsize=4096, f_blocks=int(disk_gb * 2**30) // 4096)

    real = {"cpus": resources.detect_cpus, "mem": resources.detect_mem_mb, "disk": resources.detect_disk_mb}
    monkeypatch.setattr(resources, "_DETECT", real)
    monkeypatch.setattr(os, "sysconf", sysconf)
    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    found = have("", tmp_path)
    assert (found.scalar("mem"), found.scalar("disk")) == (wanted[0] * 1000, wanted[1] * 1000)
    assert found.scalar("cpus") == 3000
    assert list(found.ranges("ports")) == [(31000, 32000)]
