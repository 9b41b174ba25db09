from __future__ import annotations

import math

import msgspec
import pytest

from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    AgentID,
    ExecutorID,
    ExecutorInfo,
    Filters,
    FrameworkInfo,
    TaskID,
    TaskInfo,
    TaskStatus,
    ValueScalar,
)
from dcos.wire import agent_link, mesos_json
from dcos.wire.errors import WireError


def test_defaults_of_the_schema_are_written_and_unset_members_are_not() -> None:
    made = msgspec.json.decode(mesos_json.encode(FrameworkInfo(user="u", name="n")))
    assert made == {"user": "u", "name": "n", "failover_timeout": 0.0, "checkpoint": False}
    assert mesos_json.encode(Filters()) == b'{"refuse_seconds":5.0}'


@pytest.mark.parametrize(
    ("raw", "member", "value"),
    [
        (b'{"user":"u","name":"n","failover_timeout":"2.5"}', "failover_timeout", 2.5),
        (b'{"user":"u","name":"n","failover_timeout":"Infinity"}', "failover_timeout", float("inf")),
        (b'{"user":"u","name":"n","checkpoint":"true"}', "checkpoint", True),
        (b'{"user":"u","name":"n","hostname":null}', "hostname", None),
        (b'{"user":"u","name":"n","roles":null}', "roles", ()),
        (b'{"user":"u","name":"n","roles":"one"}', "roles", ("one",)),
        (b'{"user":"u","name":"n","roles":[null,"one"]}', "roles", ("one",)),
        (b'{"user":"u","name":"n","later":{"x":[1]}}', "name", "n"),
    ],
)
def test_upstreams_leniency(raw: bytes, member: str, value: object) -> None:
    assert getattr(mesos_json.decode(raw, FrameworkInfo), member) == value


def test_unknown_enum_text_is_dropped() -> None:
    assert mesos_json.decode(b'{"type":"LATER"}', Call).type is None
    assert mesos_json.decode(b'{"type":"REVIVE","revive":null}', Call).type is CallType.REVIVE


def test_bytes_are_base64() -> None:
    status = mesos_json.decode(b'{"task_id":{"value":"t"},"state":"TASK_RUNNING","uuid":"AAEC"}', TaskStatus)
    assert status.uuid == b"\x00\x01\x02"
    assert b'"uuid":"AAEC"' in mesos_json.encode(status)


@pytest.mark.parametrize(
    ("raw", "path", "rule"),
    [
        (b'{"type":', "", "not valid JSON"),
        (b'{"subscribe":{"framework_info":{"user":"u"}}}', "subscribe.framework_info", "name"),
        (b'{"framework_id":{"value":[1]}}', "framework_id.value", "str"),
        (b"[1]", "", "object"),
        (b"[" * 100000, "", ""),
    ],
)
def test_bad_input_names_field_and_rule(raw: bytes, path: str, rule: str) -> None:
    with pytest.raises(WireError) as caught:
        mesos_json.decode(raw, Call)
    assert caught.value.path == path
    assert rule in caught.value.rule


def test_infinity_is_a_text() -> None:
    """A task without limits; on the agent's link and in its checkpoints too."""
    limits = {"cpus": ValueScalar(value=math.inf), "mem": ValueScalar(value=64.0)}
    executor = ExecutorInfo(executor_id=ExecutorID(value="null"))
    task = TaskInfo(name="t", task_id=TaskID(value="t"), agent_id=AgentID(value="a"), executor=executor, limits=limits)
    raw = mesos_json.encode(task)
    assert b'"limits":{"cpus":{"value":"Infinity"},"mem":{"value":64.0}}' in raw
    assert mesos_json.decode(raw, TaskInfo) == task
    order = agent_link.RunTask(framework=FrameworkInfo(user="u", name="f"), task=task)
    assert agent_link.decode_master_message(agent_link.encode(order)) == order
