"""What the states of operations on resources mean."""

from __future__ import annotations

from typing import Final

from dcos.model.v1.types import OperationState

TERMINAL_OPERATIONS: Final = frozenset(
    {
        OperationState.OPERATION_FINISHED,
        OperationState.OPERATION_FAILED,
        OperationState.OPERATION_ERROR,
        OperationState.OPERATION_DROPPED,
        OperationState.OPERATION_GONE_BY_OPERATOR,
    }
)
"""States that an operation never leaves.   Source: Mesos 1.11 operation states."""
