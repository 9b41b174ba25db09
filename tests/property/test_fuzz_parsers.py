"""Every parser of texts and bytes from outside, fed with anything: it answers or raises its own error, nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.agent.config import Config as AgentConfig
from dcos.agent.config import variables
from dcos.agent.resources import agent_attributes
from dcos.master.config import Config as MasterConfig
from dcos.master.core.constraints import OfferFilter, RegexLimits, constraints_problem
from dcos.model import attributes, values
from dcos.model.resources import Resources
from dcos.model.sizes import parse as size
from dcos.model.v1 import agent, executor, master, scheduler
from dcos.model.v1.types import AgentInfo, DomainInfo
from dcos.runtime.settings import HelpWanted, SettingsError, duration, load
from dcos.wire import acls, agent_link, credentials, executor_token, firewall, link_proof, mesos_json, mesos_proto
from dcos.wire.errors import WireError
from dcos.wire.recordio import MAX_RECORD, Decoder, frame

fuzz = settings(max_examples=150, deadline=None)

# Bytes that are nearly right find more than noise does.
words = st.sampled_from(
    [
        *(
            "type",
            "SUBSCRIBE",
            "ACCEPT",
            "GET_STATE",
            "value",
            "framework_id",
            "subscribe",
            "framework_info",
            "resources",
        ),
        *("cpus", "scalar", "ranges", "principals", "roles", "values", "ANY", "permissive", "run_tasks", "users"),
        *(
            "nanoseconds",
            "max_grace_period",
            "quota_configs",
            "limits",
            "1e999",
            "NaN",
            "Infinity",
            "-0",
            "\0",
            "\ud800",
        ),
    ]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words
trees: st.SearchStrategy[Any] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=8), inner, max_size=4)
)


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode(errors="replace")


def with_a_byte(raw: bytes, at: int, byte: int) -> bytes:
    return raw[: at % (len(raw) + 1)] + bytes([byte]) + raw[at % (len(raw) + 1) :]


bodies = (
    st.binary(max_size=200)
    | trees.map(as_bytes)
    | st.builds(with_a_byte, trees.map(as_bytes), st.integers(0, 1000), st.integers(0, 255))
)
MESSAGES = (scheduler.Call, master.Call, agent.Call, executor.Call, DomainInfo)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}")
@fuzz
@given(raw=bodies)
def test_json_messages(kind: Any, raw: bytes) -> None:
    with contextlib.suppress(WireError):
        mesos_json.encode(mesos_json.decode(raw, kind))


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}")
@fuzz
@given(raw=st.binary(max_size=300))
def test_protobuf_messages(kind: Any, raw: bytes) -> None:
    with contextlib.suppress(WireError):
        mesos_json.encode(mesos_proto.decode(raw, kind))


@fuzz
@given(pieces=st.lists(st.binary(max_size=40) | st.binary(max_size=20).filter(bool).map(frame), max_size=8))
def test_recordio(pieces: list[bytes]) -> None:
    decoder = Decoder()
    with contextlib.suppress(WireError):
        for piece in pieces:
            decoder.feed(piece)


@pytest.mark.parametrize(
    "head", [b"99999999999999999999\n", b"-1\nx", b"0\n", b"1" * 10_000, b"\xff\n", b"\n", b"1e3\n"]
)
def test_recordio_keeps_nothing_big(head: bytes) -> None:
    with pytest.raises(WireError):
        Decoder().feed(head + b"x" * 100)


def test_recordio_bounds_a_record() -> None:
    with pytest.raises(WireError):
        Decoder().feed(f"{MAX_RECORD + 1}\n".encode())


@fuzz
@given(raw=bodies)
def test_messages_of_the_link(raw: bytes) -> None:
    for decode in (agent_link.decode_agent_message, agent_link.decode_master_message):
        with contextlib.suppress(msgspec.MsgspecError):
            decode(raw)


texts = st.text(max_size=60) | st.text(alphabet="cpusmedik:;,.()[]{}-0123456789*/ \t\n=", max_size=40)


@pytest.mark.parametrize(
    "parse",
    [
        *(Resources.parse, attributes.parse, agent_attributes, values.parse),
        *(duration, size, variables, acls.parse, firewall.disabled_endpoints),
        *(credentials.parse_many, credentials.parse_one, link_proof.read),
        lambda text: link_proof.prove("p", "s", text),
    ],
    ids=lambda parse: getattr(parse, "__qualname__", "prove"),
)
@fuzz
@given(text=texts | trees.map(json.dumps))
def test_texts(parse: Callable[[str], Any], text: str) -> None:
    with contextlib.suppress(ValueError):
        parse(text)


@fuzz
@given(token=st.text(max_size=80))
def test_tokens(token: str) -> None:
    with pytest.raises(executor_token.TokenError):
        executor_token.verify(b"k" * 32, token)


FLAGS = sorted({*MasterConfig.__dataclass_fields__, *AgentConfig.__dataclass_fields__} - {"credential", "credentials"})


@pytest.mark.parametrize("config", [MasterConfig, AgentConfig], ids=["master", "agent"])
@fuzz
@given(
    argv=st.lists(
        st.tuples(st.sampled_from(FLAGS), texts).map(lambda pair: f"--{pair[0]}={pair[1]}")
        | st.sampled_from(FLAGS).map(lambda name: f"--no-{name}")
        | st.text(max_size=12),
        max_size=5,
    )
)
def test_flags(config: Any, argv: list[str]) -> None:
    with contextlib.suppress(SettingsError, HelpWanted):
        load(config, argv, {}, prefix="MESOS_", prog="p")


@fuzz
@given(given_=trees, regex=st.text(max_size=30) | st.text(alphabet="ab()[]{}|*+?.\\^$0123456789,:=!<", max_size=30))
def test_offer_constraints(given_: Any, regex: str) -> None:
    """Whatever passes is matched without trouble."""
    attribute = {"selector": {"attribute_name": "x"}, "predicate": {"text_matches": {"regex": regex}}}
    groups = [{"attribute_constraints": [attribute]}, given_]
    try:
        wanted = mesos_json.decode(
            as_bytes({"role_constraints": {"r": {"groups": groups}}}), scheduler.OfferConstraints
        )
    except WireError:
        return
    if constraints_problem(wanted, RegexLimits()) is None:
        OfferFilter(wanted, RegexLimits()).allows(
            "r", AgentInfo(hostname="h", attributes=attributes.parse(f"x:{'ab' * 50}"))
        )
