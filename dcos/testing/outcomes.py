"""A pytest plugin that writes down what became of each test: ``pytest -p dcos.testing.outcomes --outcomes=FILE``.

The file is an object of JSON: the test's id, as pytest takes it again, and ``passed``, ``skipped``, ``xfailed`` or
``failed``. A test whose setting up or tearing down failed has failed. What could not be collected is there under the name of
its file.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

_WORSE = ("passed", "xfailed", "skipped", "failed")


class Outcomes:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._of: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        expected = report.skipped and hasattr(report, "wasxfail")
        self._note(report.nodeid, "xfailed" if expected else report.outcome)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._note(report.nodeid, "failed")

    def _note(self, test: str, outcome: str) -> None:
        self._of[test] = max(self._of.get(test, "passed"), outcome, key=_WORSE.index)

    def pytest_sessionfinish(self) -> None:
        self._file.write_text(json.dumps(self._of))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, help="file to write what became of each test to")


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("--outcomes")
    if file is not None and not hasattr(config, "workerinput"):  # a worker of xdist tells the one that started it
        config.pluginmanager.register(Outcomes(file))
