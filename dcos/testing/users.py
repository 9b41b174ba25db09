"""Who tasks of a test may run as: only root can become somebody else."""

from __future__ import annotations

import os
import pwd

import pytest

ME = pwd.getpwuid(os.geteuid()).pw_name
SOMEBODY = "nobody" if os.geteuid() == 0 else ME
"""A user that a task may be given: another one where that is possible."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
