"""nftables: read a table by the ``nft`` program, run one transaction.   Errors: NftError with what nft said.

Transactions are run by libnftables inside this process where it is there (it comes with nft): a small one takes 0.2 ms instead
of the 20 ms of a process.
"""

from __future__ import annotations

import asyncio
import ctypes
import shutil
import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from dcos.runtime import heap
from dcos.runtime.process import ProcessError, run


class NftError(Exception):
    """nft failed, or is not there."""


class Nft:
    """``namespace``: run in that network namespace (of ``ip netns``) instead of our own; ``inside``: in that of the path."""

    def __init__(self, *, namespace: str | None = None, inside: str = "", timeout_s: float = 60.0) -> None:
        self._library: _Library | None = None
        self._here = namespace is None and not inside
        self._prefix: tuple[str, ...] = ("nsenter", f"--net={inside}", "--") if inside else ()
        if namespace:
            self._prefix = ("ip", "netns", "exec", namespace)
        self._timeout_s = timeout_s

    async def objects(self, family: str, table: str, *, set: str | None = None) -> list[Mapping[str, Any]] | None:
        """Everything in a table, or one ``set`` of it, as nft's JSON objects; None where there is no such thing."""
        what = ("set", family, table, set) if set else ("table", family, table)
        try:
            result = await run([*self._prefix, "nft", "-j", "list", *what], timeout_s=self._timeout_s)
        except (ProcessError, TimeoutError) as error:
            raise NftError(str(error) or "nft took too long") from error
        if not result.ok:
            if b"No such file or directory" in result.stderr:
                return None
            raise NftError(result.stderr.decode(errors="replace").strip()[-1000:])
        found: list[Mapping[str, Any]] = msgspec.json.decode(result.stdout)["nftables"]
        return found

    async def apply(self, commands: str) -> None:
        """All of ``commands`` or nothing."""
        if self._here and self._library is None:
            self._library = await asyncio.to_thread(_Library.load)
            self._here = self._library is not None
        if self._library is not None:
            await asyncio.to_thread(self._library.run, commands)
            return
        try:
            result = await run([*self._prefix, "nft", "-f", "-"], input=commands.encode(), timeout_s=self._timeout_s)
        except (ProcessError, TimeoutError) as error:
            raise NftError(str(error) or "nft took too long") from error
        if not result.ok:
            raise NftError(result.stderr.decode(errors="replace").strip()[-1000:])


_MUCH = 1 << 17
"""Text of a transaction after which the memory it took is given back: a hundred times its length."""


class _Library:
    """libnftables with a context of its own; one transaction at a time."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        self._library = library
        self._context = ctypes.c_void_p(library.nft_ctx_new(0))
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)
        self._lock = threading.Lock()

    @classmethod
    def load(cls) -> _Library | None:
        """None where it is not installed."""
        try:
            return cls(ctypes.CDLL("libnftables.so.1"))
        except (OSError, AttributeError):
            return None

    def run(self, commands: str) -> None:
        """Errors: NftError."""
        with self._lock:
            refused = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
            said = self._library.nft_ctx_get_error_buffer(self._context) or b"" if refused else b""
            if len(commands) > _MUCH:
                heap.give_back()
        if refused:
            raise NftError(said.decode(errors="replace").strip()[-1000:])


def why_not() -> str | None:
    """Why nft cannot be run here, None if it can be tried."""
    return None if shutil.which("nft") else "no nft on PATH (nftables)"
