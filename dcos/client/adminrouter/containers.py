"""Processes in containers of one agent, through Admin Router: sessions, output, input, exit status.

An output is a stream of records that ends with the container's; an input is a request whose body goes on.
Source: Mesos docs/operator-http-api.md (agent), ``dcos task exec`` of dcos-core-cli.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, urlsplit

from dcos.client.adminrouter.failures import ClientError, Refused, Unreachable
from dcos.client.adminrouter.transport import Transport
from dcos.wire import recordio

Json = dict[str, Any]
_RECORDIO: Final = "application/recordio"
_JSON: Final = "application/json"
HEARTBEAT_S: Final = 30.0


class Output:
    """What a process writes. Close it to leave (a session's process ends then)."""

    def __init__(self, opened: socket.socket, response: http.client.HTTPResponse) -> None:
        self._socket = opened
        self._response = response

    def chunks(self) -> Iterator[tuple[str, bytes]]:
        """(``STDOUT`` or ``STDERR``, bytes) until the end.   Errors: Unreachable."""
        decoder = recordio.Decoder()
        try:
            while data := self._response.read1(65536):
                for record in decoder.feed(data):
                    message = json.loads(record)
                    if message.get("type") == "DATA":
                        body = message["data"]
                        yield str(body["type"]), base64.b64decode(body.get("data", ""))
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise Unreachable(f"the connection to the task broke: {error or type(error).__name__}") from None

    def close(self) -> None:
        """From any thread."""
        shut(self._socket)


class Containers:
    """Of the agent ``agent_id``. Every call has a connection of its own."""

    def __init__(self, transport: Transport, agent_id: str) -> None:
        self._transport = transport
        self._path = f"/agent/{quote(agent_id)}/slave(1)/api/v1"

    def session(self, container_id: Json, command: Json, *, tty: Json | None = None) -> Output:
        """Run ``command`` in a new container beside another.   Errors: ClientError."""
        body: Json = {"container_id": container_id, "command": command}
        if tty is not None:
            body["container"] = {"type": "MESOS", "tty_info": tty}
        return self._output({"type": "LAUNCH_NESTED_CONTAINER_SESSION", "launch_nested_container_session": body})

    def output(self, container_id: Json) -> Output:
        """Errors: ClientError; Refused with status 500 when nothing can be attached to."""
        body = {"container_id": container_id}
        return self._output({"type": "ATTACH_CONTAINER_OUTPUT", "attach_container_output": body})

    def wait(self, container_id: Json) -> int | None:
        """How it ended, as wait(2) gives it.   Errors: ClientError."""
        body = {"type": "WAIT_NESTED_CONTAINER", "wait_nested_container": {"container_id": container_id}}
        found = self._transport.send("POST", self._path, body)
        status = found.get("wait_nested_container", {}).get("exit_status")
        return int(status) if status is not None else None

    def type(self, container_id: Json, messages: Iterable[Json], opened: list[socket.socket]) -> None:
        """Send process I/O messages until they end, in a request that lasts as long; blocks.

        The socket is put into ``opened``, so that another thread can ``shut`` it.   Errors: ClientError.
        """

        def body() -> Iterator[bytes]:
            yield _record({"type": "CONTAINER_ID", "container_id": container_id})
            for one in messages:
                yield _record({"type": "PROCESS_IO", "process_io": one})

        headers = {"Content-Type": _RECORDIO, "Message-Content-Type": _JSON, "Transfer-Encoding": "chunked"}
        connection = self._transport.connect()
        opened.append(connection.sock)
        self._ask(connection, body(), headers | {"Accept": _JSON})
        shut(opened[-1])

    def _output(self, call: Json) -> Output:
        connection = self._transport.connect()
        headers = {"Content-Type": _JSON, "Accept": _RECORDIO, "Message-Accept": _JSON}
        # (a response that ends the connection takes the socket along)
        opened = connection.sock
        return Output(opened, self._ask(connection, json.dumps(call).encode(), headers))

    def _ask(
        self, connection: http.client.HTTPConnection, body: bytes | Iterator[bytes], headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        """Errors: ClientError."""
        parts = urlsplit(self._transport.url)
        path = parts.path.rstrip("/") + self._path
        try:
            connection.request(
                "POST",
                path,
                body=body,
                headers=headers | self._transport.identity(),
                encode_chunked="Transfer-Encoding" in headers,
            )
            response = connection.getresponse()
            if response.status == 200:
                return response
            raw = response.read()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise Unreachable(f"{self._transport.url}: {error or type(error).__name__}") from None
        connection.close()
        told = {key.lower(): value for key, value in response.getheaders()}
        raise Refused(response.status, raw, told, f"POST {path}")


def shut(opened: socket.socket) -> None:
    """End it for the other side and for the thread that waits for it, whichever that is."""
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def _record(body: Json) -> bytes:
    call = {"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": body}
    return recordio.frame(json.dumps(call).encode())


def typed(data: bytes) -> Json:
    """A message: bytes for stdin; none at all for its end."""
    return {"type": "DATA", "data": {"type": "STDIN", "data": base64.b64encode(data).decode()}}


def resized(rows: int, columns: int) -> Json:
    """A message: the size of the terminal's window."""
    size = {"window_size": {"rows": rows, "columns": columns}}
    return {"type": "CONTROL", "control": {"type": "TTY_INFO", "tty_info": size}}


def heartbeat() -> Json:
    """A message: the client is there."""
    beat = {"interval": {"nanoseconds": int(HEARTBEAT_S * 1e9)}}
    return {"type": "CONTROL", "control": {"type": "HEARTBEAT", "heartbeat": beat}}


__all__ = ["ClientError", "Containers", "Output", "heartbeat", "resized", "shut", "typed"]
