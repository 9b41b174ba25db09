"""A sealing key is replaced while secrets are in use: real ZooKeeper, and the programs as operators run them."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dcos.iam import key_store
from dcos.secrets import persist
from dcos.secrets.api import STORE
from dcos.store.zookeeper import connect
from dcos.testing.patience import PATIENCE_S
from dcos.testing.zookeeper import ensemble, why_not
from dcos.wire.sealing import NONCE_BYTES, KeyRing, Secret, read_keys

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
NAMES = ("dev/password", "prod/key", "word")


def _ring(*keys: str) -> KeyRing:
    return read_keys("\n".join(keys))


def _run(module: str, *flags: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; from {module} import main; sys.exit(main())"
    argv = [sys.executable, "-c", program, "reseal", *flags]
    return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env={**os.environ})


def _files(folder: Path, user: str) -> tuple[Path, Path]:
    credentials, keys = folder / "credentials", folder / "keys"
    credentials.write_text(f"{user}:two\n")
    for path in (credentials, keys):
        path.touch()
        path.chmod(0o600)
    return credentials, keys


async def test_all_secrets_are_sealed_with_the_new_key_and_the_old_one_can_go(tmp_path: Path) -> None:
    with ensemble(tmp_path / "zk") as zookeeper:
        hosts = zookeeper.url.removeprefix("zk://")
        store = await connect(hosts, chroot="/dcos-secrets", credentials=("dcos_secrets", "two"), private=True)
        try:
            await persist.prepare(store, STORE)
            for name in NAMES:
                sealed = _ring(OLD).seal(name, Secret(value=name.encode()), os.urandom(NONCE_BYTES))
                await persist.add(store, STORE, name, sealed)
            credentials, keys = _files(tmp_path, "dcos_secrets")
            flags = (f"--zk={zookeeper.url}/dcos-secrets", f"--zk_credentials_file={credentials}", f"--key_file={keys}")

            keys.write_text(f"{NEW}\n")
            done = await asyncio.to_thread(_run, "dcos.secrets.service", *flags)
            assert done.returncode == 4
            assert "sealed with a key that is not in the key file" in done.stderr

            keys.write_text(f"{NEW}\n{OLD}\n")
            for said in ("3 secrets were sealed anew, 0 had", "0 secrets were sealed anew, 3 had"):
                done = await asyncio.to_thread(_run, "dcos.secrets.service", *flags)
                assert (done.returncode, said in done.stdout) == (0, True), done.stderr
            for name in NAMES:
                assert _ring(NEW).open(name, await persist.read(store, STORE, name)).value == name.encode()
        finally:
            await store.close()


async def test_keys_that_sign_tokens_and_what_providers_are_told(tmp_path: Path) -> None:
    """Also what was kept in the clear, by a release that had no key."""
    with ensemble(tmp_path / "zk") as zookeeper:
        hosts = zookeeper.url.removeprefix("zk://")
        store = await connect(hosts, chroot="/dcos/iam", credentials=("dcos_bouncer", "two"), private=True)
        try:
            signing = _ring(OLD).seal(key_store.PATH, Secret(value=b'{"version": 2}'), os.urandom(NONCE_BYTES))
            await store.create(key_store.PATH, signing, parents=True)
            await store.create("/oidc/ours", b'{"client_secret": "x"}', parents=True)
            await store.create("/saml/ours", b'{"idp_metadata": "x"}', parents=True)
            credentials, keys = _files(tmp_path, "dcos_bouncer")
            keys.write_text(f"{NEW}\n{OLD}\n")
            flags = (f"--zk={zookeeper.url}/dcos/iam", f"--zk_credentials_file={credentials}", f"--key_file={keys}")
            done = await asyncio.to_thread(_run, "dcos.iam.service", *flags)
            assert "3 nodes were sealed anew, 0 had" in done.stdout, done.stderr
            expected = {
                key_store.PATH: b'{"version": 2}',
                "/oidc/ours": b'{"client_secret": "x"}',
                "/saml/ours": b'{"idp_metadata": "x"}',
            }
            for path, value in expected.items():
                node = await store.get(path)
                assert node is not None
                assert _ring(NEW).open(path, node.data).value == value
        finally:
            await store.close()
