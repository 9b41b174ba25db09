"""Small pure rules of the agent, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dcos.agent.containerizer.limits import cpu_shares, cpu_weight, cpus_hard, mem_hard, quota_us
from dcos.agent.core.ageing import allowed_age_s, due
from dcos.agent.core.argv import NoCommand, command_argv, image_argv
from dcos.agent.core.compatibility import difference
from dcos.agent.core.environment import AgentEnvironment, BadEnvironment, Ids, environment
from dcos.agent.core.executors import command_executor, limits_of
from dcos.agent.core.exits import Exit, describe, judge
from dcos.agent.core.health import Answer, Health
from dcos.model.durations import text as duration_text
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    Attribute,
    CommandInfo,
    Environment,
    EnvironmentVariable,
    HealthCheck,
    TaskID,
    TaskInfo,
    ValueScalar,
    ValueText,
    ValueType,
)

E, C = ("/entry", "-x"), ("cmd", "arg")


@pytest.mark.parametrize(
    ("command", "none", "cmd_only", "entry_only", "both"),
    [
        (CommandInfo(shell=False), None, C, E, E + C),
        (CommandInfo(shell=False, arguments=("a",)), None, ("cmd", "a"), (*E, "a"), (*E, "a")),
        (CommandInfo(shell=False, value="v", arguments=("n", "a")), *[("v", "a")] * 4),
        (CommandInfo(value="v"), *[("/bin/sh", "-c", "v")] * 4),
        (CommandInfo(), None, None, None, None),
    ],
    ids=["nothing", "argv", "value", "shell", "shell-without-value"],
)
def test_entrypoint_and_cmd(command: CommandInfo, none: Any, cmd_only: Any, entry_only: Any, both: Any) -> None:
    for expected, entrypoint, cmd in ((none, (), ()), (cmd_only, (), C), (entry_only, E, ()), (both, E, C)):
        if expected is None:
            with pytest.raises(NoCommand):
                image_argv(command, entrypoint, cmd)
        else:
            assert image_argv(command, entrypoint, cmd) == expected


def test_command_on_the_host() -> None:
    assert command_argv(CommandInfo(value="x")) == ("/bin/sh", ("sh", "-c", "x"))
    assert command_argv(CommandInfo(shell=False, value="x", arguments=("n", "a"))) == ("x", ("n", "a"))
    assert command_argv(CommandInfo(shell=False, value="x")) == ("x", ("x",))
    with pytest.raises(NoCommand):
        command_argv(CommandInfo())


@pytest.mark.parametrize(
    ("end", "killed", "timed_out", "state", "reason"),
    [
        (Exit(code=0), False, False, "TASK_FINISHED", None),
        (Exit(code=0), True, False, "TASK_KILLED", None),
        (Exit(signal=15), True, True, "TASK_FAILED", "REASON_MAX_COMPLETION_TIME_REACHED"),
        (Exit(signal=9, out_of_memory=True), False, False, "TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY"),
        (Exit(), False, False, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED"),
        (Exit(code=1), False, False, "TASK_FAILED", None),
    ],
)
def test_verdicts(end: Exit, killed: bool, timed_out: bool, state: str, reason: str | None) -> None:
    verdict = judge(end, killed=killed, timed_out=timed_out, mem_mb=32)
    assert (verdict.state, verdict.reason) == (state, reason)


@pytest.mark.parametrize(
    ("status", "text", "wait_status"),
    [
        (0, "Command exited with status 0", 0),
        (3, "Command exited with status 3", 768),
        (137, "Command terminated with signal Killed", 9),
        (255, "Command exited with status 255", 65280),
    ],
)
def test_shell_statuses(status: int, text: str, wait_status: int) -> None:
    assert describe(Exit.of_shell(status)) == text
    assert Exit.of_shell(status).wait_status == wait_status


def test_health_counts_only_after_grace_or_success() -> None:
    check = HealthCheck(grace_period_seconds=10, consecutive_failures=2)
    health = Health(started_at=0.0)
    assert health.result(check, False, 5.0) is Answer.NOTHING
    assert health.result(check, True, 6.0) is Answer.TELL
    assert health.result(check, True, 7.0) is Answer.NOTHING
    assert health.result(check, False, 8.0) is Answer.TELL
    assert health.result(check, True, 8.5) is Answer.TELL
    assert health.result(check, False, 9.0) is Answer.TELL
    assert health.result(check, False, 9.5) is Answer.TELL_AND_KILL


@pytest.mark.parametrize(
    ("cpus", "shares", "weight", "quota"),
    [(1, 2, 1, 1000), (1500, 1536, 150, 150_000), (100, 102, 10, 10_000), (500_000, 512_000, 10_000, 50_000_000)],
)
def test_cpu_numbers(cpus: int, shares: int, weight: int, quota: int) -> None:
    assert (cpu_shares(cpus), cpu_weight(cpus), quota_us(cpus / 1000)) == (shares, weight, quota)


def task(limits: dict[str, float] | None = None, **resources: float) -> TaskInfo:
    return TaskInfo(
        name="n",
        task_id=TaskID(value="t"),
        agent_id=AgentID(value="S"),
        command=CommandInfo(value="echo out; echo more"),
        resources=Resources.scalars(**resources).messages("web"),
        limits={name: ValueScalar(value=value) for name, value in (limits or {}).items()},
    )


def test_limits() -> None:
    small = limits_of(task(cpus=0.001, mem=1), EMPTY)
    assert mem_hard(small) == 32 * 2**20
    assert cpus_hard(small, enable_cfs=False) is None
    assert cpus_hard(small, enable_cfs=True) == 0.001
    open_ = limits_of(task({"cpus": float("inf"), "mem": float("inf")}, cpus=1, mem=64), EMPTY)
    assert mem_hard(open_) is None
    assert cpus_hard(open_, enable_cfs=True) is None
    high = limits_of(task({"cpus": 2.5, "mem": 128}, cpus=1, mem=64), EMPTY)
    assert (cpus_hard(high, enable_cfs=False), mem_hard(high)) == (2.5, 128 * 2**20)


def test_command_executor_is_named_as_upstream_names_it() -> None:
    made = command_executor(task(cpus=1), "F", "/usr/libexec/mesos")
    assert made.name == "Command Executor (Task: t) (Command: sh -c 'echo out; ec...')"
    argv = msgspec.structs.replace(task(), command=CommandInfo(shell=False, value="ls", arguments=("ls", "-l")))
    assert command_executor(argv, "F", "").name == "Command Executor (Task: t) (Command: [ls, ls, -l])"
    assert made.resources[0].allocation_info is not None
    assert made.resources[0].allocation_info.role == "web"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(900, "15mins"), (2, "2secs"), (604800, "1weeks"), (0, "0ns"), (0.05, "50ms"), (21600, "6hrs"), (90, "90secs")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_environment_precedence() -> None:
    agent = AgentEnvironment("S", "1.2.3.4:5051", 900, 5, False, {"PATH": "/agent", "A": "agent", "B": "agent"})
    command = CommandInfo(value="x", environment=Environment(variables=(EnvironmentVariable(name="A", value="task"),)))
    out = environment(
        agent, Ids("F", "E", False, "web"), directory="/d", sandbox="/s", image={"B": "image"}, command=command
    )
    assert (out["PATH"], out["A"], out["B"]) == ("/agent", "task", "image")
    assert out["MESOS_CHECKPOINT"] == "0"
    assert "MESOS_RECOVERY_TIMEOUT" not in out
    assert out["MESOS_SLAVE_PID"] == "slave(1)@1.2.3.4:5051"
    assert "MESOS_NATIVE_LIBRARY" not in out
    with_library = replace(agent, native_library="/lib/libmesos.so")
    ids = Ids("F", "E", True, None)
    out = environment(with_library, ids, directory="/d", sandbox="/s", image={}, command=CommandInfo())
    assert (out["MESOS_NATIVE_JAVA_LIBRARY"], out["MESOS_NATIVE_LIBRARY"]) == ("/lib/libmesos.so",) * 2
    assert (out["MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"], out["MESOS_HTTP_COMMAND_EXECUTOR"]) == ("5secs", "0")
    assert (out["MESOS_SUBSCRIPTION_BACKOFF_MAX"], out["LIBPROCESS_PORT"]) == ("2secs", "0")
    bad = CommandInfo(value="x", environment=Environment(variables=(EnvironmentVariable(name="A=B", value=""),)))
    with pytest.raises(BadEnvironment, match="A=B"):
        environment(agent, Ids("F", "E", False, None), directory="", sandbox="", image={}, command=bad)


def test_all_that_an_executor_is_given() -> None:
    agent = AgentEnvironment("S", "1.2.3.4:5051", 900, 5, False)
    assert environment(
        agent, Ids("F", "E", True, "web"), directory="/d/c", sandbox="/mnt/s", image={}, command=CommandInfo()
    ) == {
        "MESOS_FRAMEWORK_ID": "F",
        "MESOS_EXECUTOR_ID": "E",
        "MESOS_SLAVE_ID": "S",
        "MESOS_SLAVE_PID": "slave(1)@1.2.3.4:5051",
        "MESOS_AGENT_ENDPOINT": "1.2.3.4:5051",
        "MESOS_DIRECTORY": "/d/c",
        "MESOS_SANDBOX": "/mnt/s",
        "MESOS_CHECKPOINT": "1",
        "MESOS_RECOVERY_TIMEOUT": "15mins",
        "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "MESOS_ALLOCATION_ROLE": "web",
        "LIBPROCESS_PORT": "0",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def info(resources: str, attributes: dict[str, str] | None = None, hostname: str = "h") -> AgentInfo:
    made = tuple(
        Attribute(name=name, type=ValueType.TEXT, text=ValueText(value=value))
        for name, value in (attributes or {}).items()
    )
    return AgentInfo(hostname=hostname, resources=Resources.parse(resources).messages(), attributes=made)


@pytest.mark.parametrize(
    ("policy", "before", "now", "refused"),
    [
        ("equal", info("cpus:1"), info("cpus:1"), None),
        ("equal", info("cpus:1"), info("cpus:2"), "resources changed"),
        ("additive", info("cpus:1;ports:[1-5]"), info("cpus:2;ports:[1-9];mem:3"), None),
        ("additive", info("cpus:2"), info("cpus:1"), "resources shrank"),
        ("additive", info("cpus:1", {"a": "1"}), info("cpus:1", {"a": "1", "b": "2"}), None),
        ("additive", info("cpus:1", {"a": "1"}), info("cpus:1", {"a": "2"}), "attribute 'a' changed"),
        ("additive", info("cpus:1", {"a": "1"}), info("cpus:1"), "attribute 'a' is gone"),
        ("additive", info("cpus:1"), info("cpus:1", hostname="other"), "hostname changed"),
    ],
)
def test_reconfiguration(policy: str, before: AgentInfo, now: AgentInfo, refused: str | None) -> None:
    said = difference(policy, before, now)
    assert said is None if refused is None else said is not None and said.startswith(refused)


def test_ageing() -> None:
    assert allowed_age_s(100, 0.1, 0.4) == pytest.approx(50)
    assert allowed_age_s(100, 0.1, 0.95) == 0
    assert due({"new": 95.0, "old": 10.0, "older": 5.0}, 50, 100) == ["older", "old"]
