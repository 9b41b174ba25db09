"""Signing keys: one after the other, the same for all masters, sealed."""

from __future__ import annotations

import base64

import msgspec
import pytest

from dcos.iam import persist
from dcos.iam.core.signing import LEAD_S, SigningKey, current, followed, is_due, kept
from dcos.iam.key_store import PATH, KeyStore
from dcos.runtime import log
from dcos.store.memory import MemoryEnsemble, MemoryStore
from dcos.wire import jwt
from dcos.wire.sealing import KeyRing, read_keys
from tests.unit.iam.served import KEY, Bouncer, FixedClock

RING = read_keys(base64.b64encode(bytes(32)).decode())
DAY = 86400.0


def _store(session: MemoryStore, clock: FixedClock, ring: KeyRing | None = RING) -> KeyStore:
    logger = log.get_logger("test")
    return KeyStore(session, ring, clock=clock, log=logger, interval_s=90 * DAY, lifetime_s=5 * DAY)


def test_a_key_is_published_before_it_signs_and_after_it_signed() -> None:
    keys = (SigningKey(private_key="one", signs_from=0.0),)
    assert not is_due(keys, 90 * DAY - 1, 90 * DAY)
    assert is_due(keys, 90 * DAY, 90 * DAY)
    assert not is_due(keys, 90 * DAY, 0)
    begin = 90 * DAY
    both = followed(keys, "two", begin, 5 * DAY)
    assert current(both, begin).private_key == "one"
    assert current(both, begin + LEAD_S).private_key == "two"
    assert kept(both, begin + LEAD_S + 5 * DAY - 1, 5 * DAY) == both
    assert [one.private_key for one in kept(both, begin + LEAD_S + 5 * DAY, 5 * DAY)] == ["two"]


async def test_masters_share_keys_and_one_of_them_rotates() -> None:
    ensemble, clock = MemoryEnsemble(), FixedClock()
    sessions = [ensemble.session() for _ in range(2)]
    one, two = (_store(session, clock) for session in sessions)
    first = await one.keys()
    assert await two.keys() == first
    node = await sessions[0].get(PATH)
    assert node is not None
    assert b"PRIVATE KEY" not in node.data
    assert not await two.rotate_if_due()
    clock.seconds += 90 * DAY
    assert await two.rotate_if_due()
    assert not await one.rotate_if_due()
    assert [key.signs_from for key in await one.keys()] == [first[0].signs_from, clock.seconds + LEAD_S]
    with pytest.raises(persist.StoredFormError, match="no key file"):
        await _store(sessions[0], clock, None).keys()


async def test_a_key_of_an_earlier_release_is_read_and_sealed() -> None:
    ensemble, clock = MemoryEnsemble(), FixedClock()
    session = ensemble.session()
    pem = jwt.private_pem(KEY)
    await session.create(PATH, msgspec.json.encode({"version": 1, "private_key": pem}), parents=True)
    assert [key.private_key for key in await _store(session, clock, None).keys()] == [pem]
    assert [key.private_key for key in await _store(session, clock).keys()] == [pem]
    node = await session.get(PATH)
    assert node is not None
    assert pem.splitlines()[3].encode() not in node.data
    assert [key.private_key for key in await _store(session, clock).keys()] == [pem]


async def test_tokens_of_both_keys_are_good(bouncer: Bouncer) -> None:
    await bouncer.ask("PUT", "/users/bob", {"password": "secret"})
    credentials = {"uid": "bob", "password": "secret"}
    before = (await bouncer.ask("POST", "/auth/login", credentials))[1]["token"]
    now = bouncer.clock.now()
    new = jwt.generate_key()
    old = tuple(one for one, _ in bouncer.identity.keys)
    bouncer.identity.learn(followed(old, jwt.private_pem(new), now, 5 * DAY))
    for wait, signer in ((LEAD_S - 1, KEY), (1, new)):
        bouncer.clock.seconds += wait
        public = jwt.from_jwks((await bouncer.ask("GET", "/auth/jwks"))[1])
        assert len(public) == 2
        token = (await bouncer.ask("POST", "/auth/login", credentials))[1]["token"]
        assert jwt.verify(token, [signer.public_key()], bouncer.clock.now()).uid == "bob"
        assert jwt.verify(before, public, bouncer.clock.now()).uid == "bob"
    bouncer.clock.seconds += 5 * DAY
    assert len(jwt.from_jwks((await bouncer.ask("GET", "/auth/jwks"))[1])) == 1
