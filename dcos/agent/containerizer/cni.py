"""Container networks by CNI plugins: which network is configured how, and the calls that attach and detach a container.

A network is a JSON file of ``--network_cni_config_dir`` with at least ``name`` and ``type``; ``type`` names a program of
``--network_cni_plugins_dir`` (folders separated by colons). Files are read at each attachment. What a plugin needs is in
its environment and on its input, what it did on its output.

The types ``mesos-cni-port-mapper`` (``port_mapper``) and ``dcos-l4lb`` (``balanced``) are built in, unless there are such
programs; so is ``ipMasq`` of the types bridge and ptp (``masquerade``).

Source: CNI specification 0.2 (results of later ones are read as well); Mesos docs/cni.md.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from dcos.agent.containerizer import balanced, masquerade, port_mapper
from dcos.agent.containerizer.base import ContainerError
from dcos.model.v1.types import NetworkInfo, NetworkInfoIPAddress, NetworkInfoProtocol
from dcos.runtime.links import LinkError
from dcos.runtime.nft import NftError
from dcos.wire import mesos_json

_PLUGIN_S = 60.0
_ARGUMENTS = "org.apache.mesos"


class NetworkError(ContainerError):
    """A container could not be attached to a network: names the network and says why."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an attachment gave."""

    addresses: tuple[str, ...] = ()
    """Without prefix length, IPv4 first."""
    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    domain: str | None = None
    subnets: tuple[str, ...] = ()
    """The addresses as they were told, ``address/length``; those without a length are missing."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """One interface of a container. ``config`` is what the plugin was given, for its end."""

    network: str
    interface: str
    info: NetworkInfo
    config: dict[str, Any]
    result: Result = Result()
    mapped: bool = False
    """Ports of the host lead to it."""
    noted: str = ""
    """Folder in which the container is noted as one with virtual IPs inside."""
    forwarders: dict[str, Any] | None = None
    """What gave the address of its link to the node's forwarders, if it has one."""

    @property
    def ipv4(self) -> str | None:
        return next((one for one in self.result.addresses if ":" not in one), None)

    def status(self) -> NetworkInfo:
        """As status updates show it."""
        found = tuple(
            NetworkInfoIPAddress(
                ip_address=one, protocol=NetworkInfoProtocol.IPv6 if ":" in one else NetworkInfoProtocol.IPv4
            )
            for one in self.result.addresses
        )
        return msgspec.structs.replace(self.info, ip_addresses=found)


def _link(attachment: Attachment, addresses: dict[str, Any]) -> Attachment:
    """The link to the forwarders as an attachment of its own."""
    return Attachment(network=attachment.network, interface=balanced.LINK, info=attachment.info, config=addresses)


def named(infos: Sequence[NetworkInfo]) -> tuple[NetworkInfo, ...]:
    """Those that join a network, in order; without a name it is the machine's own.   Errors: NetworkError."""
    found = tuple(one for one in infos if one.name)
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise NetworkError(f"Attempted to join CNI network '{name}' multiple times")
    return found


def read_result(raw: bytes) -> Result:
    """A plugin's output, of any version of the specification.   Errors: ValueError."""
    try:
        told = msgspec.json.decode(raw or b"{}", type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ValueError(f"its answer is no JSON object: {error}") from None
    addresses = [
        str(told[key]["ip"]) for key in ("ip4", "ip6") if isinstance(told.get(key), dict) and told[key].get("ip")
    ]
    addresses += [str(one["address"]) for one in told.get("ips") or () if isinstance(one, dict) and one.get("address")]
    addresses.sort(key=lambda one: ":" in one)
    dns = told.get("dns") or {}
    return Result(
        addresses=tuple(one.partition("/")[0] for one in addresses),
        subnets=tuple(one for one in addresses if "/" in one),
        nameservers=tuple(map(str, dns.get("nameservers") or ())),
        search=tuple(map(str, dns.get("search") or ())),
        options=tuple(map(str, dns.get("options") or ())),
        domain=dns.get("domain"),
    )


@dataclass(frozen=True, slots=True)
class Plugins:
    """``configs``: folder of networks; ``folders``: where plugins are."""

    configs: Path | None = None
    folders: str = ""
    mapper: port_mapper.PortMapper = field(default_factory=port_mapper.PortMapper)
    masquerade: masquerade.Masquerade = field(default_factory=masquerade.Masquerade)

    def config(self, name: str) -> dict[str, Any]:
        """Of the network ``name``, as it stands now.   Errors: NetworkError."""
        problems = []
        for file in sorted(self.configs.iterdir()) if self.configs is not None and self.configs.is_dir() else ():
            if not file.is_file():
                continue
            try:
                found = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
            except (OSError, msgspec.MsgspecError) as error:
                problems.append(f"{file.name}: {error}")
                continue
            if found.get("name") == name:
                return found
        tail = f" (not read: {'; '.join(problems)})" if problems else ""
        raise NetworkError(f"Unknown CNI network '{name}'{tail}")

    async def attach(self, container_id: str, netns: str, info: NetworkInfo, index: int) -> Attachment:
        """Errors: NetworkError."""
        name = info.name or ""
        config = self.config(name)
        arguments = config.get("args")
        told = msgspec.json.decode(mesos_json.encode(info))
        args = {**(arguments if isinstance(arguments, dict) else {}), _ARGUMENTS: {"network_info": told}}
        config = {**config, "args": args}
        maps = config.get("type") == port_mapper.TYPE and self._program(port_mapper.TYPE) is None
        outer = port_mapper.delegate_of(config) if maps else config
        balances = (outer or {}).get("type") == balanced.TYPE and self._program(balanced.TYPE) is None
        delegate = port_mapper.delegate_of(outer) if balances and outer else outer
        if delegate is None:
            raise NetworkError(f"Failed to attach to CNI network '{name}': its configuration has no 'delegate'")
        masks = masquerade.wants(delegate)
        if masks:
            delegate = {**delegate, "ipMasq": False}
        attachment = Attachment(network=name, interface=f"eth{index}", info=info, config=delegate)
        raw = await self._call("ADD", container_id, netns, attachment)
        try:
            attachment = msgspec.structs.replace(attachment, result=read_result(raw))
        except ValueError as error:
            raise NetworkError(f"Failed to attach to CNI network '{name}': {error}") from None
        try:
            if masks:
                await self.masquerade.cover(attachment.result.subnets)
            if balances and outer:
                noted, forwarders = balanced.folder_of(outer), balanced.addresses_of(outer)
                attachment = msgspec.structs.replace(attachment, noted=noted, forwarders=forwarders)
                await self._balance(container_id, netns, attachment)
            return await self._mapped(attachment) if maps and info.port_mappings else attachment
        except (NftError, LinkError, OSError, ValueError) as error:
            await self.detach(container_id, netns, attachment)
            raise NetworkError(f"Failed to attach to CNI network '{name}': {error}") from error
        except NetworkError:
            await self.detach(container_id, netns, attachment)
            raise

    async def _balance(self, container_id: str, netns: str, attachment: Attachment) -> None:
        """Errors: LinkError, OSError, ValueError, NetworkError."""
        if attachment.forwarders is not None:
            link = _link(attachment, attachment.forwarders)
            found = read_result(await self._call("ADD", container_id, netns, link)).addresses
            if not found:
                raise ValueError("no address for its link to the forwarders")
            await balanced.join(container_id, netns, found[0])
        if attachment.noted:
            await balanced.register(attachment.noted, container_id, netns)

    async def _mapped(self, attachment: Attachment) -> Attachment:
        """With the container's ports on the host.   Errors: NftError."""
        address = attachment.ipv4
        if address is None:
            raise NftError("it has no IPv4 address for port mappings")
        await self.mapper.open(address, attachment.info.port_mappings)
        return msgspec.structs.replace(attachment, mapped=True)

    async def detach(self, container_id: str, netns: str, attachment: Attachment) -> None:
        """The container may be gone: its plugin gives back addresses all the same.   Errors: NetworkError."""
        if attachment.noted:
            balanced.unregister(attachment.noted, container_id)
        if attachment.forwarders is not None:
            try:
                await balanced.part(container_id)
            except LinkError as error:
                raise NetworkError(f"Failed to detach from CNI network '{attachment.network}': {error}") from error
            await self._call("DEL", container_id, netns, _link(attachment, attachment.forwarders))
        if attachment.mapped and attachment.ipv4 is not None:
            try:
                await self.mapper.close(attachment.ipv4)
            except NftError as error:
                raise NetworkError(f"Failed to detach from CNI network '{attachment.network}': {error}") from error
        await self._call("DEL", container_id, netns, attachment)

    async def _call(self, command: str, container_id: str, netns: str, attachment: Attachment) -> bytes:
        verb = "attach to" if command == "ADD" else "detach from"
        failed = f"Failed to {verb} CNI network '{attachment.network}'"
        kind = str(attachment.config.get("type") or "")
        program = self._program(kind)
        if program is None:
            raise NetworkError(f"{failed}: no plugin {kind!r} in --network_cni_plugins_dir={self.folders}")
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container_id,
            "CNI_PATH": self.folders,
            "CNI_IFNAME": attachment.interface,
            "CNI_NETNS": netns,
            "PATH": os.environ.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        }
        code, out, errors = await _run(program, environment, msgspec.json.encode(attachment.config), failed)
        if code != 0:
            raise NetworkError(
                f"{failed}: {_complaint(out) or errors.decode(errors='replace').strip() or f'exit {code}'}"
            )
        return out

    def _program(self, kind: str) -> Path | None:
        if not kind or "/" in kind:
            return None
        paths = (Path(folder) / kind for folder in self.folders.split(":") if folder)
        return next((path for path in paths if os.access(path, os.X_OK)), None)


async def _run(program: Path, env: Mapping[str, str], stdin: bytes, failed: str) -> tuple[int, bytes, bytes]:
    """Errors: NetworkError."""
    pipe = asyncio.subprocess.PIPE
    # not a pipe: whether it reads its input is the plugin's affair
    told = os.memfd_create("cni")
    try:
        os.write(told, stdin)
        os.lseek(told, 0, os.SEEK_SET)
        child = await asyncio.create_subprocess_exec(program, stdin=told, stdout=pipe, stderr=pipe, env=env)
    except OSError as error:
        raise NetworkError(f"{failed}: {program}: {error.strerror}") from error
    finally:
        os.close(told)
    try:
        async with asyncio.timeout(_PLUGIN_S):
            out, errors = await child.communicate()
    except TimeoutError:
        raise NetworkError(f"{failed}: {program} did not end within {_PLUGIN_S:g} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode or 0, out, errors


def _complaint(out: bytes) -> str:
    """A plugin that fails says so on its output: ``{"code": 7, "msg": "..", "details": ".."}``."""
    try:
        told = msgspec.json.decode(out, type=dict[str, Any])
    except msgspec.MsgspecError:
        return out.decode(errors="replace").strip()
    return ": ".join(str(told[key]) for key in ("msg", "details") if told.get(key))
