"""A custom executor: tasks are names in its memory. Not a test; the agent starts it in a sandbox.

A task whose ``data`` is ``finish`` ends at once. Messages are sent back with ``echo:`` before them; ``exit:N`` ends the program.
Environment: ``NEVER`` (does not subscribe), ``ONCE`` (does not subscribe again), ``STUBBORN`` (ignores SHUTDOWN),
``FORGETFUL`` (says nothing of unacknowledged tasks), ``SLOW`` (seconds from a task to its first update).
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import sys
import time
import uuid
from typing import Any

IDS = {
    "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
    "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
}
ENDPOINT = os.environ["MESOS_AGENT_ENDPOINT"]
HEADERS = {"Content-Type": "application/json"}
if "MESOS_EXECUTOR_AUTHENTICATION_TOKEN" in os.environ:
    HEADERS["Authorization"] = "Bearer " + os.environ["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"]
tasks: dict[str, Any] = {}
updates: dict[str, Any] = {}


class Connection(http.client.HTTPConnection):
    """By the agent's unix socket where it is named; then there is no other way."""

    def connect(self) -> None:
        path = os.environ.get("MESOS_DOMAIN_SOCKET")
        if path is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(path)


def note(text: str) -> None:
    with open(os.path.join(os.environ["MESOS_SANDBOX"], "events.log"), "a", encoding="utf-8") as log:
        log.write(text + "\n")


def call(kind: str, **members: Any) -> None:
    connection = Connection(ENDPOINT, timeout=10)
    body = json.dumps({"type": kind, **IDS, **members})
    connection.request("POST", "/api/v1/executor", body, HEADERS)
    answer = connection.getresponse()
    note(f"{kind} -> {answer.status} {answer.read().decode()}".rstrip())
    connection.close()


def update(task_id: str, state: str) -> None:
    number = base64.b64encode(uuid.uuid4().bytes).decode()
    status = {
        "task_id": {"value": task_id},
        "state": state,
        "source": "SOURCE_EXECUTOR",
        "uuid": number,
        "data": base64.b64encode(b"from the executor").decode(),
    }
    updates[number] = {"status": status}
    try:
        call("UPDATE", update={"status": status})
    except OSError as error:
        note(f"UPDATE lost: {error}")


def launch(task: Any) -> None:
    name = task["task_id"]["value"]
    tasks[name] = task
    time.sleep(float(os.environ.get("SLOW", "0")))
    update(name, "TASK_RUNNING")
    if base64.b64decode(task.get("data", "")) == b"finish":
        update(name, "TASK_FINISHED")


def heard(event: Any) -> None:
    kind = event["type"]
    note(kind)
    if kind == "LAUNCH":
        launch(event["launch"]["task"])
    elif kind == "LAUNCH_GROUP":
        for task in event["launch_group"]["task_group"]["tasks"]:
            launch(task)
    elif kind == "KILL":
        update(event["kill"]["task_id"]["value"], "TASK_KILLED")
    elif kind == "ACKNOWLEDGED":
        updates.pop(event["acknowledged"]["uuid"], None)
        tasks.pop(event["acknowledged"]["task_id"]["value"], None)
    elif kind == "MESSAGE":
        text = base64.b64decode(event["message"]["data"])
        if text.startswith(b"exit:"):
            os._exit(int(text[5:]))
        call("MESSAGE", message={"data": base64.b64encode(b"echo:" + text).decode()})
    elif kind == "SHUTDOWN" and "STUBBORN" not in os.environ:
        sys.exit(0)


def subscribe() -> None:
    connection = Connection(ENDPOINT, timeout=60)
    known = {} if "FORGETFUL" in os.environ else {"unacknowledged_tasks": list(tasks.values())}
    body = {**known, "unacknowledged_updates": list(updates.values())}
    connection.request(
        "POST",
        "/api/v1/executor",
        json.dumps({"type": "SUBSCRIBE", **IDS, "subscribe": body}),
        {**HEADERS, "Accept": "application/json"},
    )
    answer = connection.getresponse()
    note(f"SUBSCRIBE -> {answer.status} {answer.headers.get('Transfer-Encoding')}")
    if answer.status != 200:
        note(answer.read().decode())
        return
    while length := answer.readline():
        heard(json.loads(answer.read(int(length))))


def main() -> None:
    note(" ".join(sorted(name for name in os.environ if name.startswith("MESOS_"))))
    note(f"pid {os.getpid()}")
    while "NEVER" in os.environ:
        time.sleep(1)
    while True:
        try:
            subscribe()
        except (OSError, http.client.HTTPException) as error:
            note(f"disconnected: {error!r}")
        while "ONCE" in os.environ:
            time.sleep(1)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
