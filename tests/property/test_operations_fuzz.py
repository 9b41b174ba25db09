"""Whatever resources somebody writes into an operation: it is refused or applied, and the books hold."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.master.core import effects
from dcos.master.core.events import Operate
from dcos.model.resources import Resources
from dcos.model.v1.types import FrameworkInfoCapabilityType, OfferOperation, Resource
from dcos.wire import mesos_json
from dcos.wire.errors import WireError
from tests.unit.master.stage import AWARE, Stage, framework_info, launch, task

FLAGS = "cpus:4;mem:1024;disk:100;disk(r):40;ports:[1-10];things:{a,b}"
numbers = st.sampled_from([0, 0.0001, 1, 2.5, 10, 40, -1, 1e18, 1e300, float("inf"), float("nan")])
roles = st.sampled_from(["r", "r/s", "*", "", "a//b", ".", "r/", "other"])
entries = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["DYNAMIC", "STATIC", "UNKNOWN"]),
        "role": roles,
        "principal": st.sampled_from(["p", ""]),
    },
)
disks = st.fixed_dictionaries(
    {},
    optional={
        "persistence": st.fixed_dictionaries({"id": st.sampled_from(["v", "w", "", "a/b", ".."])}),
        "volume": st.fixed_dictionaries(
            {"container_path": st.sampled_from(["data", "", "/abs"]), "mode": st.sampled_from(["RW", "RO"])},
            optional={"host_path": st.just("/x")},
        ),
        "source": st.fixed_dictionaries(
            {"type": st.sampled_from(["PATH", "MOUNT", "BLOCK", "RAW", "UNKNOWN"])},
            optional={"path": st.just({"root": "/p"}), "mount": st.just({"root": "/m"}), "id": st.just("i")},
        ),
    },
)
names = st.sampled_from(["cpus", "mem", "disk", "disk", "disk", "ports", "things", "gpus", "", "new"])
resources = st.fixed_dictionaries(
    {"name": names, "type": st.sampled_from(["SCALAR", "SCALAR", "SCALAR", "RANGES", "SET", "TEXT"])},
    optional={
        "scalar": st.fixed_dictionaries({"value": numbers}),
        "ranges": st.just({"range": [{"begin": 1, "end": 3}]}),
        "set": st.just({"item": ["a"]}),
        "role": roles,
        "reservation": st.fixed_dictionaries({}, optional={"principal": st.just("p")}),
        "reservations": st.lists(entries, max_size=3),
        "disk": disks,
        "shared": st.just({}),
        "revocable": st.just({}),
        "provider_id": st.just({"value": "x"}),
        "allocation_info": st.fixed_dictionaries({"role": roles}),
    },
)
RESERVED = {
    "name": "disk",
    "type": "SCALAR",
    "scalar": {"value": 10},
    "reservations": [{"type": "STATIC", "role": "r"}],
}
VOLUME = {
    **RESERVED,
    "disk": {"persistence": {"id": "v"}, "volume": {"container_path": "data", "mode": "RW"}},
}
ones = st.one_of(resources, st.sampled_from([RESERVED, VOLUME]))
many = st.lists(ones, max_size=3)
operations = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("RESERVE"), "reserve": st.fixed_dictionaries({"resources": many, "source": many})}
    ),
    st.fixed_dictionaries({"type": st.just("RESERVE"), "reserve": st.fixed_dictionaries({"resources": many})}),
    st.fixed_dictionaries({"type": st.just("UNRESERVE"), "unreserve": st.fixed_dictionaries({"resources": many})}),
    st.fixed_dictionaries({"type": st.just("CREATE"), "create": st.fixed_dictionaries({"volumes": many})}),
    st.fixed_dictionaries({"type": st.just("DESTROY"), "destroy": st.fixed_dictionaries({"volumes": many})}),
    st.fixed_dictionaries(
        {"type": st.just("GROW_VOLUME"), "grow_volume": st.fixed_dictionaries({"volume": ones, "addition": ones})}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("SHRINK_VOLUME"),
            "shrink_volume": st.fixed_dictionaries(
                {"volume": ones, "subtract": st.fixed_dictionaries({"value": numbers})}
            ),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("CREATE_DISK"), "create_disk": st.just({"source": VOLUME, "target_type": "MOUNT"})}
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["RESERVE", "CREATE", "GROW_VOLUME", "UNKNOWN"])}),
)


def decoded(given: dict[str, Any]) -> OfferOperation | None:
    with contextlib.suppress(WireError):
        return mesos_json.decode(json.dumps(given).encode(), OfferOperation)
    return None


def check(stage: Stage, agent: str) -> None:
    record = stage.state.agents[agent]
    free = stage.state.allocator.free(agent)
    assert record.total.quantities() == Resources.parse(FLAGS).quantities()
    assert free.exclusive() == (record.total - record.used - record.offered).exclusive()
    for message in record.total.messages():
        assert Resources.of((mesos_json.decode(mesos_json.encode(message), Resource),))


@settings(max_examples=200, deadline=None)
@given(st.lists(operations, min_size=1, max_size=4), st.booleans())
def test_operators_and_schedulers(given_operations: list[dict[str, Any]], framework: bool) -> None:
    wanted = [known for one in given_operations if (known := decoded(one)) is not None]
    stage = Stage()
    agent, _ = stage.agent(FLAGS)
    if framework:
        sharing = (*AWARE, FrameworkInfoCapabilityType.SHARED_RESOURCES)
        name, stream = stage.subscribe(framework_info("f", "r", capabilities=sharing))
        stage.accept(name, stage.offers(stream), [*wanted, launch(task("t", agent))])
        assert "t" in stage.state.frameworks[name].tasks
        check(stage, agent)
        return
    for one in wanted:
        made = stage.do(Operate(stage.now, 1, agent, one))
        (answer,) = [effect for effect in made if isinstance(effect, effects.Answer)]
        assert answer.status in (202, 400, 409)
        check(stage, agent)
