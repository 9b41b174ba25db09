"""The authority of a cluster: made once, or given in config.yaml and checked before anything is made."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from dcos.install import authority, genconf
from dcos.install.settings import resolve
from dcos.runtime.clock import SystemClock
from dcos.wire import certificates

ROOT = Path(__file__).parents[3]
DAY = 86400.0


def config(folder: Path, **changes: Any) -> Path:
    user = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    (folder / "ip-detect").write_text("#!/bin/sh\necho 10.0.0.1\n")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**user, "ip_detect_filename": "ip-detect", **changes}))
    return path


def given(folder: Path, *, age_days: float = 0.0) -> dict[str, str]:
    """Files of an authority, and the settings that name them."""
    key = certificates.generate_key()
    made = certificates.make_authority("Given", key, SystemClock().now() - age_days * DAY)
    (folder / "ca.crt").write_text(certificates.pem(made))
    (folder / "ca.key").write_text(certificates.key_pem(key))
    return {"ca_certificate_path": "ca.crt", "ca_certificate_key_path": "ca.key"}


def configured(path: Path, out: Path) -> genconf.Served:
    return genconf.configure(path, out, version="3.0.0", bundle_id="b" * 40)


def test_a_cluster_keeps_the_one_it_made(tmp_path: Path) -> None:
    path = config(tmp_path)
    first, second = configured(path, tmp_path), configured(path, tmp_path)
    assert first.release.config_id == second.release.config_id
    assert first.secrets.ca_key == second.secrets.ca_key
    assert first.public["ca_bundle"] == first.secrets.ca_chain
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert first.secrets.ca_key not in json.dumps([dict(first.public), dict(first.files), first.user_config])
    agents = genconf._known_to(genconf.NodeRole.AGENT, first)
    assert first.secrets.agent_enrolment_key in agents
    assert "PRIVATE KEY" not in agents.replace(json.dumps(first.secrets.agent_private_key), "")


def test_a_given_one_is_used_and_its_key_not_kept(tmp_path: Path) -> None:
    served = configured(config(tmp_path, **given(tmp_path)), tmp_path)
    assert served.public["ca_bundle"] == (tmp_path / "ca.crt").read_text()
    assert served.secrets.ca_key == (tmp_path / "ca.key").read_text()
    assert served.secrets.ca_key not in (tmp_path / "secrets.json").read_text()
    assert served.secrets.ca_key not in json.dumps(dict(served.public))


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"ca_certificate_key_path": ""}, "ca_certificate_path", "must be given together"),
        ({"ca_certificate_path": ""}, "ca_certificate_path", "must be given together"),
        ({"ca_certificate_path": "none.crt"}, "ca_certificate_contents", "there is no file none.crt"),
        ({"ca_certificate_key_path": "ca.crt"}, "ca_certificate_contents", "holds no private key"),
        ({"ca_certificate_path": "ca.key"}, "ca_certificate_contents", "holds no certificate"),
        (
            {"ca_certificate_chain_path": "ca.key"},
            "ca_certificate_contents",
            "ca_certificate_chain_path holds no certificate",
        ),
        (
            {"ca_certificate_path": "", "ca_certificate_key_path": "", "ca_certificate_chain_path": "ca.crt"},
            "ca_certificate_path",
            "needs ca_certificate_path",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_made(
    tmp_path: Path, changes: dict[str, str], key: str, words: str
) -> None:
    path = config(tmp_path, **{**given(tmp_path), **changes})
    with pytest.raises(genconf.ConfigError) as refused:
        configured(path, tmp_path / "out")
    (found,) = [message for name, message in refused.value.errors if name == key]
    assert words in found
    assert "PRIVATE KEY" not in found
    assert not (tmp_path / "out").exists()


def test_one_that_ends_soon_is_refused(tmp_path: Path) -> None:
    user, _ = resolve.load(config(tmp_path, **given(tmp_path, age_days=certificates.AUTHORITY_DAYS - 300)))
    ((key, message),) = resolve.resolve(user, tmp_path).errors
    assert key == "ca_certificate_contents"
    assert f"must hold for {authority.LEAST_DAYS} days" in message
