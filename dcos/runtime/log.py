"""Logs: an event name and key=value pairs, one line each, for the journal.

A line is ``<priority>logger event key=value ...`` when stderr is the journal (it strips the priority), without the
priority otherwise. ERROR means that a person should act. Secrets never come here: pass ids, not contents.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Logger:
    """Bound to a name and to pairs that every line of it carries."""

    __slots__ = ("_bound", "_logger")

    def __init__(self, name: str, bound: dict[str, Any] | None = None) -> None:
        self._logger = logging.getLogger(name)
        self._bound = bound or {}

    def bind(self, **pairs: Any) -> Logger:
        return Logger(self._logger.name, {**self._bound, **pairs})

    def debug(self, event: str, **pairs: Any) -> None:
        self._write(logging.DEBUG, event, pairs)

    def info(self, event: str, **pairs: Any) -> None:
        self._write(logging.INFO, event, pairs)

    def warning(self, event: str, **pairs: Any) -> None:
        self._write(logging.WARNING, event, pairs)

    def error(self, event: str, **pairs: Any) -> None:
        self._write(logging.ERROR, event, pairs)

    def exception(self, event: str, **pairs: Any) -> None:
        """ERROR with the traceback of the exception being handled."""
        self._write(logging.ERROR, event, pairs, exc_info=True)

    def _write(self, level: int, event: str, pairs: dict[str, Any], *, exc_info: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            text = " ".join([event, *(f"{key}={_text(value)}" for key, value in {**self._bound, **pairs}.items())])
            self._logger.log(level, "%s", text, exc_info=exc_info)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if text and text.isprintable() and " " not in text and '"' not in text else json.dumps(text)


class _JournalFormatter(logging.Formatter):
    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(name)s %(message)s" if journal else "%(asctime)s %(levelname).1s %(name)s %(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self._journal:
            return text
        prefix = f"<{_PRIORITY.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in text.splitlines())


def get_logger(name: str) -> Logger:
    return Logger(name)


def configure(level: str = "INFO") -> None:
    """Once per process, before anything is logged."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JournalFormatter(journal="JOURNAL_STREAM" in os.environ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("kazoo").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
