"""The first account and the key that all masters share."""

from __future__ import annotations

import json
from pathlib import Path

import argon2
import pytest

from dcos.iam import bootstrap, persist
from dcos.store.memory import MemoryEnsemble

HASH = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("secret")


def _file(folder: Path, content: object) -> Path:
    path = folder / "user.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


async def test_the_first_account_is_made_once(tmp_path: Path) -> None:
    ensemble = MemoryEnsemble()
    store, other = ensemble.session(), ensemble.session()
    found = bootstrap.read(_file(tmp_path, {"uid": "admin", "password_hash": HASH, "description": "A"}))
    assert found is not None
    assert await bootstrap.make_first_user(store, *found)
    assert not await bootstrap.make_first_user(other, *found)
    user = await persist.user(other, "admin")
    assert user is not None
    assert (user.description, user.password_hash) == ("A", HASH)
    await persist.delete_user(store, "admin")
    assert not await bootstrap.make_first_user(store, *found)
    assert await persist.user(store, "admin") is None


async def test_an_account_that_exists_is_left_alone(tmp_path: Path) -> None:
    store = MemoryEnsemble().session()
    await persist.add_user(store, persist.User(uid="admin", password_hash="theirs"))
    found = bootstrap.read(_file(tmp_path, {"uid": "admin", "password_hash": HASH}))
    assert found is not None
    assert not await bootstrap.make_first_user(store, *found)
    user = await persist.user(store, "admin")
    assert user is not None
    assert user.password_hash == "theirs"


def test_no_file_no_account(tmp_path: Path) -> None:
    assert bootstrap.read(tmp_path / "none.json") is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{", id="no JSON"),
        pytest.param({"uid": "a b", "password_hash": HASH}, id="bad uid"),
        pytest.param({"uid": "admin"}, id="no credentials"),
        pytest.param({"uid": "admin", "password_hash": "plain"}, id="no hash"),
        pytest.param({"uid": "admin", "password_hash": HASH.replace("argon2id", "argon2i")}, id="another hash"),
        pytest.param({"uid": "admin", "public_key": "x"}, id="bad key"),
        pytest.param({"uid": "admin", "password": "secret"}, id="unknown field"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(bootstrap.BootstrapError):
        bootstrap.read(_file(tmp_path, content))


async def test_uids_that_zookeeper_has_no_names_for() -> None:
    store = MemoryEnsemble().session()
    for uid in (".", "..", "..."):
        await persist.add_user(store, persist.User(uid=uid, password_hash="h"))
        assert await persist.user(store, uid) is not None
    assert {user.uid for user in await persist.users(store)} == {".", "..", "..."}
