"""Running checks: all at once within a limit, each within its time, with the variables that the file tells and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from dcos.model import checks as model
from dcos.model.checks import UNKNOWN, Check, Checks
from dcos.node.checks.builtin import Finding
from dcos.runtime import process

MOST_BYTES = 64 * 1024
"""Of a check's output; the rest is left out."""
_MOST_CONFIG_BYTES = 4 << 20

Look = Callable[[Sequence[str], str], Awaitable[Finding]]
"""A built-in check within this process: (words of ``dcos-checks``, search path)."""


class ConfigError(Exception):
    """The checks cannot be read; the text says which file and what is wrong with it."""


class NotThereError(Exception):
    """A check was asked for that there is not; the text names it."""


@dataclass(frozen=True, slots=True)
class Configured:
    """What the file tells."""

    checks: Checks
    environment: Mapping[str, str]


def read(etc: Path, given: Path | None) -> Configured:
    """The checks of ``given`` or of the file that ``dcos-check-runner.yaml`` names.   Errors: ConfigError."""
    path = given or _named(etc / "dcos-check-runner.yaml") or etc / "dcos-check-config.json"
    try:
        if path.stat().st_size > _MOST_CONFIG_BYTES:
            raise ConfigError(f"{path}: larger than {_MOST_CONFIG_BYTES} bytes")
        told = msgspec.json.decode(path.read_bytes())
        found = model.parse(told)
        environment = told.get("check_env", {})
        if not isinstance(environment, dict) or not all(isinstance(one, str) for one in environment.values()):
            raise ConfigError(f"{path}: check_env: must be a map of texts")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return Configured(found, environment)


def _named(path: Path) -> Path | None:
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error
    named = told.get("check-config") if isinstance(told, dict) else None
    if not isinstance(named, str):
        raise ConfigError(f"{path}: check-config: must be a path")
    return Path(named)


def chosen(checks: Mapping[str, Check], names: Sequence[str]) -> dict[str, Check]:
    """Those of ``names``, all where there are none.   Errors: NotThereError."""
    missing = [name for name in names if name not in checks]
    if missing:
        raise NotThereError(f"no such check here: {', '.join(missing)}; there are {', '.join(checks) or 'none'}")
    return {name: checks[name] for name in (dict.fromkeys(names) or checks)}


class Runner:
    """``program``: path of ``dcos-checks``; what a check's command calls by it, ``look`` does here."""

    def __init__(self, program: Path, look: Look, *, most: int) -> None:
        self._program = str(program)
        self._look = look
        self._places = asyncio.Semaphore(most)

    async def run(self, checks: Mapping[str, Check], environment: Mapping[str, str]) -> dict[str, Any]:
        """``{"status": worst, "checks": {name: {"status", "output"}}}``."""
        found = await asyncio.gather(*(self._one(check, environment) for check in checks.values()))
        each = {
            name: {"status": status, "output": output} for name, (status, output) in zip(checks, found, strict=True)
        }
        return {"status": max((status for status, _ in found), default=model.OK), "checks": each}

    async def _one(self, check: Check, environment: Mapping[str, str]) -> Finding:
        async with self._places:
            late = f"command {' '.join(check.cmd)} was not done within {check.timeout}"
            try:
                if check.cmd[0] == self._program:
                    async with asyncio.timeout(check.timeout_s):
                        return await self._look(check.cmd[1:], environment.get("PATH", ""))
                code, output = await process.run_bounded(
                    check.cmd, timeout_s=check.timeout_s, most_bytes=MOST_BYTES, env=environment
                )
            except TimeoutError:
                return UNKNOWN, late
            except process.ProcessError as error:
                return UNKNOWN, str(error)
            except (LookupError, TypeError) as error:
                return UNKNOWN, f"dcos-checks knows no check {' '.join(check.cmd[1:])!r}: {error}"
            text = output.decode(errors="replace")
            if code is None:
                return UNKNOWN, f"{text}{late}; it was ended"
            return (code if code in (0, 1, 2) else UNKNOWN), text
