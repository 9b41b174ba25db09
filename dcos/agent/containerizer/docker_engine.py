"""The Docker Engine, asked through its SDK in threads of its own. The only module that imports the SDK.

EngineError > NotThere.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import requests
from docker import APIClient, auth, errors

from dcos.agent.containerizer.base import ContainerError

T = TypeVar("T")
_CALL_S = 60
_CALLS = 16
_PULLS = 8
_CREDENTIAL_FILES = (".docker/config.json", ".dockercfg")


class EngineError(ContainerError):
    """Docker refused or did not answer: says what, in its words."""


class NotThere(EngineError):
    """Docker knows no such container or image."""


class Engine:
    """One engine at a Unix socket. Nothing is asked before the first call, and calls never block the loop."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._client: APIClient | None = None
        self._lock = threading.Lock()
        self._calls = asyncio.Semaphore(_CALLS)
        self._pulls = asyncio.Semaphore(_PULLS)

    async def _ask(self, call: Callable[[APIClient], T]) -> T:
        async with self._calls:
            return await _in_daemon(lambda: self._call(call))

    def _call(self, call: Callable[[APIClient], T]) -> T:
        try:
            client = self._connected()
            try:
                return call(client)
            except requests.ConnectionError:
                # a kept connection that the engine closed meanwhile
                return call(client)
        except errors.NotFound as error:
            raise NotThere(_words(error)) from error
        except errors.DockerException as error:
            raise EngineError(_words(error)) from error
        except (requests.RequestException, OSError) as error:
            raise EngineError(f"Docker does not answer at {self.socket}: {error}") from error

    def _connected(self) -> APIClient:
        with self._lock:
            if self._client is None:
                try:
                    self._client = APIClient(
                        base_url=f"unix://{self.socket}",
                        version="auto",
                        timeout=_CALL_S,
                        max_pool_size=_CALLS + _PULLS,
                    )
                except errors.DockerException as error:
                    raise EngineError(f"Docker does not answer at {self.socket}: {error}") from error
            return self._client

    async def info(self) -> dict[str, Any]:
        """What it tells of itself: version, drivers, cgroups."""
        return dict(await self._ask(lambda client: client.info()))

    # ---- images ------------------------------------------------------------------------------------------------------

    async def has_image(self, image: str) -> bool:
        try:
            await self._ask(lambda client: client.inspect_image(image))  # type: ignore[no-untyped-call]
        except NotThere:
            return False
        return True

    async def pull(self, image: str, config: Mapping[str, Any] | None) -> None:
        """``config``: a docker config.json with credentials. Cancelling ends it.   Errors: EngineError."""
        given_up = threading.Event()
        try:
            async with self._pulls:
                await _in_daemon(lambda: self._call(lambda client: _pull(client, image, config, given_up)))
        except asyncio.CancelledError:
            given_up.set()
            raise

    # ---- containers --------------------------------------------------------------------------------------------------

    async def create(self, name: str, body: dict[str, Any]) -> None:
        """A container of that name that an agent which died left unstarted is replaced."""
        try:
            await self._ask(lambda client: client.create_container_from_config(body, name))  # type: ignore[no-untyped-call]
        except EngineError as error:
            cause = error.__cause__
            if not isinstance(cause, errors.APIError) or cause.status_code != 409:
                raise
            await self.remove(name)
            await self._ask(lambda client: client.create_container_from_config(body, name))  # type: ignore[no-untyped-call]

    async def make_volume(self, name: str, driver: str | None, options: Mapping[str, str]) -> None:
        await self._ask(lambda client: client.create_volume(name, driver, dict(options)))

    async def inspect(self, name: str) -> dict[str, Any]:
        """Errors: NotThere."""
        return dict(await self._ask(lambda client: client.inspect_container(name)))

    async def signal(self, name: str, signal: int | str) -> None:
        """To its main process; one that does not run is fine."""
        try:
            await self._ask(lambda client: client.kill(name, signal))
        except EngineError as error:
            cause = error.__cause__
            if not isinstance(cause, errors.APIError) or cause.status_code not in (404, 409):
                raise

    async def update(
        self,
        name: str,
        *,
        cpu_shares: int,
        cpu_quota: int | None,
        cpu_period: int,
        memory: int | None,
        reservation: int,
    ) -> None:
        """New limits; None leaves one as it is."""
        await self._ask(
            lambda client: client.update_container(
                name,
                cpu_shares=cpu_shares,
                cpu_quota=cpu_quota,
                cpu_period=cpu_period if cpu_quota is not None else None,
                mem_limit=memory,
                # without it the new limit might exceed the old one of memory and swap
                memswap_limit=None if memory is None else 2 * memory,
                mem_reservation=reservation if memory is None or reservation < memory else None,
            )
        )

    async def remove(self, name: str) -> None:
        """With its anonymous volumes; none there is fine."""
        with contextlib.suppress(NotThere):
            await self._ask(lambda client: client.remove_container(name, v=True, force=True))

    async def names(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Containers whose name begins so, running or not: name to what a list tells of it."""
        found = await self._ask(lambda client: client.containers(all=True, filters={"name": f"^/?{prefix}"}))
        out: dict[str, dict[str, Any]] = {}
        for one in found:
            for name in one.get("Names") or ():
                if name.lstrip("/").startswith(prefix):
                    out[name.lstrip("/")] = dict(one)
        return out

    # ---- commands inside ---------------------------------------------------------------------------------------------

    async def start_exec(self, name: str, argv: list[str], environment: Mapping[str, str], user: str) -> str:
        """Begin a command in a running container; its id."""

        def begin(client: APIClient) -> str:
            made = client.exec_create(name, argv, stdout=False, stderr=False, environment=dict(environment), user=user)
            client.exec_start(made["Id"], detach=True)
            return str(made["Id"])

        return await self._ask(begin)

    async def inspect_exec(self, exec_id: str) -> dict[str, Any]:
        return dict(await self._ask(lambda client: client.exec_inspect(exec_id)))


async def _in_daemon(call: Callable[[], T]) -> T:
    """``call`` in a thread that does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = call()
        except Exception as trouble:
            error = trouble
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="docker", daemon=True).start()
    return await done


def _words(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    if isinstance(explanation, bytes):
        explanation = explanation.decode(errors="replace")
    return f"Docker: {explanation or error}"


def _pull(client: APIClient, image: str, config: Mapping[str, Any] | None, given_up: threading.Event) -> None:
    name, separator, digest = image.partition("@")
    registry, _ = auth.resolve_repository_name(name)
    login = auth.AuthConfig.load_config(None, dict(config)) if config else None
    credentials = login.resolve_authconfig(registry) if login is not None else None
    lines = client.pull(name, tag=digest if separator else None, stream=True, decode=True, auth_config=credentials)
    for line in lines:
        if given_up.is_set():
            lines.close()
            return
        if "error" in line:
            raise errors.DockerException(f"pull of {image}: {line['error']}")


def read_config(text: str) -> dict[str, Any]:
    """``--docker_config``.   Errors: EngineError."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise EngineError(f"--docker_config cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise EngineError("--docker_config must be a JSON object")
    return value


def sandbox_config(sandbox: Path) -> dict[str, Any] | None:
    """Credentials that the task's URIs brought along.   Errors: EngineError."""
    for name in _CREDENTIAL_FILES:
        path = sandbox / name
        if path.is_file() and not path.is_symlink():
            try:
                value = json.loads(path.read_bytes())
            except (OSError, ValueError) as error:
                raise EngineError(f"{name} in the sandbox cannot be read: {error}") from None
            if isinstance(value, dict):
                return value
    return None
