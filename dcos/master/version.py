"""The Mesos version that this master answers as: clients decide by it which calls they may use."""

from __future__ import annotations

from typing import Final

MESOS_VERSION: Final = "1.11.0"
BUILD_DATE: Final = "2026-11-22 00:00:00"
BUILD_TIME: Final = 1795305600.0
BUILD_USER: Final = "dcos"

VERSION_INFO: Final = {
    "build_date": BUILD_DATE,
    "build_time": BUILD_TIME,
    "build_user": BUILD_USER,
    "version": MESOS_VERSION,
}
