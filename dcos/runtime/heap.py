"""The garbage collector of a process whose heap is big and long-lived."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_THRESHOLDS: Final = (2000, 3, 2)
"""Objects, and collections of the generation before: about 25,000 objects are new in a full collection, which takes some 5 ms.
By Python's own (700, 10, 10) 60,000 and more were, and each took 15 to 50 ms, four times as seldom."""


_ARENAS: Final = -8
"""glibc's ``M_ARENA_MAX``."""


def use_one_arena() -> None:
    """Let threads allocate where the first one does: what each frees all can use again. Before there are any.

    For processes in which few threads work at a time, as where Python's lock lets only one. Elsewhere than with glibc: nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENAS, 1)


def give_back() -> None:
    """What was freed, to the system: after work that took much for a moment."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def freeze_survivors() -> None:
    """From now on, whatever survives a full collection is never looked at again.

    Full collections then cost what is new, not what is there: with a hundred thousand tasks each would stop the process for a
    second. Reference counts free the old as before; only a cycle that comes to be among old objects would stay for ever.
    """
    if _freeze not in gc.callbacks:
        gc.callbacks.append(_freeze)
        gc.set_threshold(*_THRESHOLDS)


def collect_young() -> None:
    """Look at what is new already now, where survivors are frozen.

    Python begins to look when so many more objects came than went. Where thousands go and thousands come, that is late, and then
    there are very many new ones to look at.
    """
    if _freeze in gc.callbacks:
        gc.collect()


def _freeze(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()
