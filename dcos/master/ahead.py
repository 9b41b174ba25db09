"""What ``/state`` is made of is written before anybody asks, while the master has nothing else to do.

All that poll a cluster ask a new leader as soon as it answers; a hundred thousand tasks would have to be written just then.
It costs the memory that the first ``/state`` would take, and once in a while a look at everything.
"""

from __future__ import annotations

import asyncio
from typing import Final

from dcos.master.kept import state_making
from dcos.master.writer import Writer

_SLICE_S: Final = 0.002
_GAP_S: Final = 0.001
"""Between two slices,"""
_GAP_BUSY_S: Final = 0.02
"""and while the writer has something to do."""
_MANY: Final = 1000
"""Texts after which more is expected at once, and waited for only so long:"""
_SOON_S: Final = 0.2
_RARELY: Final = 200
"""A look that finds little is taken again after so many times what it took: half a percent of a core."""


async def make_ahead(writer: Writer) -> None:
    """For ever."""
    shown: int | None = None
    while True:
        pause = _SOON_S
        if writer.revision != shown:
            shown = writer.revision
            made, took = await _look(writer)
            if made < _MANY:
                pause = max(_SOON_S, _RARELY * took)
        await asyncio.sleep(pause)


async def _look(writer: Writer) -> tuple[int, float]:
    """Make what is not ready; how much that was, and seconds without what others did meanwhile."""
    loop = asyncio.get_running_loop()
    count, took, begun = 0, 0.0, loop.time()
    for made in state_making(writer.state):
        count += made
        if (now := loop.time()) - begun > _SLICE_S:
            took += now - begun
            await asyncio.sleep(_GAP_BUSY_S if writer.busy else _GAP_S)
            begun = loop.time()
    return count, took + loop.time() - begun
