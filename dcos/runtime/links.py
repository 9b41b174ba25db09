"""Devices without hardware, their addresses and routes, by the ``ip`` program.

The device of choice for addresses of our own is a bridge without ports: dummy devices are missing from some kernels, a bridge
from none that runs containers. Needed rarely, so no netlink library stays in memory for it.
``inside``: path of another network namespace.
Errors: LinkError naming the device and what was refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from dcos.runtime.process import ProcessError, Result, run

PROTOCOL = 13
"""Marks our routes, so that those the kernel or others made stay alone."""
_TIMEOUT_S = 30.0


class LinkError(Exception):
    """The kernel refused a change of a device, address or route."""


async def ensure_device(name: str, addresses: Iterable[str] = (), *, inside: str = "") -> bool:
    """A bridge without ports, up, with at least ``addresses`` (as /32 or /128); tells whether anything was changed."""
    changed = False
    device = await _device(name, inside)
    if device is None:
        await change(f"link add name {name} type bridge", but="File exists", about=f"device {name}", inside=inside)
        device = await _device(name, inside) or {}
        changed = True
    held = {address["local"] for address in device.get("addr_info", ())}
    # nodad: without a port nobody answers on the device, and until then an IPv6 address could not be bound to
    commands = [
        f"addr add {address}/{_full(address)} dev {name}" + (" nodad" if ":" in address else "")
        for address in addresses
        if address not in held
    ]
    if "UP" not in device.get("flags", ()):
        commands.append(f"link set dev {name} up")
    await change(*commands, about=f"device {name}", inside=inside)
    return changed or bool(commands)


async def remove_device(name: str, *, inside: str = "") -> bool:
    """Remove it with its addresses and routes; False where there is none."""
    if await _device(name, inside) is None:
        return False
    await change(f"link del dev {name}", about=f"device {name}", inside=inside)
    return True


async def routes(device: str, *, protocol: int = PROTOCOL, inside: str = "") -> set[str]:
    """Destinations (``network/length``) of the routes in the main table that lead to ``device`` and are marked ``protocol``."""
    found = set()
    for family in ("-4", "-6"):
        words = (family, "route", "show", "table", "main", "dev", device, "proto", str(protocol))
        shown = await show(*words, inside=inside)
        for route in shown or ():
            destination = str(route["dst"])
            found.add(destination if "/" in destination else f"{destination}/{_full(destination)}")
    return found


async def change_routes(
    device: str,
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    source: str | None = None,
    protocol: int = PROTOCOL,
    inside: str = "",
) -> None:
    """Routes to ``device``; ``source`` is the address that this node's own packets to IPv4 destinations get."""
    about = f"routes of {device}"
    tail = f"dev {device} proto {protocol}"
    gone = (f"route del {destination} {tail}" for destination in remove)
    await change(*gone, but="No such process", about=about, inside=inside)
    await change(
        *(
            f"route replace {destination} {tail}" + (f" src {source}" if source and ":" not in destination else "")
            for destination in add
        ),
        about=about,
        inside=inside,
    )


def has_ipv6() -> bool:
    """Whether this machine's kernel has it and it is not switched off."""
    switch = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
    try:
        return switch.read_text().strip() == "0"
    except OSError:
        return False


def enable_forwarding(version: int = 4) -> bool:
    """Let this node route IPv4 or IPv6 (containers reach virtual IPs through it); tells whether it was off.

    A node that routes IPv6 no longer listens to router advertisements unless told to: devices that do go on doing so.
    Errors: OSError.
    """
    settings = Path("/proc/sys/net")
    switch = settings / ("ipv4/ip_forward" if version == 4 else "ipv6/conf/all/forwarding")
    if switch.read_text().strip() == "1":
        return False
    if version == 6:
        for listens in settings.glob("ipv6/conf/*/accept_ra"):
            if listens.read_text().strip() == "1":
                listens.write_text("2\n")
    switch.write_text("1\n")
    return True


def _full(address: str) -> int:
    return 128 if ":" in address else 32


async def _device(name: str, inside: str = "") -> dict[str, Any] | None:
    found = await show("addr", "show", "dev", name, inside=inside)
    return found[0] if found else None


async def program(*words: str, input: bytes | None = None, inside: str = "") -> Result:
    """Run it and wait for its end."""
    enter = ("nsenter", f"--net={inside}", "--") if inside else ()
    try:
        return await run([*enter, *words], input=input, timeout_s=_TIMEOUT_S)
    except (ProcessError, TimeoutError) as error:
        raise LinkError(str(error) or f"{words[0]} took too long") from error


async def show(*words: str, program_name: str = "ip", inside: str = "") -> list[dict[str, Any]] | None:
    """What ``ip`` (or ``bridge``) lists; None where there is no such device."""
    result = await program(program_name, "-j", *words, inside=inside)
    if result.ok:
        return msgspec.json.decode(result.stdout or b"[]", type=list[dict[str, Any]])
    said = result.stderr.decode(errors="replace").strip()
    if any(words_ in said for words_ in ("does not exist", "Cannot find device", "No such")):
        return None
    raise LinkError(f"{program_name} {' '.join(words)}: {said}")


async def change(
    *commands: str,
    about: str,
    but: str | tuple[str, ...] = (),
    program_name: str = "ip",
    family: str = "",
    inside: str = "",
) -> None:
    """Run ``commands`` in one go, all of them; a refusal that says any of ``but`` does not matter.

    ``family``: ``-6`` where the program does not see it by the addresses.
    """
    if not commands:
        return
    ignored = (but,) if isinstance(but, str) else but
    lines = "".join(f"{command}\n" for command in commands).encode()
    options = (family,) if family else ()
    result = await program(program_name, *options, "-force", "-batch", "-", input=lines, inside=inside)
    said = [line for line in result.stderr.decode(errors="replace").splitlines() if "Command failed" not in line]
    refused = [line for line in said if not any(one in line for one in ignored)]
    if refused:
        raise LinkError(f"{about}: {'; '.join(refused)[-1000:]}")
