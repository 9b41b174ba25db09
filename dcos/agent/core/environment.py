"""The environment of a task. The agent's own is not inherited.

Order, later ones win: the agent's list, ``--executor_environment_variables``, the image's, the command's.
Source: Mesos executor environment (docs/executor-http-api.md and the agent's executorEnvironment).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dcos.model.durations import text as duration_text
from dcos.model.v1.types import CommandInfo, EnvironmentVariableType
from dcos.wire.executor_token import Claims, sign

SOCKETS_IN_IMAGES = "/run/mesos"
"""Where an executor in an image sees the folder of the agent's unix socket ``SOCKET_NAME``."""
SOCKET_NAME = "agent.sock"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BadEnvironment(ValueError):
    """The command asks for a variable that cannot be given."""


@dataclass(frozen=True, slots=True)
class AgentEnvironment:
    """What the agent contributes."""

    agent_id: str
    endpoint: str
    """``ip:port``"""
    recovery_timeout_s: float
    shutdown_grace_s: float
    http_command_executor: bool
    extra: Mapping[str, str] | None = None
    native_library: str | None = None
    """Where libmesos is, which executors in Java and Python of old load; None where there is none."""
    token_key: bytes | None = field(default=None, repr=False)
    """Signs executors' tokens, where they have to show one."""
    authorities: str | None = None
    """File by which custom executors verify the agent, where its port speaks TLS only."""
    domain_socket: str | None = None
    """By which executors reach the agent; None: only over TCP."""


@dataclass(frozen=True, slots=True)
class Ids:
    framework: str
    executor: str
    checkpoint: bool
    role: str | None
    shutdown_grace_s: float | None = None
    """The executor's own, instead of the agent's."""


def environment(
    agent: AgentEnvironment, ids: Ids, *, directory: str, sandbox: str, image: Mapping[str, str], command: CommandInfo
) -> dict[str, str]:
    """``directory``: the sandbox on the host; ``sandbox``: as the task sees it.   Errors: BadEnvironment."""
    out = {
        "MESOS_FRAMEWORK_ID": ids.framework,
        "MESOS_EXECUTOR_ID": ids.executor,
        "MESOS_SLAVE_ID": agent.agent_id,
        "MESOS_SLAVE_PID": f"slave(1)@{agent.endpoint}",
        "MESOS_AGENT_ENDPOINT": agent.endpoint,
        "MESOS_DIRECTORY": directory,
        "MESOS_SANDBOX": sandbox,
        "MESOS_CHECKPOINT": "1" if ids.checkpoint else "0",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": duration_text(
            agent.shutdown_grace_s if ids.shutdown_grace_s is None else ids.shutdown_grace_s
        ),
        "MESOS_HTTP_COMMAND_EXECUTOR": "1" if agent.http_command_executor else "0",
        "LIBPROCESS_PORT": "0",
    }
    if ids.checkpoint:
        out["MESOS_RECOVERY_TIMEOUT"] = duration_text(agent.recovery_timeout_s)
        out["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = "2secs"
    if ids.role is not None:
        out["MESOS_ALLOCATION_ROLE"] = ids.role
    if agent.domain_socket is not None:
        out["MESOS_DOMAIN_SOCKET"] = agent.domain_socket
    if agent.native_library is not None:
        out["MESOS_NATIVE_JAVA_LIBRARY"] = out["MESOS_NATIVE_LIBRARY"] = agent.native_library
    if agent.token_key is not None:
        claims = Claims(fid=ids.framework, eid=ids.executor, cid=directory.rpartition("/")[2])
        out["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"] = sign(agent.token_key, claims)
    if agent.authorities is not None:
        out["LIBPROCESS_SSL_CA_FILE"] = agent.authorities
    out.update(agent.extra or {})
    out.update(image)
    out.update(command_variables(command))
    out.setdefault("PATH", DEFAULT_PATH)
    return out


def docker_environment(
    agent: AgentEnvironment,
    ids: Ids,
    *,
    directory: str,
    sandbox: str,
    name: str,
    command: CommandInfo,
    executor: bool,
) -> dict[str, str]:
    """Of a container of the Docker Engine, beside the image's own (which keeps its PATH).   Errors: BadEnvironment.

    A task gets little; an executor all it needs to find its agent.
    """
    out: dict[str, str] = {}
    if executor:
        agent = replace(agent, domain_socket=None)
        out = environment(agent, ids, directory=directory, sandbox=sandbox, image={}, command=CommandInfo())
        if "PATH" not in (agent.extra or {}):
            del out["PATH"]
    elif ids.role is not None:
        out["MESOS_ALLOCATION_ROLE"] = ids.role
    out.update(command_variables(command))
    out["MESOS_SANDBOX"] = sandbox
    out["MESOS_CONTAINER_NAME"] = name
    return out


def command_variables(command: CommandInfo) -> dict[str, str]:
    """The command's own variables.   Errors: BadEnvironment for a secret or an impossible name."""
    out: dict[str, str] = {}
    for variable in command.environment.variables if command.environment is not None else ():
        value = variable.value
        if variable.type is EnvironmentVariableType.SECRET:
            secret = variable.secret
            if secret is None or secret.value is None:
                raise BadEnvironment(f"environment variable {variable.name}: only secrets given by value are known")
            value = secret.value.data.decode("utf-8", errors="surrogateescape")
        if not variable.name or "=" in variable.name or "\0" in variable.name + (value or ""):
            raise BadEnvironment(f"environment variable {variable.name!r}: impossible name or value")
        out[variable.name] = value or ""
    return out
