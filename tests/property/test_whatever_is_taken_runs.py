"""Whatever definition Marathon takes it can launch, probe, show and give up: nothing that a client may write ends the leader.

Definitions are drawn from members that are right alone, wrong alone, or wrong together; what breaks a rule must be refused in the
API's words, everything else goes through a life of its instances.
"""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.marathon import pod_views, views
from dcos.marathon.api_apps import fields_of
from dcos.marathon.core import effects, events
from dcos.marathon.core.agents import Agent, Cluster
from dcos.marathon.core.errors import Refused
from dcos.marathon.core.normalize import Defaults
from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings, State
from dcos.marathon.core.validate import Rules
from dcos.marathon.probes import targets
from dcos.model.marathon_state import AgentRef
from dcos.model.pods import Pod
from dcos.model.resources import Resources
from dcos.model.v1 import types as v1
from dcos.scheduling.match import Policy
from dcos.wire import marathon as wire

NOW = 1_700_000_000.0
FEATURES = frozenset({"secrets", "gpu_resources", "external_volumes"})
EMBEDS = frozenset({"tasks", "counts", "deployments", "readiness", "lastTaskFailure", "taskStats", "extensions"})
ROOMY = "cpus:64;mem:65536;disk:99999;gpus:4;ports:[80-80,31000-31099]"

CHECK_TIMES: list[dict[str, Any]] = [{}, {"gracePeriodSeconds": 0}, {"maxConsecutiveFailures": 0, "delaySeconds": 0}]
HEALTH = [
    {**check, **times}
    for check in (
        {"protocol": "HTTP"}, {"protocol": "HTTP", "portIndex": 1}, {"protocol": "HTTPS", "port": 99, "path": "/x"},
        {"protocol": "TCP", "portIndex": 7}, {"protocol": "TCP", "ipProtocol": "IPv6"},
        {"protocol": "COMMAND", "command": {"value": "true"}}, {"protocol": "COMMAND", "portIndex": 9}, {"protocol": "COMMAND"},
        {"protocol": "MESOS_HTTP", "portIndex": 1}, {"protocol": "MESOS_HTTPS", "port": 1, "portIndex": 1},
        {"protocol": "MESOS_TCP"}, {"protocol": "MESOS_TCP", "portIndex": 3}, {"protocol": "MESOS_HTTP", "ipProtocol": "IPv6"},
    )
    for times in CHECK_TIMES
]  # fmt: skip
VOLUMES: list[list[dict[str, Any]]] = [
    [{"containerPath": "a", "hostPath": "/h", "mode": "RO"}],
    [{"containerPath": "a", "secret": "s"}],
    [{"containerPath": "a", "mode": "RW", "persistent": {"size": 5}}],
    [{"containerPath": "a", "mode": "RW", "persistent": {"size": 5, "type": "mount", "maxSize": 9}}],
    [
        {
            "containerPath": "a",
            "mode": "RW",
            "external": {"provider": "dvdi", "name": "v", "options": {"dvdi/driver": "x"}},
        }
    ],
    [{"containerPath": "a"}],
]
MAPPINGS: list[list[dict[str, Any]]] = [
    [],
    [{}],
    [{"containerPort": 80, "hostPort": 0, "name": "http", "labels": {"VIP_0": "/a:80"}}, {"protocol": "udp,tcp"}],
    [{"containerPort": 80, "hostPort": 80, "networkNames": ["n"]}],
]
CONTAINERS: list[dict[str, Any]] = [
    {"type": engine, **image, **more}
    for engine in ("MESOS", "DOCKER")
    for image in ({}, {"docker": {"image": "x"}}, {"docker": {"image": "x", "pullConfig": {"secret": "s"}}})
    for more in (*({"volumes": one} for one in VOLUMES), *({"portMappings": one} for one in MAPPINGS), {})
]
APP: dict[str, list[Any]] = {
    "cmd": ["run", "x", ""],
    "args": [["a", "b"], []],
    "user": ["nobody"],
    "env": [{"A": "b"}, {"A": {"secret": "s"}}, {"": "b"}],
    "secrets": [{"s": {"source": "x"}}, {}],
    "instances": [0, 1, 3, "all"],
    "cpus": [0, 0.001, 1, 1e6],
    "mem": [0, 32, 0.5],
    "disk": [0, 10],
    "gpus": [0, 1],
    "resourceLimits": [{"cpus": 2}, {"mem": "unlimited"}, {"cpus": 0.01}],
    "executor": ["", "//cmd", "/run"],
    "constraints": [[["hostname", "UNIQUE"]], [["rack", "GROUP_BY"]], [["@zone", "LIKE", "("]], [["none", "MAX_PER", "1"]], [[]]],
    "acceptedResourceRoles": [["*"], ["other"], []],
    "role": ["*", "keep", "a"],
    "container": CONTAINERS,
    "networks": [
        [{"mode": "host"}], [{"mode": "container/bridge"}], [{"mode": "container", "name": "n"}], [],
        [{"mode": "container", "name": "n"}, {"mode": "container", "name": "m"}], [{"mode": "container"}],
    ],
    "portDefinitions": [[], [{"port": 0}], [{"port": 80, "name": "a"}, {"port": 0, "protocol": "udp,tcp", "name": "b"}]],
    "ports": [[0, 0], [80]],
    "requirePorts": [True, False],
    "fetch": [[{"uri": "http://x/a.zip", "destPath": "b"}], [{"uri": "x", "destPath": "/b"}]],
    "uris": [["http://x/a.tgz"]],
    "healthChecks": [*([one] for one in HEALTH), [HEALTH[0], HEALTH[-1]], []],
    "check": [
        {"http": {}}, {"http": {"portIndex": 1}}, {"tcp": {"portIndex": 5}}, {"tcp": {"port": 0}}, {"tcp": {}, "http": {}}, {},
        {"exec": {"command": {}}}, {"exec": {"command": {"argv": []}}}, {"exec": {"command": {"shell": "x"}}},
    ],
    "readinessChecks": [[{"portName": "a"}], [{"portName": "default"}], [{"portName": "http", "preserveLastResponse": True}]],
    "backoffFactor": [1, 1e300],
    "taskKillGracePeriodSeconds": [0, 3],
    "upgradeStrategy": [
        {}, {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
        {"maximumOverCapacity": 0, "steps": [{"percent": 30, "pause": True}]},
        {"promotion": {"metric": {"query": "x", "max": 1}}},
    ],
    "unreachableStrategy": ["disabled", {"inactiveAfterSeconds": 1, "expungeAfterSeconds": 2}, {}],
    "killSelection": ["OLDEST_FIRST", "HIGHEST_INDEX_FIRST"],
    "labels": [{"MARATHON_SINGLE_INSTANCE_APP": "true"}, {"": ""}, {"DCOS_MIGRATION_API_VERSION": "v1"}, {"a" * 600: "b"}],
    "dependencies": [["/b"], ["../b", "./a"], ["/a"]],
    "tty": [True],
    "autoscaling": [{"max": 3, "cpu": 50}, {"max": 3, "requests": {"target": 1, "metric": "m", "portIndex": 4}}],
    "rebalance": [{}, {"by": "rack"}],
    "ipAddress": [{}, {"networkName": "n", "discovery": {"ports": [{"number": 80, "name": "x"}]}}],
}  # fmt: skip
ENDPOINTS: list[list[dict[str, Any]]] = [
    [],
    [{"name": "web"}],
    [{"name": "web", "containerPort": 80, "hostPort": 0, "protocol": ["tcp", "udp"], "labels": {"VIP_0": "/a:80"}}],
    [{"name": "web", "hostPort": 80}, {"name": "side", "networkNames": ["n"], "containerPort": 81}],
]
POD_CHECKS: list[dict[str, Any]] = [
    {"http": {"endpoint": "web"}}, {"http": {"endpoint": "none"}}, {"tcp": {"endpoint": "side"}}, {},
    {"exec": {"command": {"shell": "x"}}}, {"exec": {"command": {"argv": []}}},
    {"tcp": {"endpoint": "web"}, "exec": {"command": {"shell": "x"}}},
]  # fmt: skip
CONTAINER: dict[str, list[Any]] = {
    "exec": [
        {"command": {"shell": "run"}}, {"command": {"argv": ["a"]}, "overrideEntrypoint": True}, {"command": {"argv": []}},
        {"command": {}},
    ],
    "resources": [{"cpus": 0.1, "mem": 32}, {"cpus": 0, "mem": 0}, {"cpus": 0.1, "mem": 32, "disk": 1, "gpus": 1}],
    "resourceLimits": [{"cpus": "unlimited"}, {"mem": 1}],
    "endpoints": ENDPOINTS,
    "image": [{"kind": "DOCKER", "id": "x"}, {"kind": "DOCKER", "id": "x", "pullConfig": {"secret": "s"}, "forcePull": True}],
    "environment": [{"A": "b"}, {"A": {"secret": "s"}}],
    "healthCheck": POD_CHECKS,
    "check": POD_CHECKS,
    "volumeMounts": [[{"name": "v", "mountPath": "p"}], [{"name": "none", "mountPath": "p"}]],
    "artifacts": [[{"uri": "x", "destPath": "b"}]],
    "lifecycle": [{"killGracePeriodSeconds": 2}, {}],
    "tty": [True],
    "linuxInfo": [{"ipcInfo": {"mode": "PRIVATE", "shmSize": 3}}, {"seccomp": {"unconfined": True}}],
}  # fmt: skip
POD: dict[str, list[Any]] = {
    "labels": [{"a": "b"}],
    "user": ["nobody"],
    "environment": [{"A": "b"}, {"A": {"secret": "s"}}],
    "secrets": [{"s": {"source": "x"}}],
    "volumes": [[{"name": "v", **one}] for one in ({}, {"host": "/h"}, {"persistent": {"size": 3}}, {"secret": "s"})],
    "networks": APP["networks"],
    "scaling": [{"kind": "fixed", "instances": 2}, {"kind": "all"}, {"instances": 0}, {"autoscaling": {"max": 2, "mem": 10}}],
    "scheduling": [
        {"placement": {"constraints": [{"fieldName": "hostname", "operator": "UNIQUE"}], "acceptedResourceRoles": ["*"]}},
        {"unreachableStrategy": "disabled", "killSelection": "OLDEST_FIRST"}, {"upgrade": {"steps": [{"instances": 1}]}},
        {"rebalance": {"by": "hostname"}}, {"backoff": {"backoff": 0}},
    ],
    "executorResources": [{"cpus": 0.01, "mem": 32, "disk": 1}, {"cpus": 0, "mem": 0, "disk": 0}],
    "role": ["*", "keep"],
    "legacySharedCgroups": [True],
}  # fmt: skip


@st.composite
def some(draw: st.DrawFn, members: dict[str, list[Any]], most: int) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(members)), max_size=most, unique=True))
    return {name: draw(st.sampled_from(members[name])) for name in names}


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    basis = {"resources": {"cpus": 0.1, "mem": 32}, "exec": {"command": {"shell": "run"}}}
    count = draw(st.integers(1, 2))
    containers = [{"name": f"c{number}", **basis, **draw(some(CONTAINER, 4))} for number in range(count)]
    return {"containers": containers, **draw(some(POD, 3))}


class Life:
    """A subscribed core and what comes of one definition in it."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        made = CoreSettings(
            min_revive_interval_s=0.0,
            role="keep",
            defaults=Defaults(role="keep"),
            rules=Rules(features=FEATURES, default_role="keep"),
            policy=Policy(gpu_scheduling="unrestricted"),
        )
        self.state = State()
        self.core = Scheduler(self.state, made, (f"{n:08x}-0000-0000-0000-000000000000" for n in numbers))
        self.core.start(NOW)
        self.now = NOW
        self.tell(events.Subscribed("F", "m", "home"))
        agent = Agent(AgentRef(host="h0", agent_id="S0"), total=Resources.parse(ROOMY))
        self.tell(events.ClusterSeen(Cluster(at=NOW, agents={"S0": agent})))

    def tell(self, event: events.Event) -> None:
        outcome = self.core.handle(event, self.now)
        msgspec.json.encode([one for one in outcome.effects if isinstance(one, effects.Publish)])

    def offers(self) -> None:
        for number, role in enumerate(("keep", "*", "a")):
            self.tell(
                events.OffersReceived(
                    (
                        v1.Offer(
                            id=v1.OfferID(value=f"O{self.now}{number}"),
                            framework_id=v1.FrameworkID(value="F"),
                            agent_id=v1.AgentID(value=f"S{number}"),
                            hostname=f"h{number}",
                            resources=Resources.parse(ROOMY).messages(role),
                            allocation_info=v1.ResourceAllocationInfo(role=role),
                        ),
                    )
                )
            )

    def update(self, state: v1.TaskState, **more: Any) -> None:
        for instance in list(self.state.instances.values()):
            for task in instance.tasks:
                agent = v1.AgentID(value=instance.agent.agent_id)
                status = v1.TaskStatus(task_id=v1.TaskID(value=task.id), state=state, agent_id=agent, **more)
                self.tell(events.StatusReceived(status))

    def look(self) -> None:
        """At everything that clients may ask for and Marathon's own checks need."""
        state = self.state
        targets(state)
        shown: list[Any] = [views.app_info(state, app, EMBEDS) for app in state.apps.values()]
        for pod in state.pods.values():
            shown += [pod_views.shown(state, pod), pod_views.pod_status(state, pod, self.now)]
        shown += views.tasks_json(state, state.instances.values())
        shown += [views.deployment_json(state, one, waits=True) for one in state.deployments.values()]
        shown += [views.queue_json(state, one, self.now, offers=True) for one in state.queue.values()]
        msgspec.json.encode(shown)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.tell(events.Tick())

    def live(self) -> None:
        address = v1.NetworkInfo(ip_addresses=(v1.NetworkInfoIPAddress(ip_address="172.17.0.2"),))
        self.look()
        for _ in range(3):
            self.offers()
            self.look()
            self.update(v1.TaskState.TASK_STARTING)
            self.update(v1.TaskState.TASK_RUNNING, container_status=v1.ContainerStatus(network_infos=(address,)))
            self.look()
            self.update(v1.TaskState.TASK_RUNNING, healthy=True)
            for target in targets(self.state).values():
                if target.index >= 0:
                    self.tell(events.Probed(target.instance_id, target.index, True))
                else:
                    self.tell(events.ReadinessProbed(target.instance_id, True, "ready", {"status": 200}))
            self.pass_time(10)
        self.update(v1.TaskState.TASK_FAILED, message="it broke")
        self.look()
        self.pass_time(400)
        self.offers()
        self.update(v1.TaskState.TASK_UNREACHABLE, unreachable_time=v1.TimeInfo(nanoseconds=int(self.now * 1e9)))
        self.pass_time(10)
        self.look()
        self.tell(events.DeleteGroup("/", force=True))
        self.update(v1.TaskState.TASK_KILLED)
        self.pass_time(10)
        self.look()


def test_a_life_is_one() -> None:
    """Else all the others see nothing."""
    container = {"name": "c", "resources": {"cpus": 0.1, "mem": 32}, "exec": {"command": {"shell": "run"}}}
    for create in (
        events.CreateApp(fields_of({"id": "/a", "cmd": "run"})),
        events.CreateApp(fields_of({"id": "/a", "cmd": "run", "gpus": 1})),
        events.CreateApp(fields_of({"id": "/a", "cmd": "run", "container": {"type": "MESOS", "volumes": VOLUMES[2]}})),
        events.CreateApp(fields_of({"id": "/a", "cmd": "run", "instances": "all"})),
        events.PutPod(wire.read({"id": "/a", "containers": [container]}, Pod), create=True),
    ):
        life = Life()
        life.tell(create)
        life.offers()
        life.update(v1.TaskState.TASK_RUNNING)
        assert [one.condition for one in life.state.instances.values()] == ["Running"], create
        life.live()


fuzz = settings(max_examples=400, deadline=None)


@fuzz
@given(some(APP, 6))
def test_an_app(given: dict[str, Any]) -> None:
    life = Life()
    body = {"id": "/a", **({} if {"cmd", "args", "container"} & given.keys() else {"cmd": "run"}), **given}
    try:
        life.tell(events.CreateApp(fields_of(body)))
    except (wire.ApiError, Refused):
        assert not life.state.apps
        return
    life.live()


@fuzz
@given(some(APP, 3), some(APP, 3))
def test_an_update_of_an_app(first: dict[str, Any], second: dict[str, Any]) -> None:
    life = Life()
    try:
        life.tell(events.CreateApp(fields_of({"id": "/a", "cmd": "run", **first})))
        life.offers()
        life.update(v1.TaskState.TASK_RUNNING)
        life.tell(events.PutApps((("/a", fields_of(second, app_id="/a")),), force=True))
    except (wire.ApiError, Refused):
        life.look()
        return
    life.live()


@fuzz
@given(pods())
def test_a_pod(given: dict[str, Any]) -> None:
    life = Life()
    try:
        life.tell(events.PutPod(wire.read({"id": "/a", **given}, Pod), create=True))
    except (wire.ApiError, Refused):
        assert not life.state.pods
        return
    life.live()
