"""Configuration on disk, TLS at set-up, and how fast the program starts."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dcos.cli.config_store import ConfigError, ConfigStore
from dcos.cli.main import main
from dcos.client.adminrouter.failures import NotFound, Unreachable, Untrusted
from dcos.client.adminrouter.transport import Transport
from dcos.release import VERSION
from dcos.testing.adminrouter import TOKEN, FakeAdminRouter, running

# ---- configuration ---------------------------------------------------------------------------------------------------


def test_round_trip(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    made = store.new("id-1")
    made.values = {
        "core.dcos_url": "http://x",
        "core.timeout": 5,
        "core.pagination": False,
        "cluster.name": 'quote " back \\ line\n ü \x01',
        "a.b.c d": "deep",
    }
    made.save()
    assert made.folder.stat().st_mode & 0o777 == 0o700
    (read,) = store.clusters()
    assert read.values == made.values
    assert read.name == made.values["cluster.name"]


def test_file_is_made_private_again(tmp_path: Path) -> None:
    made = ConfigStore(tmp_path).new("id-1")
    made.values = {"core.dcos_url": "http://x"}
    made.save()
    file = made.folder / "dcos.toml"
    file.chmod(0o644)
    ConfigStore(tmp_path).clusters()
    assert file.stat().st_mode & 0o777 == 0o600


def test_which_is_current(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    assert store.current(None) is None
    for number in (1, 2):
        made = store.new(f"id-{number}")
        made.values = {"cluster.name": f"name-{number}"}
        made.save()
        if number == 1:
            assert store.current(None) is not None
    assert store.current(None) is None
    store.attach(store.find("name-2"))
    store.attach(store.find("id-1"))
    current = store.current(None)
    assert current is not None
    assert current.id == "id-1"
    with pytest.raises(ConfigError, match="multiple clusters"):
        store.find("id")
    with pytest.raises(ConfigError, match="DCOS_CLUSTER"):
        store.current("id")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "."])
def test_ids_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        ConfigStore(tmp_path).new(name)


def test_broken_file(tmp_path: Path) -> None:
    folder = tmp_path / "clusters/x"
    folder.mkdir(parents=True)
    (folder / "dcos.toml").write_text("no toml")
    with pytest.raises(ConfigError, match=r"dcos\.toml"):
        ConfigStore(tmp_path).clusters()


# ---- TLS -------------------------------------------------------------------------------------------------------------


def _certificates(folder: Path) -> tuple[bytes, ssl.SSLContext]:
    """A cluster's own authority (PEM) and a server's context signed by it."""
    now = datetime.datetime.now(datetime.UTC)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "server")}
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])

    def sign(subject: x509.Name, name: str, extension: x509.ExtensionType) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(keys[name].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=True)
            .sign(keys["ca"], hashes.SHA256())
        )

    authority = sign(ca_name, "ca", x509.BasicConstraints(ca=True, path_length=None))
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), "server", alternative)
    key = keys["server"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(key + server.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return authority.public_bytes(serialization.Encoding.PEM), context


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A configuration folder, and a token in place of a login."""
    monkeypatch.setenv("DCOS_DIR", str(tmp_path / "dcos"))
    monkeypatch.setenv("DCOS_CLUSTER_SETUP_ACS_TOKEN", TOKEN)
    return tmp_path / "dcos"


def test_own_authority(environ: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeAdminRouter()
    authority, context = _certificates(tmp_path)
    with running(fake, tls=context) as url:
        assert main(["cluster", "setup", url]) == 1
        assert "is not trusted" in capsys.readouterr().err
        fake.authority = authority
        assert main(["cluster", "setup", url, "--no-check"]) == 0
        kept = environ / "clusters" / fake.cluster_id / "dcos_ca.crt"
        assert kept.read_bytes() == authority
        capsys.readouterr()
        assert main(["config", "show", "core.ssl_verify"]) == 0
        assert capsys.readouterr().out == f"{kept}\n"
        assert main(["node"]) == 0
        assert main(["config", "set", "core.ssl_verify", "true"]) == 0
        assert main(["node"]) == 1
        assert main(["cluster", "setup", url, "--insecure"]) == 0
        assert main(["node"]) == 0
        (tmp_path / "ca.pem").write_bytes(authority)
        assert main(["cluster", "setup", url, f"--ca-certs={tmp_path / 'ca.pem'}"]) == 0
        assert main(["node"]) == 0
        other, _ = _certificates(tmp_path)
        (tmp_path / "ca.pem").write_bytes(other)
        assert main(["node"]) == 1


def test_an_authority_that_did_not_sign(environ: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeAdminRouter()
    _, context = _certificates(tmp_path)
    (tmp_path / "other").mkdir()
    fake.authority, _ = _certificates(tmp_path / "other")
    with running(fake, tls=context) as url:
        assert main(["cluster", "setup", url, "--no-check"]) == 1
    assert "is not trusted" in capsys.readouterr().err
    assert not environ.exists()


# ---- transport -------------------------------------------------------------------------------------------------------


def test_transport_errors(tmp_path: Path) -> None:
    authority, context = _certificates(tmp_path)
    assert authority
    with running(FakeAdminRouter(), tls=context) as url:
        with Transport(url) as transport, pytest.raises(Untrusted):
            transport.get("/metadata")
        with Transport(url, verify=False, token=TOKEN) as transport:
            assert transport.get("/metadata")["CLUSTER_ID"]
            with pytest.raises(NotFound):
                transport.get("/nothing")
        with Transport(url.replace("https", "http"), timeout_s=5) as transport, pytest.raises(Unreachable):
            transport.get("/metadata")
    with Transport(url, verify=False) as transport, pytest.raises(Unreachable):
        transport.get("/metadata")


def test_a_connection_closed_meanwhile_is_made_again() -> None:
    with running(FakeAdminRouter()) as url, Transport(url, token=TOKEN) as transport:
        assert transport.get("/metadata")
        assert transport._kept is not None
        transport._kept[1].sock.close()
        transport._kept[1].sock = None
        assert transport.get("/metadata")


# ---- the program -----------------------------------------------------------------------------------------------------


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("dcos")), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "DCOS_DIR": str(folder)},
    )


def test_version_is_the_packages(tmp_path: Path) -> None:
    done = _run(["--version"], tmp_path)
    assert (done.returncode, done.stdout) == (0, f"dcoscli.version={VERSION}\n")
    pyproject = Path(__file__).parents[3] / "pyproject.toml"
    assert f'version = "{VERSION}"' in pyproject.read_text()


def test_exit_codes(tmp_path: Path) -> None:
    assert _run([], tmp_path).returncode == 0
    assert _run(["node"], tmp_path).returncode == 1
    assert _run(["--nonsense"], tmp_path).returncode == 1


def test_start_imports_nothing_heavy() -> None:
    """Start-up time cannot be asserted, but what it is made of can."""
    code = (
        "import sys; import dcos.cli.main, dcos.cli.commands.marathon, dcos.cli.commands.status; "
        "print([one for one in ('aiohttp', 'asyncio', 'msgspec', 'kazoo', 'cryptography', 'rich') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
