"""What a command works on: the configuration, the current cluster, the clients of its APIs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from dcos.cli.config_store import Cluster, ConfigError, ConfigStore
from dcos.release import VERSION

if TYPE_CHECKING:  # each command imports only the clients that it uses: the program must start quickly
    from dcos.client.adminrouter.cosmos import Cosmos
    from dcos.client.adminrouter.diagnostics import Diagnostics, LegacyDiagnostics
    from dcos.client.adminrouter.health import Health
    from dcos.client.adminrouter.links import Links
    from dcos.client.adminrouter.logs import Logs
    from dcos.client.adminrouter.marathon import Marathon
    from dcos.client.adminrouter.mesos import Mesos
    from dcos.client.adminrouter.metrics import Metrics
    from dcos.client.adminrouter.metronome import Metronome
    from dcos.client.adminrouter.security import Security
    from dcos.client.adminrouter.transport import Transport

USER_AGENT: Final = f"dcos-cli/{VERSION} linux"
DEFAULT_TIMEOUT_S: Final = 180.0
NO_CLUSTER: Final = (
    "no cluster is attached. Set one up with `dcos cluster setup <url>`, "
    "or attach one with `dcos cluster attach <name>`"
)


@dataclass
class Context:
    """Made once per command."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    verbosity: int = 0
    """1: each request is told on stderr; 2: with its headers, but the token."""
    told: Cluster | None = None
    """The cluster to use whatever the configuration says."""
    _open: list[Transport] = field(default_factory=list)

    def close(self) -> None:
        """Close every connection that the command made."""
        for transport in self._open:
            transport.close()

    @cached_property
    def store(self) -> ConfigStore:
        return ConfigStore.from_environ(self.environ)

    @cached_property
    def cluster(self) -> Cluster:
        """Errors: ConfigError where there is none."""
        found = self.told or self.store.current(self.environ.get("DCOS_CLUSTER"))
        if found is None:
            raise ConfigError(NO_CLUSTER)
        return found

    @property
    def timeout_s(self) -> float:
        return self.timeout_of(None)

    def timeout_of(self, cluster: Cluster | None) -> float:
        given = self.environ.get("DCOS_TIMEOUT") or (cluster.values.get("core.timeout") if cluster else None)
        try:
            return float(given) if given else DEFAULT_TIMEOUT_S
        except ValueError:
            raise ConfigError("DCOS_TIMEOUT must be a number of seconds") from None

    def verify_of(self, cluster: Cluster) -> bool | str:
        """How certificates are verified."""
        given = self.environ.get("DCOS_SSL_VERIFY") or str(cluster.values.get("core.ssl_verify", "true"))
        return {"true": True, "1": True, "": True, "false": False, "0": False}.get(given.lower(), given)

    def transport_of(self, cluster: Cluster, *, url: str | None = None, timeout_s: float | None = None) -> Transport:
        """To the cluster, or to ``url`` as the cluster's user."""
        from dcos.client.adminrouter.transport import Transport

        transport = Transport(
            url or cluster.url,
            token=cluster.token,
            verify=self.verify_of(cluster),
            timeout_s=timeout_s or self.timeout_of(cluster),
            user_agent=USER_AGENT,
            trace=self.trace if self.verbosity else None,
        )
        self._open.append(transport)
        return transport

    def trace(self, line: str, details: Mapping[str, str]) -> None:
        """What a request was, for ``-v``."""
        click.echo(line, err=True)
        if self.verbosity > 1:
            for name, value in details.items():
                click.echo(f"  {name}: {value}", err=True)

    @cached_property
    def transport(self) -> Transport:
        return self.transport_of(self.cluster)

    # ---- APIs of the current cluster ----

    @cached_property
    def marathon(self) -> Marathon:
        from dcos.client.adminrouter.marathon import Marathon

        url = self.cluster.values.get("marathon.url")
        if not url:
            return Marathon(self.transport)
        return Marathon(self._elsewhere(str(url)), path=urlsplit(str(url)).path.rstrip("/"))

    @cached_property
    def metronome(self) -> Metronome:
        from dcos.client.adminrouter.metronome import Metronome

        url = self.cluster.values.get("job.url")
        if url:
            return Metronome(self._elsewhere(str(url)), path=urlsplit(str(url)).path.rstrip("/"))
        name = self.cluster.values.get("job.service_name")
        return Metronome(self.transport, path=f"/service/{name}") if name else Metronome(self.transport)

    @cached_property
    def cosmos(self) -> Cosmos:
        from dcos.client.adminrouter.cosmos import Cosmos

        url = self.cluster.values.get("package.cosmos_url")
        return Cosmos(self._elsewhere(str(url)) if url else self.transport)

    @cached_property
    def mesos(self) -> Mesos:
        from dcos.client.adminrouter.mesos import Mesos

        url = self.cluster.values.get("core.mesos_master_url")
        if not url:
            return Mesos(self.transport)
        return Mesos(self.transport, master=self._elsewhere(str(url)), path=urlsplit(str(url)).path.rstrip("/"))

    @cached_property
    def health(self) -> Health:
        from dcos.client.adminrouter.health import Health

        return Health(self.transport)

    @cached_property
    def security(self) -> Security:
        from dcos.client.adminrouter.security import Security

        return Security(self.transport)

    @cached_property
    def logs(self) -> Logs:
        from dcos.client.adminrouter.logs import Logs

        return Logs(self.transport)

    @cached_property
    def metrics(self) -> Metrics:
        from dcos.client.adminrouter.metrics import Metrics

        return Metrics(self.transport)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        from dcos.client.adminrouter.diagnostics import Diagnostics

        return Diagnostics(self.transport)

    @cached_property
    def legacy_diagnostics(self) -> LegacyDiagnostics:
        from dcos.client.adminrouter.diagnostics import LegacyDiagnostics

        return LegacyDiagnostics(self.transport)

    @cached_property
    def links(self) -> Links:
        from dcos.client.adminrouter.links import Links

        return Links(self.transport)

    def _elsewhere(self, url: str) -> Transport:
        """A service that the configuration has at another address."""
        parts = urlsplit(url)
        return self.transport_of(self.cluster, url=f"{parts.scheme}://{parts.netloc}")


pass_context = click.make_pass_decorator(Context, ensure=True)
