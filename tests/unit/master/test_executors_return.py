"""Executors that ended while their agent was away."""

from __future__ import annotations

from dcos.model.resources import Resources
from dcos.model.v1.types import CommandInfo, ExecutorID, ExecutorInfo
from tests.unit.master.stage import Stage, framework_info, launch, task


def test_an_executor_of_a_framework_that_is_not_told_is_gone() -> None:
    executor = ExecutorInfo(
        executor_id=ExecutorID(value="e"),
        command=CommandInfo(value="run"),
        resources=Resources.parse("cpus:0.5").messages(),
    )
    stage = Stage()
    agent, link = stage.agent("cpus:4;mem:1024")
    framework, stream = stage.subscribe(framework_info(checkpoint=True))
    stage.accept(framework, stage.offers(stream), [launch(task("a", agent, executor=executor))])
    record = stage.state.agents[agent]
    assert (framework, "e") in record.executors
    stage.cut(link)
    assert (framework, "e") in record.executors
    stage.back(record.info, pid=record.pid)
    assert (framework, "e") not in stage.state.agents[agent].executors
