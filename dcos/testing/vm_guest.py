"""Inside a virtual machine: run what the host asks for over a serial port, one command at a time.

A line of JSON each way: ``{"argv", "env", "cwd", "timeout_s"}`` and ``{"code", "stdout", "stderr"}``; a command that
takes too long is killed with all its session and has code 124. Standard library only: it is the node's own Python that runs it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import tty
from typing import Any, BinaryIO

PLACE = "/run-for-host"
"""Where this file is in a virtual machine."""
PORT = "/dev/ttyS0"
TIMED_OUT = 124


def is_here() -> bool:
    """Whether this machine is a virtual one of the tests."""
    return os.path.isdir(PLACE)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Run it. Output goes through files, for children may outlive their parent and keep pipes open."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(
                asked["argv"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=asked["cwd"],
                env={**os.environ, **asked["env"]},
                start_new_session=True,
            )
        except OSError as error:
            return {"code": 127, "stdout": "", "stderr": f"{error}\n"}
        try:
            code = child.wait(asked["timeout_s"])
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            code = TIMED_OUT
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return {"code": code, "stdout": texts[0], "stderr": texts[1]}


def main() -> None:
    port = os.open(PORT, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    with open(port, "wb", buffering=0) as out:
        write(out, {"ready": True})
        line = b""
        while part := os.read(port, 65536):
            line += part
            if line.endswith(b"\n"):
                asked, line = json.loads(line), b""
                write(out, answer(asked))


def write(out: BinaryIO, value: dict[str, Any]) -> None:
    """One line; a terminal takes what it has room for."""
    rest = memoryview(json.dumps(value).encode() + b"\n")
    while rest:
        rest = rest[out.write(rest) or 0 :]


if __name__ == "__main__":
    main()
