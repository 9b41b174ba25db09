from __future__ import annotations

from dcos.agent.executor_streams import MOST_WAITING, ExecutorStreams
from dcos.model.v1 import executor as v1

HEARTBEAT = v1.Event(type=v1.EventType.HEARTBEAT)


def test_an_executor_that_does_not_read_is_cut_off() -> None:
    streams = ExecutorStreams()
    number, events = streams.arrive()
    streams.open("F", "E", number)
    other, heard = streams.arrive()
    streams.open("F", "other", other)
    for _ in range(MOST_WAITING):
        assert streams.tell("F", "E", HEARTBEAT)
    assert not streams.tell("F", "E", HEARTBEAT)
    assert events.qsize() == 1
    assert events.get_nowait() is None
    assert not streams.tell("F", "E", HEARTBEAT), "nobody hears it any more"
    assert streams.tell("F", "other", HEARTBEAT)
    assert heard.get_nowait() is HEARTBEAT
