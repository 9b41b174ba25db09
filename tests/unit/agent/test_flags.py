"""What the agent says to flags: all of upstream's are taken, those without effect have a reason, others are refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from dcos.agent import isolators
from dcos.agent.config import Config
from dcos.runtime.settings import SettingsError, load, without_effect

GOLDEN = Path(__file__).resolve().parents[2] / "golden/mesos-1.11/agent-flags.json"
NEEDED = ("--master=m:1", "--work_dir=/work")


def config(*flags: str) -> Config:
    return load(Config, argv=[*NEEDED, *flags], environ={}, prefix="MESOS_")


def test_every_flag_of_upstream_is_taken() -> None:
    rows = dataclasses.fields(Config)
    ours = {name for row in rows for name in (row.name, *row.metadata["flags"])}
    assert set(json.loads(GOLDEN.read_text())["body"]["flags"]) - ours == {"help", "version"}


def test_what_has_no_effect_says_why() -> None:
    made = config(
        "--oversubscribed_resources_interval=1secs",
        "--nvidia_gpu_devices=0",
        "--xfs_project_range=[1-2]",
        "--csi_plugin_config_dir=/csi",
        "--ip6=::1",
    )
    told = without_effect(made)
    assert sorted(told) == [
        *("csi_plugin_config_dir", "ip6", "nvidia_gpu_devices"),
        *("oversubscribed_resources_interval", "xfs_project_range"),
    ]
    assert told["ip6"] == "Containers are told IPv4 addresses."
    assert without_effect(config("--oversubscribed_resources_interval=15secs")) == {}


def test_isolators() -> None:
    assert config("--isolation=cgroups/cpu,cgroups/mem,disk/du,network/cni").problems() == []
    made = config("--isolation=gpu/nvidia,disk/xfs,namespaces/pid")
    assert made.problems() == []
    assert isolators.idle(made.isolation) == {
        "gpu/nvidia": "Tasks get no GPU.",
        "disk/xfs": "No quota is set; disk/du measures.",
    }
    assert config("--isolation=namespace/pid").problems() == ["--isolation: unknown isolator 'namespace/pid'"]
    assert config("--isolation=com_acme_Isolator", "--modules_dir=/modules").problems() == []


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("--containerizers=docker,moby", "--containerizers: 'moby' is none of mesos, docker"),
        ("--image_providers=oci", "--image_providers: 'oci' is none of docker, appc"),
    ],
)
def test_what_upstream_does_not_have_is_refused(flag: str, problem: str) -> None:
    assert config(flag).problems() == [problem]
    with pytest.raises(SettingsError, match="no_such_flag"):
        config("--no_such_flag=1")
