"""A scheduler by pymesos. Not a test: ``pymesos_scheduler.py <zk url> <executor command>`` prints one JSON line per event.

Two tasks on one custom executor, a message there and back, one kill, then the operator API of master and agent, then stop.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import threading
import time
from typing import Any

from pymesos import (
    MesosOperatorAgentDriver,
    MesosOperatorMasterDriver,
    MesosSchedulerDriver,
    OperatorMaster,
    Scheduler,
    decode_data,
    encode_data,
)

EXECUTOR = {"value": "echo"}
_lock = threading.Lock()


def say(kind: str, **members: Any) -> None:
    with _lock:
        print(json.dumps({"kind": kind, **members}), flush=True)


def resources(cpus: float, mem: float) -> list[dict[str, Any]]:
    pairs = (("cpus", cpus), ("mem", mem))
    return [{"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in pairs]


class Two(Scheduler):  # type: ignore[misc]
    def __init__(self, command: str) -> None:
        self.executor = {
            "executor_id": EXECUTOR,
            "name": "echo",
            "command": {"value": command},
            "resources": resources(0.1, 32),
        }
        self.launched = False
        self.running: set[str] = set()
        self.killed = threading.Event()
        self.master = self.agent = ""

    def registered(self, driver: Any, framework_id: Any, master_info: Any) -> None:
        self.master = f"{master_info['hostname']}:{master_info['port']}"
        say("registered", framework=framework_id["value"], version=master_info["version"])

    def resourceOffers(self, driver: Any, offers: Any) -> None:
        for offer in offers:
            if self.launched:
                driver.declineOffer(offer["id"])
                continue
            self.launched = True
            address = offer["url"]["address"]
            self.agent = f"{address['ip']}:{address['port']}"
            tasks = [
                {
                    "name": name,
                    "task_id": {"value": name},
                    "agent_id": offer["agent_id"],
                    "resources": resources(0.1, 32),
                    "executor": self.executor,
                    "data": encode_data(name.encode()),
                }
                for name in ("one", "two")
            ]
            driver.launchTasks(offer["id"], tasks)

    def statusUpdate(self, driver: Any, status: Any) -> None:
        name = status["task_id"]["value"]
        data = decode_data(status["data"]).decode() if "data" in status else None
        say("update", task=name, state=status["state"], data=data, message=status.get("message"))
        if status["state"] == "TASK_RUNNING":
            self.running.add(name)
            if len(self.running) == 2:
                driver.sendFrameworkMessage(EXECUTOR, status["agent_id"], encode_data(b"hello"))
        if status["state"] == "TASK_KILLED":
            self.killed.set()

    def frameworkMessage(self, driver: Any, executor_id: Any, agent_id: Any, message: Any) -> None:
        say("message", executor=executor_id["value"], data=decode_data(message).decode())
        driver.killTask({"value": "one"})

    def executorLost(self, driver: Any, executor_id: Any, agent_id: Any, status: Any) -> None:
        say("executor_lost", executor=executor_id["value"], status=status)

    def error(self, driver: Any, message: Any) -> None:
        say("error", message=message)


class Watch(OperatorMaster):  # type: ignore[misc]
    def taskAdded(self, task: Any) -> None:
        say("operator_task_added", task=task["task_id"]["value"])

    def taskUpdated(self, update: Any) -> None:
        say("operator_task_updated", state=update["state"])

    def frameworkAdded(self, framework: Any) -> None:
        say("operator_framework_added", name=framework["framework_info"]["name"])


def ask(whom: str, driver: Any, **calls: tuple[Any, ...]) -> None:
    for name, arguments in calls.items():
        try:
            say("asked", whom=whom, call=name, answer=getattr(driver, name)(*arguments))
        except RuntimeError as error:
            say("refused", whom=whom, call=name, error=str(error))


def main(zk: str, command: str) -> int:
    scheduler = Two(command)
    framework = {"user": getpass.getuser(), "name": "pymesos", "checkpoint": True}
    who = {"principal": os.environ.get("PRINCIPAL"), "secret": os.environ.get("SECRET")}
    driver = MesosSchedulerDriver(scheduler, framework, zk, **who)
    driver.start()
    while not scheduler.master:
        time.sleep(0.05)
    operator = MesosOperatorMasterDriver(scheduler.master, operator=Watch())
    operator.start()
    if not scheduler.killed.wait(60):
        say("error", message="no task was killed within 60 s")
        return 1
    second = 1_000_000_000
    common: dict[str, tuple[Any, ...]] = dict.fromkeys(
        ("getHealth", "getFlags", "getVersion", "getLoggingLevel", "getState", "getTasks"), ()
    )
    common |= {"getExecutors": (), "getFrameworks": (), "getMetrics": (5 * second,)}
    more = dict.fromkeys(("getAgents", "getRoles", "getWeights", "getMaster"), ())
    more |= dict.fromkeys(("getMaintenanceStatus", "getMaintenanceSchedule", "getQuota"), ())
    ask("master", operator, **common, **more)
    ask("agent", MesosOperatorAgentDriver(scheduler.agent), **common, getContainers=(True,))
    operator.stop()
    driver.stop()
    driver.join()
    say("stopped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
