"""nftables by the ``nft`` program: read a table, run one transaction.   Errors: NftError with what nft said."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import msgspec

from dcos.runtime.process import ProcessError, run


class NftError(Exception):
    """nft failed, or is not there."""


class Nft:
    """``namespace``: run in that network namespace (of ``ip netns``) instead of our own."""

    def __init__(self, *, namespace: str | None = None, timeout_s: float = 60.0) -> None:
        self._prefix = ("ip", "netns", "exec", namespace) if namespace else ()
        self._timeout_s = timeout_s

    async def objects(self, family: str, table: str) -> list[Mapping[str, Any]] | None:
        """Everything in a table as nft's JSON objects; None where there is no such table."""
        try:
            result = await run([*self._prefix, "nft", "-j", "list", "table", family, table], timeout_s=self._timeout_s)
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
        try:
            result = await run([*self._prefix, "nft", "-f", "-"], input=commands.encode(), timeout_s=self._timeout_s)
        except (ProcessError, TimeoutError) as error:
            raise NftError(str(error) or "nft took too long") from error
        if not result.ok:
            raise NftError(result.stderr.decode(errors="replace").strip()[-1000:])


def why_not() -> str | None:
    """Why nft cannot be run here, None if it can be tried."""
    return None if shutil.which("nft") else "no nft on PATH (nftables)"
