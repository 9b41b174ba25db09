"""A framework as somebody outside the cluster writes one: it logs in with its service account, subscribes at Admin Router, and
starts one task with a custom executor, which speaks with its agent's port over TLS. Nothing but Python's own libraries."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import uuid
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

EXECUTOR = r"""
import base64, json, os, ssl, threading, time, urllib.request, uuid
url = "https://%s/api/v1/executor" % os.environ["MESOS_AGENT_ENDPOINT"]
trusted = ssl.create_default_context(cafile=os.environ["LIBPROCESS_SSL_CA_FILE"])
own = {"framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]}, "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]}}
def ask(body, token=os.environ["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"]):
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    request = urllib.request.Request(url, json.dumps(dict(own, **body)).encode(), headers)
    return urllib.request.urlopen(request, context=trusted)
hello = {"type": "SUBSCRIBE", "subscribe": {"unacknowledged_tasks": [], "unacknowledged_updates": []}}
for token in (None, "x.y.z"):
    try:
        ask(hello, token)
        raise SystemExit("let in without a token")
    except urllib.error.HTTPError as error:
        assert error.code == 401, error
def tell(task, state):
    identity = base64.b64encode(uuid.uuid4().bytes).decode()
    status = {"task_id": task, "state": state, "source": "SOURCE_EXECUTOR", "uuid": identity, "timestamp": time.time()}
    ask({"type": "UPDATE", "update": {"status": status}}).read()
events = ask(hello)
while True:
    event = json.loads(events.read(int(events.readline())))
    if event["type"] == "LAUNCH":
        for state in ("TASK_RUNNING", "TASK_FINISHED"):
            tell(event["launch"]["task"]["task_id"], state)
    elif event["type"] == "SHUTDOWN":
        break
"""


class Framework:
    """``front_door``: ``host:port``; ``root``: PEM of the authority that vouches for it."""

    def __init__(self, front_door: str, root: str, token: str, *, role: str) -> None:
        self._front_door = front_door
        self._context = ssl.create_default_context(cadata=root)
        self._role = role
        self._headers = {
            "Authorization": f"token={token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self.identity: Json = {}

    def _post(self, body: Json) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        link = http.client.HTTPSConnection(self._front_door, timeout=120, context=self._context)
        link.request("POST", "/mesos/api/v1/scheduler", json.dumps(body), self._headers)
        return link, link.getresponse()

    @contextlib.contextmanager
    def subscribed(self) -> Iterator[Iterator[Json]]:
        """The events, as long as the block runs."""
        info = {"user": "root", "name": "outside", "roles": [self._role], "capabilities": [{"type": "MULTI_ROLE"}]}
        link, answer = self._post({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
        try:
            assert answer.status == 200, (answer.status, answer.read())
            self._headers["Mesos-Stream-Id"] = answer.headers["Mesos-Stream-Id"]
            yield self._events(answer)
        finally:
            link.close()

    def _events(self, answer: http.client.HTTPResponse) -> Iterator[Json]:
        while length := answer.readline():
            event: Json = json.loads(answer.read(int(length)))
            if event["type"] == "SUBSCRIBED":
                self.identity = event["subscribed"]["framework_id"]
            assert event["type"] not in ("ERROR", "FAILURE"), event
            yield event

    def call(self, kind: str, **body: Any) -> None:
        """Errors: AssertionError for what is not accepted."""
        link, answer = self._post(
            {"type": kind, "framework_id": self.identity, **({kind.lower(): body} if body else {})}
        )
        with contextlib.closing(link):
            assert answer.status == 202, (answer.status, answer.read())

    def run_one(self) -> list[str]:
        """Launch a task with the custom executor on the first offer; gives its states until it is over."""
        states: list[str] = []
        with self.subscribed() as events:
            for event in events:
                if event["type"] == "OFFERS" and not states:
                    self._launch(event["offers"]["offers"][0])
                    states.append("launched")
                elif event["type"] == "UPDATE":
                    status = event["update"]["status"]
                    states.append(status["state"])
                    if "uuid" in status:
                        self.call(
                            "ACKNOWLEDGE", agent_id=status["agent_id"], task_id=status["task_id"], uuid=status["uuid"]
                        )
                    if status["state"] not in ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING"):
                        break
            self.call("TEARDOWN")
        return states

    def _launch(self, offer: Json) -> None:
        program = base64.b64encode(EXECUTOR.encode()).decode()
        resources = [
            {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": self._role}}
            for name, value in (("cpus", 0.1), ("mem", 32.0))
        ]
        executor = {
            "executor_id": {"value": "own"},
            "type": "CUSTOM",
            "command": {"value": f"echo {program} | base64 -d >executor.py && exec python3 executor.py"},
            "resources": resources,
        }
        task = {
            "name": "one",
            "task_id": {"value": uuid.uuid4().hex},
            "agent_id": offer["agent_id"],
            "resources": resources,
            "executor": executor,
        }
        launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        self.call("ACCEPT", offer_ids=[offer["id"]], operations=[launch], filters={})
