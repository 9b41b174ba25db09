"""Starting a plugin's program: with the command's name and its arguments, and told by its environment where the cluster is.

Environment variables: DCOS_CLI_VERSION, DCOS_CLI_EXECUTABLE_PATH, DCOS_VERBOSITY, DCOS_LOG_LEVEL, DCOS_URL, DCOS_ACS_TOKEN,
DCOS_TLS_INSECURE=1 or DCOS_TLS_CA_PATH, and DCOS_<COMMAND>_<KEY> for every key of the command's section of dcos.toml.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from dcos.cli.config_store import Cluster, ConfigError
from dcos.cli.plugins.store import Command

INFO_LIMIT_S: Final = 5
_LEVELS: Final = {0: "error", 1: "info"}
_TOLD: Final = ("DCOS_TLS_INSECURE", "DCOS_TLS_CA_PATH", "DCOS_ACS_TOKEN", "DCOS_URL")


def environment(
    base: Mapping[str, str], cluster: Cluster, command: str, *, verify: bool | str, version: str, verbosity: int
) -> dict[str, str]:
    """``base`` with what the plugin is told; what ``base`` said of another cluster is taken away."""
    told = {key: value for key, value in base.items() if key not in _TOLD}
    told |= {
        "DCOS_CLI_VERSION": version,
        "DCOS_CLI_EXECUTABLE_PATH": os.path.abspath(sys.argv[0]),
        "DCOS_VERBOSITY": str(verbosity),
        "DCOS_LOG_LEVEL": _LEVELS.get(verbosity, "debug"),
        "DCOS_URL": cluster.url,
    }
    if cluster.token:
        told["DCOS_ACS_TOKEN"] = cluster.token
    if verify is False or cluster.url.startswith("http://"):
        told["DCOS_TLS_INSECURE"] = "1"
    elif isinstance(verify, str):
        told["DCOS_TLS_CA_PATH"] = verify
    for key, value in cluster.values.items():
        section, _, name = key.partition(".")
        if section == command and name:
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            told[f"DCOS_{_variable(command)}_{_variable(name)}"] = shown
    return told


def _variable(text: str) -> str:
    return text.upper().replace("-", "_").replace(".", "_")


def run(command: Command, words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Its exit status, which becomes ours. An interrupt is the plugin's to handle.   Errors: ConfigError."""
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        child = subprocess.Popen(
            [command.path, command.name, *words], env=environ, preexec_fn=_interruptible if os.name == "posix" else None
        )
        status = child.wait()
    except OSError as error:
        raise ConfigError(f"the plugin's program {command.path} cannot be started: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGINT, before)
    return 128 - status if status < 0 else status


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def info(command: Command) -> str:
    """The line for the listing: the plugin's own, from ``plugin.toml`` or ``--info``; empty where it tells none."""
    if command.description:
        return command.description
    try:
        done = subprocess.run(
            [command.path, command.name, "--info"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=INFO_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout.strip().split("\n", 1)[0] if done.returncode == 0 else ""
