"""A scheduler by pymesos that keeps data. Not a test: ``pymesos_volumes.py <zk url>`` prints one JSON line per event.

It writes reservations as frameworks of old do (``role`` and ``reservation``): reserve, create, write; read with what the offer
says of the volume; destroy, unreserve. Then an operator does the same by pymesos's operator driver.
"""

from __future__ import annotations

import getpass
import json
import sys
import threading
import time
from typing import Any

from pymesos import MesosOperatorMasterDriver, MesosSchedulerDriver, Scheduler

ROLE = "keepers"


def say(kind: str, **members: Any) -> None:
    print(json.dumps({"kind": kind, **members}), flush=True)


def scalar(name: str, value: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


def disk(volume: str | None = None, role: str = ROLE) -> dict[str, Any]:
    one = scalar("disk", 64, role=role, reservation={})
    if volume is not None:
        one["disk"] = {"persistence": {"id": volume}, "volume": {"container_path": "data", "mode": "RW"}}
    return one


def operation(kind: str, **member: Any) -> dict[str, Any]:
    return {"type": kind, kind.lower(): member}


class Keeper(Scheduler):  # type: ignore[misc]
    def __init__(self) -> None:
        self.step = "write"
        self.master = self.agent = ""
        self.done = threading.Event()

    def registered(self, driver: Any, framework_id: Any, master_info: Any) -> None:
        self.master = f"{master_info['hostname']}:{master_info['port']}"

    def task(self, offer: Any, command: str, volume: Any) -> dict[str, Any]:
        return operation(
            "LAUNCH",
            task_infos=[
                {
                    "name": self.step,
                    "task_id": {"value": self.step},
                    "agent_id": offer["agent_id"],
                    "resources": [scalar("cpus", 0.1), scalar("mem", 32), volume],
                    "command": {"value": command},
                }
            ],
        )

    def resourceOffers(self, driver: Any, offers: Any) -> None:
        for offer in offers:
            self.agent = offer["agent_id"]["value"]
            volume = next((one for one in offer["resources"] if "persistence" in one.get("disk", {})), None)
            enough = sum(one["scalar"]["value"] for one in offer["resources"] if one["name"] == "cpus") >= 0.1
            operations: list[dict[str, Any]] = []
            if self.step == "write" and enough:
                write = self.task(offer, "echo kept > data/file", disk("v"))
                operations = [
                    operation("RESERVE", resources=[disk()]),
                    operation("CREATE", volumes=[disk("v")]),
                    write,
                ]
                self.step = "writing"
            elif self.step == "read" and volume is not None and enough:
                say("volume", resource=volume)
                operations = [self.task(offer, 'test "$(cat data/file)" = kept', volume)]
                self.step = "reading"
            elif self.step == "destroy" and volume is not None:
                operations = [operation("DESTROY", volumes=[volume]), operation("UNRESERVE", resources=[disk()])]
                self.step = "end"
                self.done.set()
            driver.acceptOffers(offer["id"], operations, {"refuse_seconds": 0})

    def statusUpdate(self, driver: Any, status: Any) -> None:
        say("update", task=status["task_id"]["value"], state=status["state"], message=status.get("message"))
        if status["state"] == "TASK_FINISHED":
            self.step = {"writing": "read", "reading": "destroy"}.get(self.step, self.step)

    def error(self, driver: Any, message: Any) -> None:
        say("error", message=message)


def reserved(operator: Any) -> float:
    (agent,) = operator.getAgents()["get_agents"]["agents"]
    return float(sum(one["scalar"]["value"] for one in agent["total_resources"] if one.get("reservations")))


def until(condition: Any) -> bool:
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.1)
    return False


def main(zk: str) -> int:
    scheduler = Keeper()
    framework = {"user": getpass.getuser(), "name": "keeper", "role": ROLE, "checkpoint": True}
    driver = MesosSchedulerDriver(scheduler, framework, zk)
    driver.start()
    if not scheduler.done.wait(60):
        say("error", message=f"step {scheduler.step} did not end within 60 s")
        return 1
    operator = MesosOperatorMasterDriver(scheduler.master)
    say("reserved", after="the framework", nothing=until(lambda: reserved(operator) == 0))
    operator.reserveResources(scheduler.agent, [disk(role="operators")])
    operator.createVolumes(scheduler.agent, [disk("w", "operators")])
    say("reserved", after="the operator", size=reserved(operator))
    operator.destroyVolumes(scheduler.agent, [disk("w", "operators")])
    operator.unreserveResources(scheduler.agent, [disk(role="operators")])
    say("reserved", after="all", size=reserved(operator))
    driver.stop()
    driver.join()
    say("stopped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
