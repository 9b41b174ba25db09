"""A custom executor by pymesos. Not a test; run by the agent with the interpreter that has pymesos."""

from __future__ import annotations

import sys
from typing import Any

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Echo(Executor):  # type: ignore[misc]
    """Its tasks run until they are killed; messages come back."""

    def launchTask(self, driver: Any, task: Any) -> None:
        print("launch", task.task_id.value, decode_data(task.data), flush=True)
        self.tell(driver, task.task_id, "TASK_RUNNING")

    def killTask(self, driver: Any, task_id: Any) -> None:
        print("kill", task_id.value, flush=True)
        self.tell(driver, task_id, "TASK_KILLED")

    def frameworkMessage(self, driver: Any, message: Any) -> None:
        driver.sendFrameworkMessage(encode_data(b"echo:" + decode_data(message)))

    def shutdown(self, driver: Any) -> None:
        print("shutdown", flush=True)

    def tell(self, driver: Any, task_id: Any, state: str) -> None:
        driver.sendStatusUpdate({"task_id": task_id, "state": state, "data": encode_data(b"by pymesos")})


if __name__ == "__main__":
    sys.tracebacklimit = 5
    MesosExecutorDriver(Echo(), use_addict=True).run()
