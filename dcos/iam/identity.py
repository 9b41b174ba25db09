"""What the identity API works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from dcos.iam.config import Config
from dcos.iam.core.limits import FailureLimit
from dcos.iam.passwords import Passwords
from dcos.iam.policy_store import PolicyStore
from dcos.iam.provider_store import ProviderStore
from dcos.runtime.clock import Clock
from dcos.store.base import Disconnected, Store
from dcos.wire.sealing import KeyRing


@dataclass(slots=True, kw_only=True)
class Identity:
    """What the API works with. ``store`` is None while there is no session with ZooKeeper."""

    config: Config
    clock: Clock
    passwords: Passwords
    ui_config: Path
    cluster_id: Path
    key: rsa.RSAPrivateKey | None = None
    session: Store | None = None
    policy: PolicyStore | None = None
    ring: KeyRing | None = field(default=None, repr=False)
    """Seals passwords that providers need."""
    limit: FailureLimit = field(default_factory=FailureLimit)

    @property
    def store(self) -> Store:
        """Errors: Disconnected."""
        if self.session is None:
            raise Disconnected("no session")
        return self.session

    @property
    def known_policy(self) -> PolicyStore:
        """Errors: Disconnected."""
        if self.session is None or self.policy is None:
            raise Disconnected("no session")
        return self.policy

    @property
    def providers(self) -> ProviderStore:
        """Errors: Disconnected."""
        return ProviderStore(self.store, self.ring)

    @property
    def signing_key(self) -> rsa.RSAPrivateKey:
        """Errors: Disconnected (it was not read yet)."""
        if self.key is None:
            raise Disconnected("the signing key is not known yet")
        return self.key
