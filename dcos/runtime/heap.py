"""The garbage collector of a process whose heap is big and long-lived."""

from __future__ import annotations

import gc


def freeze_survivors() -> None:
    """From now on, whatever survives a full collection is never looked at again.

    Full collections then cost what is new, not what is there: with a hundred thousand tasks each would stop the process for a
    second. Reference counts free the old as before; only a cycle that comes to be among old objects would stay for ever.
    """
    if _freeze not in gc.callbacks:
        gc.callbacks.append(_freeze)


def _freeze(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()
