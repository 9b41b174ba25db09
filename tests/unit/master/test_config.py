from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dcos.master.config import PREFIX, Config
from dcos.runtime.settings import SettingsError, load, without_effect

ZK = "--zk=zk://h:2181/mesos"


def test_upstreams_forms() -> None:
    config = load(
        Config,
        [ZK, "--offer_timeout=2mins", "--roles=a,b", "--weights=a=2,b=0.5", "--no-root_submissions"],
        {"MESOS_MIN_ALLOCATABLE_RESOURCES": "cpus:0.01;mem:32;ports:1", "MESOS_QUORUM": "2"},
        prefix=PREFIX,
    )
    rules = config.rules()
    assert rules.offer_timeout_s == 120
    assert rules.roles == frozenset({"a", "b", "*"})
    assert rules.weights == {"a": 2.0, "b": 0.5}
    assert rules.min_allocatable == ({"cpus": 10, "mem": 32_000, "ports": 1000},)
    assert not rules.root_submissions


def test_flags_are_shown_as_text() -> None:
    flags = load(Config, [ZK], {}, prefix=PREFIX).flags()
    assert flags["agent_ping_timeout"] == "15secs"
    assert flags["agent_reregister_timeout"] == "10mins"
    assert flags["registry_max_agent_age"] == "2weeks"
    assert flags["min_allocatable_resources"] == "cpus:0.01|mem:32"
    assert flags["root_submissions"] == "true"
    assert "offer_timeout" not in flags


def test_credentials_are_not_shown() -> None:
    flags = load(Config, ["--zk=zk://user:secret@h/mesos"], {}, prefix=PREFIX).flags()
    assert "secret" not in str(flags)


@pytest.mark.parametrize(
    "word", ["--weights=a", "--weights=a=-1", "--min_allocatable_resources=x", "--offer_timeout=5", "--port=70000"]
)
def test_bad_values_are_named(word: str) -> None:
    with pytest.raises(SettingsError, match=word.partition("=")[0]):
        load(Config, [ZK, word], {}, prefix=PREFIX)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("--max_agent_ping_timeouts=0", "must be at least 1"),
        ("--agent_ping_timeout=16mins", "must be between 1secs and 15mins"),
        ("--agent_removal_rate_limit=1", "must look like 1/10mins"),
        ("--agent_removal_rate_limit=0/10mins", "must look like 1/10mins"),
        ("--recovery_agent_removal_limit=50", "must be a percentage"),
        ("--recovery_agent_removal_limit=101%", "must be a percentage"),
        ("--domain={}", "must define `fault_domain`"),
        ("--whitelist=relative", "must be a file"),
        ("--role_sorter=fair", "--role_sorter"),
        ("--offer_constraints_re2_max_mem=x", "--offer_constraints_re2_max_mem"),
    ],
)
def test_why_values_are_bad(word: str, why: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(why)):
        load(Config, [ZK, word], {}, prefix=PREFIX)


def test_values_that_look_unusual() -> None:
    domain = '{"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}}'
    words = [
        f"--domain={domain}",
        "--whitelist=file:///etc/hosts",
        "--agent_removal_rate_limit=3/1mins",
        "--weights=a=2,b=0.5",
    ]
    config = load(Config, [ZK, *words], {}, prefix=PREFIX)
    assert config.rules().removal_interval_s == 20.0
    assert config.whitelist == Path("/etc/hosts")
    assert load(Config, [ZK, "--whitelist=*"], {}, prefix=PREFIX).whitelist is None
    shown = config.flags()
    assert (shown["agent_removal_rate_limit"], shown["weights"]) == ("3/1mins", "a=2,b=0.5")
    assert json.loads(shown["domain"]) == json.loads(domain)


def test_zookeeper_is_required_but_for_a_registry_in_memory() -> None:
    (problem,) = load(Config, [], {}, prefix=PREFIX).problems()
    assert problem.startswith("--zk is missing")
    config = load(Config, ["--registry=in_memory"], {}, prefix=PREFIX)
    assert config.problems() == []
    assert "zk" not in config.flags()
    assert config.flags()["registry"] == "in_memory"
    assert without_effect(config) == {}
    with pytest.raises(SettingsError, match="--registry"):
        load(Config, ["--registry=paper"], {}, prefix=PREFIX)


def test_older_names_of_flags() -> None:
    argv = [ZK, "--slave_ping_timeout=20secs", "--authenticate_slaves", "--max_slave_ping_timeouts=7"]
    environ = {"MESOS_SLAVE_REREGISTER_TIMEOUT": "11mins", "MESOS_USER_SORTER": "random"}
    config = load(Config, argv, environ, prefix=PREFIX)
    assert (config.agent_ping_timeout, config.max_agent_ping_timeouts, config.authenticate_agents) == (20, 7, True)
    assert (config.agent_reregister_timeout, config.role_sorter) == (660, "random")


def test_flags_without_effect_are_known_by_name() -> None:
    config = load(Config, [ZK, "--quorum=2", "--modules_dir=/x", "--registry=replicated_log"], {}, prefix=PREFIX)
    assert list(without_effect(config)) == ["quorum", "modules_dir"]
    with pytest.raises(SettingsError, match="unknown flag"):
        load(Config, [ZK, "--quorun=2"], {}, prefix=PREFIX)


def test_settings_that_contradict() -> None:
    config = load(Config, [ZK, "--authenticate_http_frameworks", "--authenticate_agents"], {}, prefix=PREFIX)
    first, second, third = config.problems()
    assert "realm 'mesos-master-scheduler'" in first
    assert "--http_framework_authenticators" in second
    assert "--credentials" in third


def test_acls_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "acls.json"
    file.write_text('{"permissive": false}')
    for text in (f"--acls={file}", f"--acls=file://{file}", '--acls={"permissive": false}'):
        config = load(Config, [ZK, text], {}, prefix=PREFIX)
        assert config.acls is not None
        assert not config.acls.permissive


RATES = '{"limits": [{"principal": "p", "qps": 5, "capacity": 10}, {"principal": "q"}], "aggregate_default_qps": 1}'


def test_rate_limits_are_looked_at() -> None:
    config = load(Config, [ZK, f"--rate_limits={RATES}"], {}, prefix=PREFIX)
    assert config.rate_limits is not None
    assert [(one.principal, one.qps, one.capacity) for one in config.rate_limits.limits] == [
        ("p", 5.0, 10),
        ("q", None, None),
    ]
    assert list(without_effect(config)) == ["rate_limits"]
    assert '"principal":"p"' in config.flags()["rate_limits"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"limits": [{"principal": "p"}, {"principal": "p"}]}', "Duplicate principal p found in RateLimits"),
        ('{"limits": [{"principal": "p", "qps": 0}]}', "Invalid qps: 0. It must be a positive number"),
        ('{"aggregate_default_qps": -1}', "Invalid aggregate_default_qps: -1. It must be a positive number"),
        ('{"limits": [{"qps": 1}]}', "principal"),
        ("{", "--rate_limits"),
    ],
)
def test_bad_rate_limits_are_named(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(why)):
        load(Config, [ZK, f"--rate_limits={text}"], {}, prefix=PREFIX)


def test_limits_of_expressions() -> None:
    argv = [ZK, "--offer_constraints_re2_max_mem=8KB", "--offer_constraints_re2_max_program_size=7"]
    config = load(Config, argv, {}, prefix=PREFIX)
    assert (config.rules().regex_limits.max_mem, config.rules().regex_limits.max_program_size) == (8192, 7)
    assert load(Config, [ZK], {}, prefix=PREFIX).flags()["offer_constraints_re2_max_mem"] == "4KB"


def test_what_only_makes_sense_together() -> None:
    argv = [ZK, "--roles=a", "--weights=b=2,*=3", "--offer_timeout=0secs"]
    assert load(Config, argv, {}, prefix=PREFIX).problems() == [
        "Invalid value '0ns' for --offer_timeout: Must be greater than zero",
        "Invalid weight: 'b=2'. b is not a valid role",
    ]
