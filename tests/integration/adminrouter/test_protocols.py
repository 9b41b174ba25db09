"""Old protocols where the operator asks for them, tried with OpenSSL's own client; by default there are none
(``tests/integration/ca``)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.adminrouter import front_door
from tests.integration.adminrouter.front_door import FrontDoor

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on PATH"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    reason = front_door.why_not()
    if reason is not None:
        pytest.skip(reason)
    flag = "--tls_protocols=TLSv1.1 TLSv1.3"
    with (
        front_door.open_folder() as opened,
        front_door.cluster(tmp_path_factory.mktemp("zk")) as (world, zk),
        front_door.opened(FrontDoor(opened / "a", world, zk, flag)) as door,
    ):
        yield door


@pytest.mark.parametrize(
    ("words", "spoken"),
    [
        ("-tls1_1 -cipher DEFAULT@SECLEVEL=0", "TLSv1.1"),
        ("-tls1_3", "TLSv1.3"),
        ("-tls1_2", ""),
        ("-tls1 -cipher DEFAULT@SECLEVEL=0", ""),
        ("-tls1_1 -cipher AES128-SHA@SECLEVEL=0", ""),  # without forward secrecy
    ],
)
def test_what_is_asked_for_is_spoken_and_nothing_else(old: FrontDoor, words: str, spoken: str) -> None:
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{old.tls_port}", *words.split()]
    done = subprocess.run(argv, input="", capture_output=True, text=True, timeout=60, check=False)
    seen = "" if "Cipher is (NONE)" in done.stdout else done.stdout.partition("New, ")[2].partition(",")[0]
    if spoken == "TLSv1.1":
        assert "Protocol  : TLSv1.1" in done.stdout, done.stdout
    else:
        assert seen == spoken, done.stdout


def test_a_cipher_list_of_ones_own(tmp_path: Path) -> None:
    reason = front_door.why_not()
    if reason is not None:
        pytest.skip(reason)
    flag = "--tls_cipher_suite=ECDHE-ECDSA-AES256-GCM-SHA384"
    with (
        front_door.open_folder() as opened,
        front_door.cluster(tmp_path / "zk") as (world, zk),
        front_door.opened(FrontDoor(opened / "a", world, zk, flag)) as door,
    ):
        for cipher, taken in (("ECDHE-ECDSA-AES256-GCM-SHA384", True), ("ECDHE-ECDSA-AES128-GCM-SHA256", False)):
            where = f"127.0.0.1:{door.tls_port}"
            argv = ["openssl", "s_client", "-connect", where, "-tls1_2", "-cipher", cipher]
            done = subprocess.run(argv, input="", capture_output=True, text=True, timeout=60, check=False)
            assert (f"Cipher is {cipher}" in done.stdout) == taken, done.stdout
