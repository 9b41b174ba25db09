"""What listeners of an output get, and what slow ones do not."""

from __future__ import annotations

import asyncio

from dcos.agent.io_output import ROOM, Kind, Output


async def test_everybody_hears_what_comes_after_they_came() -> None:
    output = Output()
    first = output.listen(patient=True)
    await output.put((Kind.STDOUT, b"one"))
    second = output.listen()
    await output.put((Kind.STDERR, b"two"))
    output.end()
    assert [await first.next() for _ in range(3)] == [(Kind.STDOUT, b"one"), (Kind.STDERR, b"two"), None]
    assert [await second.next() for _ in range(2)] == [(Kind.STDERR, b"two"), None]
    assert await output.listen().next() is None


async def test_a_patient_listener_holds_the_writer_up() -> None:
    output = Output()
    slow = output.listen(patient=True)
    writing = asyncio.create_task(output.put((Kind.STDOUT, b"x" * ROOM)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not writing.done()
    await slow.next()
    await writing


async def test_an_impatient_one_is_cut_off() -> None:
    output = Output()
    slow = output.listen()
    for _ in range(3):
        await output.put((Kind.STDOUT, b"x" * ROOM))
    assert slow.lost
    assert await slow.next() == (Kind.STDOUT, b"x" * ROOM)
    assert await slow.next() is None


async def test_leaving_frees_the_writer() -> None:
    output = Output()
    slow = output.listen(patient=True)
    writing = asyncio.create_task(output.put((Kind.STDOUT, b"x" * ROOM)))
    await asyncio.sleep(0)
    output.leave(slow)
    await writing
