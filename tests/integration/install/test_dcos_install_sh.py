"""``dcos_install.sh`` on a node made of nothing but fresh mounts: whatever goes wrong, the node is as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.install import bundle, genconf
from dcos.install.serve import serving

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]

# Fresh /opt, /etc/mesosphere, /etc/systemd/system and /run: what the installer writes, gone with the namespace.
NODE = """
set -e
mount -t tmpfs -o size={opt_mb}m none /opt
for path in /etc/mesosphere /etc/systemd/system /etc/tmpfiles.d /var/lib/dcos; do
    mkdir -p $path && mount -t tmpfs none $path
done
mount -t tmpfs none /run
cd /run && set +e
{script}
echo "code=$?"
echo "left=$(ls -A /opt /etc/mesosphere /etc/systemd/system /etc/tmpfiles.d /var/lib/dcos | grep -v ':$' | tr -d '\\n')"
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[genconf.Served, str]]:
    if os.geteuid() != 0:
        pytest.skip("mount namespaces need root")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no new mount namespaces")
    if shutil.which("python3.11", path="/usr/bin") is None:
        pytest.skip("the bundle runs on the node's own /usr/bin/python3.11, which is not here")
    out = tmp_path_factory.mktemp("genconf")
    # A copy: somebody may edit the sources while the tests run, and the bundle is named by their content.
    checkout = tmp_path_factory.mktemp("checkout")
    for path in bundle.source_files(ROOT):
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, checkout / path)
    shutil.copyfile(ROOT / "config/ip-detect", out / "ip-detect")
    with serving(out, "127.0.0.1") as port:
        url = f"http://127.0.0.1:{port}/serve"
        text = (ROOT / "config/config.yaml").read_text().replace("http://10.0.0.5:8000", url)
        (out / "config.yaml").write_text(text)
        yield genconf.generate(out / "config.yaml", out, checkout=checkout), url


def on_node(url: str, words: str, opt_mb: int = 400) -> tuple[int, str, str]:
    """Exit code, what is left on the node, everything said."""
    script = f"curl -fsS {url}/dcos_install.sh -o dcos_install.sh; bash dcos_install.sh {words}"
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", NODE.format(opt_mb=opt_mb, script=script)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    said = done.stdout + done.stderr
    fields = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith(("code=", "left=")))
    assert "code" in fields, said
    return int(fields["code"]), fields["left"], said


def test_what_cannot_be_started_is_taken_back(served: tuple[genconf.Served, str]) -> None:
    """No systemd answers in these mounts, so the very last steps fail: files, links, folders and users go again."""
    users = Path("/etc/passwd").read_text()
    code, left, said = on_node(served[1], "--disable-preflight slave")
    assert code == 1
    assert "installation failed and was taken back" in said
    assert "could not take back" not in said
    assert left == ""
    assert Path("/etc/passwd").read_text() == users


def test_a_second_run_says_what_is_there(served: tuple[genconf.Served, str]) -> None:
    _, url = served
    marks = "mkdir -p /opt/mesosphere/etc /etc/mesosphere/roles; touch /etc/mesosphere/roles/slave"
    version = """echo '  "version": "3.0.0",' > /opt/mesosphere/etc/dcos-version.json"""
    code, left, said = on_node(url, f"--help >/dev/null; {marks}; {version}; bash dcos_install.sh master")
    assert code == 0
    assert "DC/OS 3.0.0 is installed as slave; nothing was changed" in said
    assert set(left.replace("roles", " roles ").split()) == {"mesosphere", "roles"}


def test_preflight_lists_and_changes_nothing(served: tuple[genconf.Served, str]) -> None:
    code, left, said = on_node(served[1], "--preflight-only master")
    assert code == 1
    assert "FAIL: this machine was not booted with systemd" in said
    assert "nothing was changed" in said
    assert left == ""


@pytest.mark.parametrize(
    ("which", "role"),
    [
        ("bootstrap/*", "master"),
        ("packages/dcos-config/*", "master"),
        ("packages/dcos-secrets/dcos-secrets--*", "master"),
        ("packages/dcos-secrets/dcos-secrets-agent--*", "slave"),
    ],
)
@pytest.mark.parametrize("how", ["gone", "cut", "changed"])
def test_a_bad_download(served: tuple[genconf.Served, str], which: str, role: str, how: str) -> None:
    made, url = served
    (path,) = made.folder.glob(f"{which}.tar.xz")
    kept = path.with_suffix(".kept")
    path.rename(kept)
    try:
        raw = bytearray(kept.read_bytes())
        if how == "cut":
            path.write_bytes(raw[: len(raw) // 2])
        elif how == "changed":
            raw[len(raw) // 2] ^= 1
            path.write_bytes(raw)
        code, left, said = on_node(url, role)
    finally:
        kept.replace(path)
    assert code == 1
    assert ("could not fetch" if how == "gone" else "checksum of") in said
    assert "nothing was changed" in said
    assert left == ""


@pytest.mark.parametrize("opt_mb", [5, 30])
def test_a_full_disk(served: tuple[genconf.Served, str], opt_mb: int) -> None:
    """While downloading, and while unpacking."""
    code, left, said = on_node(served[1], "--disable-preflight slave", opt_mb=opt_mb)
    assert code == 1
    assert "nothing was changed" in said
    assert left == ""


@pytest.mark.parametrize("words", ["", "slave master", "king", "--frobnicate slave"])
def test_wrong_calls(served: tuple[genconf.Served, str], words: str) -> None:
    code, left, said = on_node(served[1], words)
    assert code == 2
    assert "usage:" in said or "one role, not two" in said
    assert left == ""


def test_the_same_input_makes_the_same_files(served: tuple[genconf.Served, str], tmp_path_factory: Any) -> None:
    made, _ = served
    before = {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    out = made.folder.parent
    checkout = tmp_path_factory.getbasetemp() / "checkout0"
    again = genconf.generate(out / "config.yaml", out, checkout=checkout)
    assert again.release == made.release
    assert {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()} == before


def test_each_role_gets_its_own_secrets(served: tuple[genconf.Served, str]) -> None:
    made, _ = served
    found = {}
    for kind in ("dcos-secrets", "dcos-secrets-agent"):
        (path,) = made.folder.glob(f"packages/dcos-secrets/{kind}--*.tar.xz")
        assert path.stat().st_mode & 0o777 == 0o600
        with tarfile.open(path) as archive:
            file = archive.extractfile("secrets.json")
            assert file is not None
            found[kind] = json.loads(file.read())
    assert set(found["dcos-secrets-agent"]) == {"agent_private_key", "agent_enrolment_key"}
    assert {"agent_public_key", "secrets_key", "zookeeper_password"} <= set(found["dcos-secrets"])
    assert "agent_private_key" not in found["dcos-secrets"]


def test_secrets_are_kept_closed(served: tuple[genconf.Served, str]) -> None:
    out = served[0].folder.parent
    assert (out / "secrets.json").stat().st_mode & 0o777 == 0o600
    password = served[0].secrets.zookeeper_password
    for path in served[0].folder.rglob("*"):
        if path.is_file() and path.suffix != ".xz":
            assert password not in path.read_text()
