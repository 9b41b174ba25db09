"""How long tests wait for what is to come before they call it a fault.

Nothing is won by a shorter wait: it costs time only where the test fails, and fails it where the machine is busy. What must not
take long is told by a condition of the product's own, not by a clock beside it.
"""

from __future__ import annotations

from dcos.testing import vm_guest

_IN_A_VIRTUAL_MACHINE = 3
"""User-mode Linux runs what asks much of the kernel several times slower than the machine that it is on."""

PATIENCE_S = 60.0 * (_IN_A_VIRTUAL_MACHINE if vm_guest.is_here() else 1)
