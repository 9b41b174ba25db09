"""Protobuf of every message class: round trips, known bytes, and whatever else may come in."""

from __future__ import annotations

import importlib
import json
import typing
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.model.v1 import agent, executor, master, scheduler
from dcos.model.v1.types import (
    AgentID,
    ContainerID,
    Filters,
    FrameworkInfo,
    HealthCheckHTTPCheckInfo,
    MasterInfo,
    ProtobufDuration,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    ValueScalar,
)
from dcos.wire import mesos_json, mesos_proto
from dcos.wire.errors import WireError

GOLDEN = Path(__file__).parents[2] / "golden" / "mesos-1.11"
PACKAGES = ("types", "scheduler", "executor", "master", "agent", "quota", "maintenance", "allocator")
MODULES = [importlib.import_module(f"dcos.model.v1.{name}") for name in PACKAGES]
KINDS = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


@cache
def rows(kind: type) -> dict[str, str]:
    """Field names to the table's types."""
    return {row.name: row.type for row in mesos_proto._fields().get(mesos_proto._class_key(kind), ())}


def values(annotation: Any, scalar: str, depth: int) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (UnionType, typing.Union):
        inner = next(one for one in arguments if one is not type(None))
        return st.none() if depth == 0 else st.none() | values(inner, scalar, depth)
    if origin is tuple:
        return st.just(()) if depth == 0 else st.lists(values(arguments[0], scalar, depth), max_size=2).map(tuple)
    if origin is dict:
        return st.just({}) if depth == 0 else st.dictionaries(TEXT, values(arguments[1], scalar, depth), max_size=2)
    if issubclass(annotation, msgspec.Struct):
        return messages(annotation, max(depth - 1, 0))
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(*RANGES[scalar])
    if annotation is float:
        return st.floats(allow_nan=False)
    if annotation in (str, bytes):
        return TEXT if annotation is str else st.binary(max_size=8)
    return st.sampled_from(list(annotation))


@cache
def messages(kind: type[msgspec.Struct], depth: int) -> st.SearchStrategy[Any]:
    """Messages of a class, at most ``depth`` deep in what is optional."""
    return st.deferred(
        lambda: st.builds(
            kind,
            **{field.name: values(field.type, rows(kind)[field.name], depth) for field in msgspec.structs.fields(kind)},
        )
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}")
def test_every_class_comes_back(kind: type[msgspec.Struct]) -> None:
    @settings(max_examples=8, deadline=None, database=None)
    @given(messages(kind, 1))
    def comes_back(message: msgspec.Struct) -> None:
        raw = mesos_proto.encode(message)
        assert mesos_proto.decode(raw, kind) == message
        assert mesos_proto.decode(raw + bytes.fromhex("fa7f0401020304"), kind) == message  # an unknown field

    comes_back()


@settings(max_examples=100, deadline=None)
@given(messages(TaskInfo, 2))
def test_deep_messages_come_back(task: TaskInfo) -> None:
    assert mesos_proto.decode(mesos_proto.encode(task), TaskInfo) == task


SUBSCRIBE = scheduler.Call(
    type=scheduler.CallType.SUBSCRIBE,
    subscribe=scheduler.CallSubscribe(
        framework_info=FrameworkInfo(user="root", name="fw", roles=("a", "b"), failover_timeout=1.0, checkpoint=True)
    ),
)
KNOWN: list[tuple[str, msgspec.Struct]] = [
    # type=1; subscribe { framework_info { user, name, failover_timeout, checkpoint, roles twice } }
    ("10011a1d0a1b0a04726f6f741202667721000000000000f03f2801620161620162", SUBSCRIBE),
    ("090000000000001440", Filters(refuse_seconds=5.0)),
    ("08051080cab5ee01", ProtobufDuration(seconds=5, nanos=500_000_000)),
    ("08ffffffffffffffffff0110ffffffffffffffffff01", ProtobufDuration(seconds=-1, nanos=-1)),
    ("0a016312050a03706172", ContainerID(value="c", parent=ContainerID(value="par"))),
    ("08903f20c80120052801", HealthCheckHTTPCheckInfo(port=8080, statuses=(200, 5))),
    ("0a030a017410015a0200ff", TaskStatus(task_id=TaskID(value="t"), state=TaskState.TASK_RUNNING, uuid=b"\x00\xff")),
    (
        "0a016e12030a01741a030a01617a110a04637075731209090000000000000040",
        TaskInfo(
            name="n",
            task_id=TaskID(value="t"),
            agent_id=AgentID(value="a"),
            limits={"cpus": ValueScalar(value=2.0)},
        ),
    ),
    ("0801", agent.Call(type=agent.CallType.GET_HEALTH)),
]


@pytest.mark.parametrize(("raw", "message"), KNOWN, ids=[type(message).__name__ for _, message in KNOWN])
def test_known_bytes(raw: str, message: msgspec.Struct) -> None:
    assert mesos_proto.encode(message).hex() == raw
    assert mesos_proto.decode(bytes.fromhex(raw), type(message)) == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("2203c8010508903f", HealthCheckHTTPCheckInfo(port=8080, statuses=(200, 5))),  # packed, out of order
        ("080108903f", HealthCheckHTTPCheckInfo(port=8080)),  # the last one wins
        ("08903f2863", HealthCheckHTTPCheckInfo(port=8080)),  # an unknown enum number is dropped
        ("08903f2a0101", HealthCheckHTTPCheckInfo(port=8080)),  # another wire type: not this field
        ("089f808080808040", HealthCheckHTTPCheckInfo(port=31)),  # cut to 32 bits
        ("88000a", HealthCheckHTTPCheckInfo(port=10)),  # a long form of the tag
    ],
)
def test_what_a_reader_must_take(raw: str, message: msgspec.Struct) -> None:
    assert mesos_proto.decode(bytes.fromhex(raw), type(message)) == message


def test_messages_merge_and_maps_have_defaults() -> None:
    """Two pieces of one member are one message, even where neither has all that is required."""
    one, two = b"\x0a\x04\x0a\x02us", b"\x0a\x03\x12\x01n"
    merged = mesos_proto.decode(one + two, scheduler.CallSubscribe)
    assert merged == scheduler.CallSubscribe(framework_info=FrameworkInfo(user="us", name="n"))
    constraints = mesos_proto.decode(b"\x0a\x00\x0a\x03\x0a\x01r", scheduler.OfferConstraints)
    empty = scheduler.OfferConstraintsRoleConstraints()
    assert constraints == scheduler.OfferConstraints(role_constraints={"": empty, "r": empty})


def nested(depth: int) -> bytes:
    raw = b"\x0a\x00"
    for _ in range(depth):
        raw = b"\x0a\x00\x12" + mesos_proto._varint(len(raw)) + raw
    return raw


@pytest.mark.parametrize(
    ("raw", "kind", "path", "rule"),
    [
        ("1a070a050a03666f6f", scheduler.Call, "subscribe.framework_info", "Object missing required field `name`"),
        ("0a030a01611203", scheduler.CallAccept, "", "middle"),
        ("22070a030a01610a00", scheduler.Call, "accept.offer_ids[1]", "Object missing required field `value`"),
        ("0a02ff00", FrameworkInfo, "user", "UTF-8"),
        ("0b0c", FrameworkInfo, "", "groups"),
        ("0e", FrameworkInfo, "", "no wire type 6"),
        ("0000", FrameworkInfo, "", "out of range"),
        ("08ffffffffffffffffffff01", ProtobufDuration, "", "10 bytes"),
        ("0a05", FrameworkInfo, "", "middle"),
        ("09000000", Filters, "", "middle"),
        ("7a050a01781200", TaskInfo, "limits.value", "Object missing required field `value`"),
        (nested(101).hex(), ContainerID, ".".join(["parent"] * 101), "nested deeper"),
    ],
)
def test_bad_input_names_field_and_rule(raw: str, kind: type[msgspec.Struct], path: str, rule: str) -> None:
    with pytest.raises(WireError) as caught:
        mesos_proto.decode(bytes.fromhex(raw), kind)
    assert (caught.value.path, rule in caught.value.rule) == (path, True)


def test_depth_is_bounded() -> None:
    assert mesos_proto.decode(nested(100), ContainerID).parent is not None
    deep = ContainerID(value="")
    for _ in range(5000):
        deep = ContainerID(value="", parent=deep)
    with pytest.raises(WireError, match="nested too deep"):
        mesos_proto.encode(deep)


def test_numbers_are_cut_to_their_width() -> None:
    info = MasterInfo(id="", ip=2**32 + 7, port=-1)
    assert mesos_proto.decode(mesos_proto.encode(info), MasterInfo) == MasterInfo(id="", ip=7, port=2**32 - 1)


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert mesos_proto.encode(TaskID(value="a\ud800b")) == b"\x0a\x03a?b"


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos_proto, "MAX_SIZE", 4)
    with pytest.raises(WireError, match="more than 4"):
        mesos_proto.decode(bytes(5), Filters)


def test_a_class_outside_the_tables_is_refused() -> None:
    class Other(msgspec.Struct):
        name: str = ""

    with pytest.raises(LookupError, match="Other"):
        mesos_proto.encode(Other())


FUZZED: list[type[msgspec.Struct]] = [scheduler.Call, scheduler.Event, master.Call, agent.Call, executor.Call, TaskInfo]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FUZZED), st.binary(max_size=200))
def test_any_bytes_end(kind: type[msgspec.Struct], raw: bytes) -> None:
    try:
        message = mesos_proto.decode(raw, kind)
    except WireError:
        return
    assert isinstance(message, kind)
    mesos_proto.encode(message)


@settings(max_examples=200, deadline=None)
@given(messages(scheduler.Call, 3), st.data())
def test_any_damage_ends(call: scheduler.Call, data: st.DataObject) -> None:
    raw = bytearray(mesos_proto.encode(call))
    for _ in range(3):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        mesos_proto.decode(bytes(raw), scheduler.Call)
    except WireError:
        return


def recorded() -> list[Any]:
    found = []
    for path in sorted(GOLDEN.glob("operator-*-get-*.json")):
        kind = agent.Response if path.name.startswith("operator-agent") else master.Response
        found.append(pytest.param(json.loads(path.read_text())["body"], kind, id=path.stem))
    for number, event in enumerate(json.loads((GOLDEN / "scheduler-events.json").read_text())):
        found.append(pytest.param(event, scheduler.Event, id=f"event-{number}"))
    return found


@pytest.mark.parametrize(("body", "kind"), recorded())
def test_recorded_answers_come_back(body: Any, kind: type[msgspec.Struct]) -> None:
    message = mesos_json.decode(json.dumps(body).encode(), kind)
    assert mesos_proto.decode(mesos_proto.encode(message), kind) == message
