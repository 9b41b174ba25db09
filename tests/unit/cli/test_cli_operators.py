"""What operators do: logs and metrics of nodes, maintenance, ssh, quota, bundles, links."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dcos.cli.commands.diagnostics import ago, size
from dcos.cli.commands.node.lifecycle import seconds
from dcos.cli.commands.node.secure_shell import argv
from dcos.cli.commands.quota import consumption
from dcos.cli.journal import formatted
from dcos.cli.output import Refusal
from dcos.testing.adminrouter import FakeAdminRouter
from dcos.testing.operations import entry
from tests.unit.cli.results import Dcos

APP = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 1}

# ---- logs and metrics ------------------------------------------------------------------------------------------------


def test_node_log(ready: Dcos, fake: FakeAdminRouter) -> None:
    assert ready("node", "log", "--leader").out == (
        "2026-01-02 03:04:06 UTC dcos-net [42]: net is up\n2026-01-02 03:04:07 UTC dcos-marathon [42]: leads\n"
    )
    assert fake.operations.asked[-1] == "/system/v1/leader/mesos/logs/v2/component?skip=-10"
    ready("node", "log", "a-S0", "--component=dcos-net", "--filter=PRIORITY:6", "--filter=_PID:42", "--lines=-3")
    assert fake.operations.asked[-1] == (
        "/system/v1/agent/a-S0/logs/v2/component/dcos-net.service?filter=PRIORITY%3A6&filter=_PID%3A42&skip=-3"
    )
    assert ready("node", "log", "--leader", "--all", "-o", "cat").out == "net is up\nleads\n"
    assert fake.operations.asked[-1] == "/system/v1/leader/mesos/logs/v2/component"
    shown = ready("node", "log", "--leader", "--lines=1", "-o", "json").json
    assert (shown["MESSAGE"], shown["__CURSOR"]) == ("leads", "c2")
    assert ready("node", "log", "--leader", "--lines=1", "-o", "json-pretty").out.startswith('{\n    "MESSAGE"')
    assert ready("node", "log", "--leader", "--follow", "--lines=1", "-o", "cat").out == "leads\n"


@pytest.mark.parametrize(
    "words", [("a-S0", "--leader"), (), ("--leader", "--all", "--follow"), ("--leader", "--filter=x")], ids=str
)
def test_node_log_refuses(ready: Dcos, words: tuple[str, ...]) -> None:
    assert ready("node", "log", *words).code == 1


def test_entries_are_coloured_by_priority() -> None:
    assert formatted(entry(1, "x", "bad", priority="3"), "cat") == "\x1b[31mbad\x1b[0m"
    assert formatted(entry(1, "x", "well", priority="6"), "cat") == "well"
    assert formatted({"fields": {"MESSAGE": "no time"}}, "short") == "- : no time"


def test_node_metrics(ready: Dcos) -> None:
    assert ready("node", "metrics", "summary", "a-S0").out.splitlines() == [
        "CPU            MEM               DISK",
        "0.50 (12.50%)  1.00GiB (25.00%)  25.00GiB (25.00%)",
    ]
    rows = ready("node", "metrics", "details", "a-S0").rows
    assert ["memory.total", "4.00GiB"] in rows
    assert ["filesystem.capacity.total", "100.00GiB", "path: /"] in rows
    assert len(ready("node", "metrics", "summary", "a-S0", "--json").json) == 6


def test_task_metrics(ready: Dcos, fake: FakeAdminRouter) -> None:
    ready("marathon", "app", "add", stdin=json.dumps(APP))
    assert ready("task", "metrics", "summary", "web").out.splitlines() == [
        "CPU            MEM               DISK",
        "4.00 (50.00%)  1.00GiB (50.00%)  0.00GiB (0.00%)",
    ]
    assert ready("task", "metrics", "details", "web").rows[-1] == ["requests", "7"]
    assert [one["name"] for one in ready("task", "metrics", "details", "web", "--json").json][-1] == "requests"
    fake.operations.containers.clear()
    assert ready("task", "metrics", "summary", "web").err.startswith("Error: No metrics found")


# ---- maintenance -----------------------------------------------------------------------------------------------------


def test_draining(ready: Dcos, fake: FakeAdminRouter) -> None:
    done = ready("node", "drain", "a-S0", "--max-grace-period=1m30s", "--wait", "--interval=0")
    assert done.code == 0, done.err
    call = next(one for one in fake.operations.calls if one["type"] == "DRAIN_AGENT")
    assert call["drain_agent"] == {"agent_id": {"value": "a-S0"}, "max_grace_period": {"seconds": 90, "nanos": 0}}
    assert done.err.startswith("Waiting for the agent to be drained...\n0 tasks left\n")
    ready("node", "drain", "a-S1", "--decommission")
    assert fake.operations.calls[-1]["drain_agent"]["mark_gone"] is True


def test_the_other_steps(ready: Dcos, fake: FakeAdminRouter) -> None:
    ready("node", "deactivate", "a-S0")
    assert [row[4] for row in ready("node").rows if row[2] == "a-S0"] == ["DEACTIVATED"]
    ready("node", "reactivate", "a-S0")
    assert [row[4] for row in ready("node").rows if row[2] == "a-S0"] == ["ACTIVE"]
    ready("node", "decommission", "a-S0")
    assert ready("node", "list", "--mesos-id").out == "a-S1\n"
    assert ready("node", "dns", "leader.mesos").rows == [["leader.mesos.", "10.0.0.1"]]
    assert ready("node", "dns", "nobody.mesos", "--json").json == []


@pytest.mark.parametrize(
    ("text", "wanted"), [("90s", 90), ("1h30m", 5400), ("10mins", 600), ("1.5h", 5400), ("100ms", 0.1)], ids=str
)
def test_durations(text: str, wanted: float) -> None:
    assert seconds(text) == pytest.approx(wanted)


@pytest.mark.parametrize("text", ["", "90", "h", "1x", "1h 3m", "-1h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Refusal, match="is no duration"):
        seconds(text)


def test_ssh() -> None:
    plain = argv("10.0.0.2", None, by=None, user=None, config_file=None, options=())
    assert plain == ["ssh", "10.0.0.2"]
    words = argv("10.0.0.2", "ls -l", by="192.0.2.1", user="admin", config_file="/c", options=("A=b",))
    assert words == ["ssh", "-F", "/c", "-o", "A=b", "-l", "admin", "-J", "admin@192.0.2.1", "10.0.0.2", "--", "ls -l"]
    with pytest.raises(Refusal, match="cannot be a user"):
        argv("10.0.0.2", None, by=None, user="-oProxyCommand=x", config_file=None, options=())


def test_ssh_runs_the_machines_own(ready: Dcos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/ssh"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\nexit 5\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    ready("config", "set", "core.ssh_user", "operator")
    done = ready("node", "ssh", "--mesos-id=a-S1", "--master-proxy", "uptime")
    assert done.code == 5
    assert (tmp_path / "words").read_text() == "-l operator -J operator@10.0.0.1 10.0.0.3 -- uptime\n"
    assert ready("service", "log", "marathon", "--lines=3", "--user=me").code == 5
    assert (tmp_path / "words").read_text() == "-l me 10.0.0.1 -- journalctl -u dcos-marathon -n 3 -o short\n"
    assert ready("node", "ssh", "uptime").err.startswith("Error: give one of --leader")


# ---- quota -----------------------------------------------------------------------------------------------------------


def test_quota(ready: Dcos, fake: FakeAdminRouter) -> None:
    fake.marathon.groups = {"dev"}
    assert ready("quota", "list").out == "NAME  CPU CONSUMED  MEMORY CONSUMED  DISK CONSUMED  GPU CONSUMED\n"
    assert ready("quota", "create", "dev", "--cpu=8", "--mem=16000").code == 0
    assert fake.operations.calls[-1]["update_quota"] == {
        "force": False,
        "quota_configs": [{"role": "dev", "limits": {"cpus": {"value": 8}, "mem": {"value": 16000}}}],
    }
    fake.operations.quotas["dev"]["consumed"] = {"cpus": 1.0, "mem": 512.0}
    assert ready("quota", "list").rows == [
        ["dev", "12.50% (1 of 8 Cores)", "3.20% (0.5 GiB of 16 GiB)", "No limit", "No limit"]
    ]
    assert ready("quota", "get", "dev").rows == [["cpus", "12.50%", "8"], ["mem", "3.20%", "15.6GiB"]]
    assert ready("quota", "get", "dev", "--json").json["limit"] == {"cpus": 8, "mem": 16000}
    assert "use 'dcos quota update'" in ready("quota", "create", "dev", "--cpu=9").err
    updated = ready("quota", "update", "dev", "--cpu=9", "--force")
    assert (updated.code, updated.err) == (0, "mem was limited to 16000: it is not limited any more\n")
    assert fake.operations.calls[-1]["update_quota"]["force"] is True
    assert ready("quota", "delete", "dev").code == 0
    assert ready("quota", "list", "--json").json == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("a/b", "--cpu=1"), "quotas cannot be created for subgroups yet"),
        (("dev",), "at least one limit has to be given"),
        (("nope", "--cpu=1"), "/nope is not an existing Marathon group"),
        (("dev", "--cpu=-2"), "--cpu must not be negative"),
    ],
    ids=lambda one: str(one),
)
def test_quota_refusals(ready: Dcos, fake: FakeAdminRouter, words: tuple[str, ...], text: str) -> None:
    fake.marathon.groups = {"dev"}
    done = ready("quota", "create", *words)
    assert (done.code, text in done.err) == (1, True), done.err


@pytest.mark.parametrize(
    ("limit", "used", "wanted"),
    [
        ({"mem": 900}, {}, "0.00% (0 MiB of 900 MiB)"),
        ({"mem": 1500}, {"mem": 750}, "50.00% (0.8 GiB of 1.5 GiB)"),
        ({"mem": 0}, {}, "(0 MiB of 0 MiB)"),
        ({}, {"mem": 1}, "No limit"),
    ],
    ids=str,
)
def test_consumption(limit: dict[str, float], used: dict[str, float], wanted: str) -> None:
    assert consumption({"limit": limit, "consumed": used}, "mem") == wanted


# ---- bundles ---------------------------------------------------------------------------------------------------------


def test_bundles(ready: Dcos, fake: FakeAdminRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ready("diagnostics", "wait").err.startswith("Error: there is no bundle")
    bundle = ready("diagnostics", "create", "--masters").out.strip()
    assert re.fullmatch(r"[0-9a-f-]{36}", bundle)
    assert fake.operations.calls[-1] == {"masters": True, "agents": False}
    assert ready("diagnostics", "list", "-q").out == f"{bundle}\n"
    early = ready("diagnostics", "download", bundle)
    assert (early.code, "not done yet" in early.err, list(tmp_path.glob("*.zip"))) == (1, True, [])
    waited = ready("diagnostics", "wait", "--interval=0")
    assert (waited.code, waited.err.splitlines()) == (0, [f"Waiting for bundle {bundle}", "Started, 0 B"])
    assert ready("diagnostics", "list").rows[0][:2] == [bundle, "Done"]
    assert ready("diagnostics", "download").out == f"Diagnostics bundle downloaded to {tmp_path}/{bundle}.zip\n"
    assert (tmp_path / f"{bundle}.zip").read_text() == f"zip of {bundle}"
    assert ready("diagnostics", "delete", bundle).code == 0
    assert ready("diagnostics", "wait", bundle).err == f"Error: bundle {bundle} is deleted\n"
    assert ready("diagnostics", "delete", "none").err.startswith("Error: no such bundle")


def test_sizes_and_ages() -> None:
    assert [size(one) for one in (None, 0, 999, 1500, 25_000, 7_000_000_000)] == [
        *("0 B", "0 B", "999 B", "1.5 kB"),
        *("25 kB", "7.0 GB"),
    ]
    assert ago("2026-01-02T00:00:00Z", 1767312000 + 7200) == "2 hours ago"
    assert [ago("2026-01-02T00:00:00Z", 1767312000), ago(None, 0)] == ["now", "-"]


def test_older_bundles(ready: Dcos, fake: FakeAdminRouter, tmp_path: Path) -> None:
    assert ready("node", "diagnostics", "create", "masters").out == (
        "Job has been successfully started, available bundle: bundle-2026-01-02-2.zip\n"
    )
    assert fake.operations.calls[-1] == {"nodes": ["masters"]}
    assert ready("node", "diagnostics", "list").out.splitlines()[1] == "bundle-2026-01-02-1.zip 2.0MiB"
    assert "    is_running: false" in ready("node", "diagnostics", "status").out
    name = "bundle-2026-01-02-1.zip"
    assert ready("node", "diagnostics", "download", name, f"--location={tmp_path}").code == 0
    assert (tmp_path / name).read_text() == "old zip"
    assert ready("node", "diagnostics", "delete", name).out.startswith("Deleted ")
    assert ready("node", "diagnostics", "cancel").out.startswith("Attempting to cancel")


# ---- links -----------------------------------------------------------------------------------------------------------


def test_links(ready: Dcos, fake: FakeAdminRouter) -> None:
    assert ready("cluster", "link", fake.cluster_id).err == "Error: cannot link a cluster to itself\n"
    assert ready("cluster", "unlink", "other").err.startswith("Error: the current cluster is not linked to 'other'")
    fake.operations.links = [{"id": "other-id", "name": "other", "url": "http://127.0.0.1:9"}]
    rows = {row["cluster_id"]: row["status"] for row in ready("cluster", "list", "--json").json}
    assert rows == {fake.cluster_id: "AVAILABLE", "other-id": "UNCONFIGURED"}
    assert "127.0.0.1:9" in ready("cluster", "attach", "other").err, "it is set up where it is attached"
    assert ready("cluster", "unlink", "other").code == 0
    assert fake.operations.links == []
