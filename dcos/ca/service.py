"""dcos-ca: reads the authority's key, signs what nodes of this cluster ask for.

Exit code 3: a file cannot be used.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
from pathlib import Path

import msgspec

from dcos.ca.api import Signer, application
from dcos.ca.config import Authority as Config
from dcos.runtime import app as runtime
from dcos.runtime import http
from dcos.runtime.app import App, Exit
from dcos.wire import certificates
from dcos.wire.certificates import Authority, CertificateError

_EXIT_BAD_INPUT = 3


class _Keys(msgspec.Struct, frozen=True):
    master: str
    agent: str


def read_authority(chain: Path, key: Path) -> Authority:
    """Errors: CertificateError, OSError."""
    first, *above = certificates.read_certificates(chain.read_text(encoding="ascii"))
    text = "".join(certificates.pem(one) for one in above)
    authority, _ = certificates.authority_of(certificates.pem(first), key.read_text(encoding="ascii"), text)
    return authority


def _read_keys(path: Path) -> dict[str, str]:
    """Errors: ValueError, which never shows them; OSError."""
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=_Keys)
    except msgspec.MsgspecError:
        raise ValueError(f"{path}: must hold the keys of masters and agents") from None
    if min(len(keys.master), len(keys.agent)) < 32:
        raise ValueError(f"{path}: an enrolment key has 32 characters or more")
    return {"master": keys.master, "agent": keys.agent}


async def run(app: App[Config]) -> None:
    config = app.config
    try:
        authority = read_authority(config.chain_file, config.key_file)
        keys = _read_keys(config.enrolment_file)
    except CertificateError as error:
        raise Exit(_EXIT_BAD_INPUT, f"{config.chain_file}, {config.key_file}: {error}") from error
    except (ValueError, OSError) as error:
        raise Exit(_EXIT_BAD_INPUT, str(error)) from error
    signer = Signer(
        authority, keys, frozenset(config.master_list), app.clock, revoked=frozenset(config.revoked), days=config.days
    )
    where = config.socket or socket_of(app.layout.run)
    async with http.listen_unix(application(signer), path=where, mode=0o660):
        # without that group (nodes that are plain processes) everybody is the same user
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(where, -1, grp.getgrnam(config.socket_group).gr_gid)
        app.ready(f"signing as {authority.certificate.subject.rfc4514_string()}")
        await asyncio.Event().wait()  # until cancelled


def socket_of(run: Path) -> Path:
    return run / "dcos-ca/ca.sock"


def main() -> int:
    return runtime.main("dcos-ca", Config, run, prefix="CA_")
