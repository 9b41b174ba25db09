"""Backups of real ZooKeepers' data, restored into other ensembles."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.exhibitor import archive
from dcos.exhibitor.archive import Folders
from dcos.exhibitor.core.datafiles import Damaged
from dcos.store.base import NotAllowed
from dcos.store.zookeeper import connect
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_ports
from dcos.testing.zookeeper import why_not
from tests.integration.exhibitor.test_exhibitor import START, Exhibitor, aside, eventually, read, write

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
    pytest.mark.timeout(900),
]
KEY = ("dcos", "a-secret")


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[list[Exhibitor]]:
    """Made by the test, ended here."""
    made: list[Exhibitor] = []
    yield made
    for one in made:
        one.clean_up()


def alone(folder: Path, masters: list[Exhibitor], *flags: str) -> Exhibitor:
    one = Exhibitor(folder, "127.0.0.1", free_ports(4), "--backup_period=0secs", "--cleanup_period=0secs", *flags)
    masters.append(one)
    return one


def post(one: Exhibitor, path: str) -> Any:
    request = urllib.request.Request(f"http://{one.ip}:{one.port}/exhibitor/v1/{path}", method="POST", data=b"")
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


def command(one: Exhibitor, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "DCOS_ROOT": str(one.root)}
    argv = [sys.executable, "-c", START, "backup", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=PATIENCE_S)


async def fill(address: str, count: int) -> None:
    """``count`` nodes, and one that only ``KEY`` may see."""
    store = await connect(address)
    await store.create("/many", b"")
    await asyncio.gather(*(store.create(f"/many/{n}", str(n).encode() * 50) for n in range(count)))
    await store.close()
    owner = await connect(address, credentials=KEY, private=True)
    await owner.create("/hidden", b"for few eyes")
    await owner.close()


async def holds(address: str, count: int) -> None:
    store = await connect(address)
    assert len(await store.children("/many") or ()) == count
    node = await store.get(f"/many/{count - 1}")
    assert node is not None
    assert node.data == str(count - 1).encode() * 50
    with pytest.raises(NotAllowed):
        await store.get("/hidden")
    await store.close()
    owner = await connect(address, credentials=KEY, private=True)
    hidden = await owner.get("/hidden")
    assert hidden is not None
    assert hidden.data == b"for few eyes"
    await owner.close()


def test_a_backup_restores_into_a_new_ensemble_of_three(tmp_path: Path, masters: list[Exhibitor]) -> None:
    """Data, access lists and modes are as before; nodes written after the backup are not there."""
    first = alone(tmp_path / "old", masters)
    first.start()
    first.wait_ready()
    address = f"127.0.0.1:{first.client}"
    aside(fill(address, 300))
    made = post(first, "backups")
    assert made["succeeded"] is True
    assert post(first, "backups") == {"message": "nothing changed since the newest backup", "succeeded": True}
    assert [one["name"] for one in first.get("index/get-backups")] == [made["message"]]
    aside(write(address, "/later", b""))
    backup = first.state_folder / "backups" / made["message"]
    assert backup.stat().st_mode & 0o777 == 0o600
    assert backup.parent.stat().st_mode & 0o777 == 0o700
    assert f"{json.loads(command(first, 'check', str(backup)).stdout)['last']:x}" in backup.name
    assert command(first, "restore", str(backup)).returncode == 3  # it runs
    ips = ["127.0.42.1", "127.0.42.2", "127.0.42.3"]
    ports = free_ports(4)
    three = [Exhibitor(tmp_path / "new", ip, ports, f"--master_list={','.join(ips)}") for ip in ips]
    masters += three
    for one in three:
        done = command(one, "restore", str(backup))
        assert done.returncode == 0, done.stderr
        for file in (one.state_folder / "zookeeper/snapshot/version-2").iterdir():
            assert file.stat().st_mode & 0o777 == 0o600
    for one in three:
        one.start()
    for one in three:
        one.wait_ready()
    eventually(lambda: [server["code"] for server in three[0].get("cluster/status")] == [3, 3, 3])
    hosts = ",".join(f"{one.ip}:{one.client}" for one in three)
    aside(holds(hosts, 300))
    assert aside(read(hosts, "/later")) is None
    aside(write(hosts, "/new", b"writes go on"))


def test_a_damaged_backup_is_refused_and_the_data_stays(tmp_path: Path, masters: list[Exhibitor]) -> None:
    one = alone(tmp_path, masters)
    one.start()
    one.wait_ready()
    aside(fill(f"127.0.0.1:{one.client}", 20))
    backup = one.state_folder / "backups" / post(one, "backups")["message"]
    one.end()
    assert json.loads(command(one, "verify").stdout)["last"] > 0
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(backup.read_bytes()[:-40])
    changed = repacked(backup, tmp_path / "changed.tar.gz", "snapshot", lambda data: data[:60] + b"!" + data[61:])
    stranger = tmp_path / "stranger.tar.gz"
    with tarfile.open(stranger, "w:gz") as tar:
        tar.add(one.log, "version-2/../../log")
    for bad, reason in ((cut, "no whole archive"), (changed, "snapshot."), (stranger, "no file of ZooKeeper")):
        for verb in ("check", "restore"):
            done = command(one, verb, str(bad))
            assert done.returncode == 1
            assert reason in done.stderr
    assert not list(one.state_folder.rglob("*.before-*"))
    assert not list(one.state_folder.rglob(".restoring-*"))
    one.start()
    one.wait_ready()
    aside(holds(f"127.0.0.1:{one.client}", 20))


def repacked(source: Path, target: Path, kind: str, change: Any) -> Path:
    with tarfile.open(source) as before, tarfile.open(target, "w:gz") as after:
        for member in before:
            file = before.extractfile(member)
            assert file is not None
            data = file.read()
            if kind in member.name:
                data = change(data)
                member.size = len(data)
            after.addfile(member, io.BytesIO(data))
    return target


def test_a_lost_disk_comes_back_as_of_the_backup(tmp_path: Path, masters: list[Exhibitor]) -> None:
    """After SIGKILL, whose last log is torn or not, and over data that is there: that is put aside."""
    one = alone(tmp_path, masters)
    one.start()
    one.wait_ready()
    address = f"127.0.0.1:{one.client}"
    aside(fill(address, 20))
    backup = one.state_folder / "backups" / post(one, "backups")["message"]
    aside(write(address, "/mistake", b""))
    one.end(signal.SIGKILL)
    assert "still runs" in command(one, "restore", str(backup)).stderr
    os.kill(one.zookeeper, signal.SIGKILL)
    eventually(lambda: command(one, "restore", str(backup)).returncode == 0)
    assert list((one.state_folder / "zookeeper/snapshot").glob("version-2.before-*"))
    one.start()
    one.wait_ready()
    aside(holds(address, 20))
    assert aside(read(address, "/mistake")) is None


def test_by_the_clock_and_while_clients_write(tmp_path: Path, masters: list[Exhibitor]) -> None:
    one = alone(tmp_path, masters, "--backup_period=200ms", "--backup_max_age=1secs")
    one.start()
    one.wait_ready()
    address = f"127.0.0.1:{one.client}"
    backups = one.state_folder / "backups"

    async def write_on() -> None:
        store = await connect(address)
        for n in range(400):
            await store.create(f"/n{n}", b"x" * 2000)
            await asyncio.sleep(0.005)
        await store.close()

    aside(write_on())
    eventually(lambda: one.get("backups")["last_error"] == "" and len(list(backups.glob("zookeeper-*"))) > 0)
    assert "backup made" in one.get("cluster/log")
    assert one.get("config/get-state")["backupActive"] is True
    assert one.get("cluster/set/backups/false")["succeeded"] is True
    assert one.get("cluster/state")["switches"]["backups"] is False
    eventually(lambda: not list(backups.glob(".making-*")))
    checked = 0
    for path in sorted(backups.glob("zookeeper-*")):
        with contextlib.suppress(FileNotFoundError):  # a run that was on its way deletes old ones
            archive.check(path)
            checked += 1
    assert checked


def test_old_snapshots_and_logs_go_and_the_rest_is_whole(tmp_path: Path, masters: list[Exhibitor]) -> None:
    """Each start writes a snapshot; the damaged one is not counted among those that stay."""
    one = alone(tmp_path, masters)
    folders = Folders(one.state_folder / "zookeeper/snapshot", one.state_folder / "zookeeper/transactions")
    for n in range(4):
        one.start()
        one.wait_ready()
        aside(write(f"127.0.0.1:{one.client}", f"/n{n}", b"kept"))
        one.end()
    snapshots = sorted(archive.snapshots_in(folders.snapshots))
    assert len(snapshots) >= 4
    newest = folders.snapshots / f"version-2/snapshot.{snapshots[-1]:x}"
    newest.write_bytes(newest.read_bytes()[:-3])
    found = archive.snapshots_in(folders.snapshots)
    assert isinstance(found[snapshots[-1]], Damaged)
    assert archive.check_data(folders).snapshot == snapshots[-2]
    assert json.loads(command(one, "clean", "--keep=2").stdout)["deleted"]
    assert sorted(archive.snapshots_in(folders.snapshots)) == snapshots[-3:]
    archive.check_data(folders)
    one.start("--cleanup_period=200ms", "--cleanup_max_files=1")
    one.wait_ready()
    eventually(lambda: "old files deleted" in one.get("cluster/log"))
    for n in range(4):
        assert aside(read(f"127.0.0.1:{one.client}", f"/n{n}")) == b"kept"
