"""Run by the interpreter that has marathon-python: what its users do, against the Marathon at ``argv[1]``."""

import json
import sys
import threading
import time
import urllib.request

from marathon import MarathonClient, MarathonHttpError, NotFoundError
from marathon.models import MarathonApp, MarathonConstraint, MarathonHealthCheck
from marathon.models.container import MarathonContainer, MarathonContainerPortMapping, MarathonDockerContainer
from marathon.models.group import MarathonGroup


def until(probe, within=60.0):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("not in time")


def refusal(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError("not refused")


client = MarathonClient(sys.argv[1])
sleep = f"exec sleep {sys.argv[2]}"
heard, everything, broken = [], [], []


def listen(into, kinds):
    try:
        for event in client.event_stream(event_types=kinds):
            into.append(event)
    except Exception as error:
        broken.append(error)


threading.Thread(
    target=listen, args=(heard, ["deployment_success", "status_update_event", "api_post_event"]), daemon=True
).start()
# Its list of events is older than the schedulers' own ones: all others of Marathon's are read.
ALL = [
    "add_health_check_event", "api_post_event", "app_terminated_event", "deployment_failed", "deployment_info",
    "deployment_step_failure", "deployment_step_success", "deployment_success", "event_stream_attached",
    "group_change_success", "health_status_changed_event", "instance_changed_event", "instance_health_changed_event",
    "remove_health_check_event", "status_update_event",
]  # fmt: skip
threading.Thread(target=listen, args=(everything, ALL), daemon=True).start()
unfiltered = []
threading.Thread(target=listen, args=(unfiltered, None), daemon=True).start()


def settled():
    return not client.list_deployments()


assert client.ping() == b'"pong"'
info = client.get_info()
assert info.name == "marathon"
assert info.version == "1.11.0"
assert info.framework_id
assert info.elected
assert info.marathon_config.mesos_role == "*"
assert info.zookeeper_config.zk_session_timeout == 10000
assert client.get_leader()["leader"] == info.leader
assert "gauges" in client.get_metrics()

# ---- apps ----
app = client.create_app(
    "/py/web",
    MarathonApp(
        cmd=sleep,
        cpus=0.1,
        mem=16,
        instances=2,
        env={"A": "b"},
        labels={"tier": "front"},
        constraints=[MarathonConstraint(field="rack", operator="LIKE", value="r.*")],
        health_checks=[MarathonHealthCheck(protocol="COMMAND", command="true", interval_seconds=1, delay_seconds=0)],
        backoff_seconds=0,
    ),
)
assert app.id == "/py/web"
assert app.deployments
until(settled)
app = client.get_app("/py/web", embed_tasks=True)
assert (app.tasks_running, len(app.tasks)) == (2, 2)
assert app.labels == {"tier": "front"}
until(lambda: client.get_app("/py/web").tasks_healthy == 2)
assert [one.id for one in client.list_apps(label="tier==front")] == ["/py/web"]
assert client.list_apps(label="tier==back") == []
first = app.version
for task in client.list_tasks("/py/web"):
    assert task.app_id == "/py/web"
    assert task.host == "127.0.0.1"
    assert task.started_at is not None

client.scale_app("/py/web", delta=1)
until(settled)
assert client.get_app("/py/web").instances == 3
app = client.get_app("/py/web")
app.cmd = f"true; {sleep}"
answer = client.update_app("/py/web", app, force=True)
assert answer["deploymentId"]
until(settled)
assert client.get_app("/py/web").cmd == f"true; {sleep}"
versions = client.list_versions("/py/web")
assert len(versions) == 3
assert client.get_version("/py/web", versions[0]).cmd == f"true; {sleep}"
oldest = client.get_version("/py/web", versions[-1])
assert (oldest.instances, oldest.cmd) == (2, sleep)
client.rollback_app("/py/web", versions[-1])
until(settled)
assert client.get_app("/py/web").instances == 2
before = {task.id for task in client.list_tasks("/py/web")}
client.restart_app("/py/web")
until(settled)
after = client.list_tasks("/py/web")
assert not before & {task.id for task in after}
assert client.kill_task("/py/web", after[0].id).id == after[0].id
until(lambda: len([one for one in client.list_tasks("/py/web") if one.state == "TASK_RUNNING"]) == 2)
assert client.kill_given_tasks([task.id for task in client.list_tasks("/py/web")])
until(lambda: client.get_app("/py/web").tasks_running == 2)


def running():
    return {task.id for task in client.list_tasks("/py/web") if task.state == "TASK_RUNNING"}


before = running()
assert {task.id for task in client.kill_tasks("/py/web", host="127.0.0.1")} == before
until(lambda: len(now := running()) == 2 and not now & before)
assert client.kill_tasks("/py/web", host="nowhere") == []
gone, kept = sorted(running())
assert client.kill_task("/py/web", gone, scale=True)["deploymentId"]
until(settled)
assert (running(), client.get_app("/py/web").instances) == ({kept}, 1)
# Whoever kills and scales once more, because an answer was lost, scales no further.
assert client.kill_task("/py/web", gone, scale=True)["deploymentId"]
until(settled)
assert client.get_app("/py/web").instances == 1
assert client.kill_tasks("/py/web", scale=True)["deploymentId"]
until(settled)
assert client.get_app("/py/web").instances == 0
refused = refusal(NotFoundError, lambda: client.kill_tasks("/py/web", scale=True))
assert refused.error_message == "Path '/py/web' does not exist"
both = [client.get_app("/py/web"), MarathonApp(id="/py/two", cmd=sleep, cpus=0.1, mem=16)]
both[0].instances = 2
assert client.update_apps(both)["deploymentId"]
until(settled)
assert {one.id: one.instances for one in client.list_apps(app_id="/py/")} == {"/py/web": 2, "/py/two": 1}
client.delete_app("/py/two")
until(settled)

refused = refusal(MarathonHttpError, lambda: client.create_app("/py/web", MarathonApp(cmd=sleep)))
assert refused.status_code == 409
assert refused.error_message == "An app with id [/py/web] already exists."
refused = refusal(NotFoundError, lambda: client.get_app("/py/none"))
assert refused.error_message == "App '/py/none' does not exist"

# ---- waiting ----
client.create_app("/py/huge", MarathonApp(cmd=sleep, cpus=1000, mem=16))
(deployment,) = until(client.list_deployments)
assert deployment.affected_apps == ["/py/huge"]
assert [one.app for one in deployment.current_actions] == ["/py/huge"]
client.reset_delay("/py/huge")
client.delete_deployment(deployment.id)
until(settled)

docker = MarathonApp(
    cpus=1000,
    mem=16,
    container=MarathonContainer(
        docker=MarathonDockerContainer(image="nowhere/nothing"),
        port_mappings=[MarathonContainerPortMapping(container_port=80, name="http")],
    ),
    networks=[{"mode": "container/bridge"}],
)
client.create_app("/py/docker", docker)
shown = client.get_app("/py/docker")
assert shown.container.docker.image == "nowhere/nothing"
assert shown.container.port_mappings[0].container_port == 80
client.delete_app("/py/docker", force=True)
until(settled)

# ---- groups ----
group = MarathonGroup(
    id="/shop",
    apps=[
        MarathonApp(id="/shop/db", cmd=sleep, cpus=0.1, mem=16),
        MarathonApp(id="/shop/front", cmd=sleep, cpus=0.1, mem=16, dependencies=["/shop/db"]),
    ],
)
client.create_group(group)
until(settled)
# Its models of groups and of the queue are older than Marathon 1.9, whose answers have more members: they are not read.
assert {one.id for one in client.list_apps(app_id="/shop")} == {"/shop/db", "/shop/front"}
client.scale_group("/shop", 2)
until(settled)
assert {one.instances for one in client.list_apps(app_id="/shop")} == {2}
group.apps[0].instances, group.apps[1].instances = 1, 0
assert client.update_group("/shop", group)["deploymentId"]
until(settled)
assert {one.id: one.instances for one in client.list_apps(app_id="/shop")} == {"/shop/db": 1, "/shop/front": 0}
client.delete_group("/shop")
until(settled)
client.delete_app("/py/web")
until(settled)
assert client.list_tasks() == []

# ---- apps with what goes beyond upstream, which others made ----
extended = {
    "id": "/py/extended",
    "cmd": sleep,
    "cpus": 0.1,
    "mem": 16,
    "autoscaling": {"max": 3, "cpu": 50, "dryRun": True},
    "rebalance": {},
    "upgradeStrategy": {"maximumOverCapacity": 1, "steps": [{"instances": 1, "pauseSeconds": 0}]},
}
request = urllib.request.Request(
    sys.argv[1] + "/v2/apps", json.dumps(extended).encode(), {"Content-Type": "application/json"}, method="POST"
)
with urllib.request.urlopen(request, timeout=60) as answer:
    assert "autoscaling" in json.load(answer)
until(settled)
assert [one.id for one in client.list_apps(app_id="/py/extended")] == ["/py/extended"]
app = client.get_app("/py/extended")
app.cmd = f"true; {sleep}"
client.update_app("/py/extended", app, force=True)
client.list_deployments()
until(settled)
with urllib.request.urlopen(sys.argv[1] + "/v2/apps/py/extended?embed=extensions", timeout=60) as answer:
    kept = json.load(answer)["app"]
assert kept["autoscaling"]["max"] == 3
assert len(kept["upgradeStrategy"]["steps"]) == 1
client.delete_app("/py/extended", force=True)
until(settled)

kinds = {event.event_type for event in heard}
assert {"deployment_success", "status_update_event", "api_post_event"} <= kinds, kinds
kinds = {event.event_type for event in everything}
wanted = {"deployment_info", "deployment_step_success", "instance_changed_event", "add_health_check_event"}
assert wanted <= kinds, kinds
assert not broken, broken
assert client.delete_leader() == {"message": "Leadership abdicated"}
# Not called: what Marathon 1.11 has not any more (tasks as text, subscriptions of events, versions in paths of groups).
print("all well")
