"""What the identity API works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from dcos.iam.config import Config
from dcos.iam.core import signing
from dcos.iam.core.limits import FailureLimit
from dcos.iam.core.signing import SigningKey
from dcos.iam.passwords import Passwords
from dcos.iam.policy_store import PolicyStore
from dcos.iam.provider_store import ProviderStore
from dcos.runtime.clock import Clock
from dcos.store.base import Disconnected, Store
from dcos.wire import jwt
from dcos.wire.sealing import KeyRing


@dataclass(slots=True, kw_only=True)
class Identity:
    """What the API works with. ``store`` is None while there is no session with ZooKeeper."""

    config: Config
    clock: Clock
    passwords: Passwords
    ui_config: Path
    cluster_id: Path
    keys: tuple[tuple[SigningKey, rsa.RSAPrivateKey], ...] = field(default=(), repr=False)
    """Those that are published, oldest first."""
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

    def learn(self, keys: tuple[SigningKey, ...]) -> None:
        """These keys hold from now on."""
        known = {one.private_key: loaded for one, loaded in self.keys}
        self.keys = tuple((one, known.get(one.private_key) or jwt.load_private_pem(one.private_key)) for one in keys)

    @property
    def signing_key(self) -> rsa.RSAPrivateKey:
        """The one that signs now.   Errors: Disconnected (none was read yet)."""
        if not self.keys:
            raise Disconnected("the signing key is not known yet")
        wanted = signing.current([one for one, _ in self.keys], self.clock.now())
        return next(loaded for one, loaded in self.keys if one == wanted)

    @property
    def public_keys(self) -> list[rsa.RSAPublicKey]:
        """The one that signs first, for those who take only one.   Errors: Disconnected."""
        first = self.signing_key
        others = signing.kept([one for one, _ in self.keys], self.clock.now(), self.config.token_lifetime)
        return [
            first.public_key(),
            *(loaded.public_key() for one, loaded in self.keys if one in others and loaded is not first),
        ]
