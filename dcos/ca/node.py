"""dcos-certificates: this node's certificates, made where they are missing, renewed long before they end.

Runs to its end: a timer starts it. A certificate and its key are one file, replaced at once, readable for its service only, so
that nobody ever sees a pair that does not fit. It asks this master's own authority, or the masters' Admin Routers, whose
certificates it checks, one after the other until one answers. nginx is told of a new file by SIGHUP, upon which it serves on
and new connections get the new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
import msgspec
from cryptography.x509 import Certificate

from dcos.ca.api import PATH
from dcos.ca.config import Node as Config
from dcos.ca.core import policy, renewal
from dcos.ca.service import socket_of
from dcos.registry import NodeRole, Service
from dcos.runtime import app as runtime
from dcos.runtime import tls
from dcos.runtime.app import App, Exit
from dcos.runtime.files import write_atomic
from dcos.runtime.net import AddressError, detect_ip
from dcos.runtime.process import ProcessError
from dcos.runtime.process import run as run_program
from dcos.wire import certificates
from dcos.wire.certificates import CertificateError, PrivateKey

EXIT_BAD_INPUT = 3
EXIT_ENDING = 4
"""There is a certificate that has not been renewed for long."""
_TIMEOUT = aiohttp.ClientTimeout(total=30.0, sock_connect=5.0)
_RETRY_S = 2.0
_RETRY_MOST_S = 30.0


class Unanswered(Exception):
    """No authority gave certificates: says who said what."""


class _Answer(msgspec.Struct, frozen=True):
    certificates: dict[str, str]


async def run(app: App[Config]) -> None:
    config, layout = app.config, app.layout
    role = next((one for one in NodeRole if (layout.config / "roles" / one).exists()), None)
    if role is None:
        raise Exit(EXIT_BAD_INPUT, f"no role: no marker in {layout.config / 'roles'}")
    try:
        address = detect_ip(config.ip, config.ip_discovery_command or layout.bin / "detect_ip")
        key = config.enrolment_file.read_text(encoding="ascii").strip()
        root = certificates.read_certificates(config.ca_bundle.read_text(encoding="ascii"))[0]
        context = tls.trusting(config.ca_bundle)
    except (OSError, ValueError, AddressError, CertificateError) as error:
        raise Exit(EXIT_BAD_INPUT, str(error)) from error
    extra = await _public_address(layout.bin / "detect_ip_public", address) if role is NodeRole.MASTER else ()
    who = policy.Asker(role, address, extra)
    folder = tls.folder(layout)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    wait_s = _RETRY_S
    while due := _due(folder, who, root, app, all_of_them=config.renew):
        keys = {name: certificates.generate_key() for name in due}
        body = _request(who, keys)
        try:
            made = await _ask(app, who, body, policy.seal(key, body), context)
        except Unanswered as error:
            app.log.warning("no_certificates", why=str(error), again_in_s=wait_s)
            if _worrying(folder, app.clock.now()):
                raise Exit(EXIT_ENDING, f"certificates end soon and cannot be renewed: {error}") from error
            await asyncio.sleep(wait_s * app.rng.uniform(0.5, 1.0))
            wait_s = min(wait_s * 2, _RETRY_MOST_S)
            continue
        for row in policy.certified(role):
            if row.name in due:
                _write(folder, row, certificates.key_pem(keys[row.name]) + made[row.name])
                app.log.info("renewed", service=row.name, reason=due[row.name])
        _tell_nginx(layout.run, due, app)
        break


def _due(folder: Path, who: policy.Asker, root: Certificate, app: App[Config], *, all_of_them: bool) -> dict[str, str]:
    """Why each certificate that must be made anew is."""
    now, found = app.clock.now(), {}
    for row in policy.certified(who.role):
        wanted = policy.names(who, row.name)
        reason = renewal.reason(_text(folder / f"{row.name}.pem"), wanted, root, now)
        if reason or all_of_them:
            found[row.name] = reason or "asked for"
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _worrying(folder: Path, now: float) -> bool:
    lives = []
    for path in folder.glob("*.pem"):
        with contextlib.suppress(CertificateError, OSError):
            lives.append(certificates.facts(path.read_text(encoding="ascii")).life_left(now))
    return min(lives, default=1.0) <= renewal.WORRY_AT


def _request(who: policy.Asker, keys: Mapping[str, PrivateKey]) -> bytes:
    requests = {name: certificates.make_request(key) for name, key in keys.items()}
    return msgspec.json.encode(
        {"role": str(who.role), "address": who.address, "addresses": who.extra, "requests": requests}
    )


async def _ask(app: App[Config], who: policy.Asker, body: bytes, seal: str, context: ssl.SSLContext) -> dict[str, str]:
    """Errors: Unanswered."""
    said = []
    if who.role is NodeRole.MASTER:
        socket = app.config.socket or socket_of(app.layout.run)
        try:
            async with aiohttp.UnixConnector(path=str(socket)) as connector:
                return await _post(connector, f"http://ca{PATH}", body, seal)
        except Unanswered as error:
            said.append(f"{socket}: {error}")
    else:
        order: Sequence[str] = app.rng.sample(app.config.master_list, len(app.config.master_list))
        for master in order:
            # from the address that the certificates shall name: the authority compares
            connector = aiohttp.TCPConnector(ssl=context, local_addr=(who.address, 0))
            host = f"[{master}]" if ":" in master else master
            try:
                async with connector:
                    return await _post(connector, f"https://{host}:{app.config.https_port}{PATH}", body, seal)
            except Unanswered as error:
                said.append(f"{master}: {error}")
    raise Unanswered("; ".join(said))


async def _post(connector: aiohttp.BaseConnector, url: str, body: bytes, seal: str) -> dict[str, str]:
    """Errors: Unanswered."""
    headers = {"Authorization": seal, "Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(connector=connector, connector_owner=False, timeout=_TIMEOUT) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as reply,
        ):
            raw = await reply.read()
            if reply.status != 200:
                raise Unanswered(f"{reply.status} {raw[:300].decode(errors='replace')}")
            return msgspec.json.decode(raw, type=_Answer).certificates
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
        raise Unanswered(str(error) or type(error).__name__) from error


def _write(folder: Path, row: Service, text: str) -> None:
    owner = None
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):  # nodes that are plain processes have no users of their own
            found = pwd.getpwnam(row.user)
            owner = (found.pw_uid, found.pw_gid)
    write_atomic(folder / f"{row.name}.pem", text, mode=0o600, durable=True, owner=owner)


def _tell_nginx(run: Path, due: Mapping[str, str], app: App[Config]) -> None:
    for name in due:
        pid_file = run / name / "nginx.pid"
        with contextlib.suppress(OSError, ValueError):
            pid = int(pid_file.read_text(encoding="ascii"))
            if b"nginx" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGHUP)
                app.log.info("nginx_reloads", service=name, pid=pid)


async def _public_address(program: Path, own: str) -> tuple[str, ...]:
    """What the program prints, where that is another address."""
    if not program.exists():
        return ()
    try:
        said = (await run_program([program], timeout_s=30)).stdout.decode(errors="replace").strip()
        return (detect_ip(said, None),) if said and said != own else ()
    except (ProcessError, TimeoutError, AddressError):
        return ()


def main() -> int:
    return runtime.main("dcos-certificates", Config, run, prefix="CERTIFICATES_")
