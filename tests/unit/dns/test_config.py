"""Mesos-DNS's settings about who asks the masters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dcos.dns.config import PREFIX, Config, credential_of, environment_of, shown
from dcos.runtime.settings import SettingsError, load

KEYS = {"mesosAuthentication": "basic", "mesosCredentials": {"principal": "dns", "secret": "s3cret"}}


def test_upstreams_keys_name_who_asks() -> None:
    config = load(Config, [], environment_of(json.dumps(KEYS).encode()), prefix=PREFIX)
    assert credential_of(config) == ("dns", "s3cret")
    assert "s3cret" not in json.dumps(shown(config)), "everybody may read /v1/config"


def test_a_file_does_too(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("dns s3cret\n")
    assert credential_of(load(Config, [f"--mesos_credential={tmp_path}/c"], {}, prefix=PREFIX)) == ("dns", "s3cret")
    assert credential_of(load(Config, [], {}, prefix=PREFIX)) is None


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"MESOS_DNS_MESOSCREDENTIALS": '{"principal": "dns"}'}, "must be a JSON object with principal and secret"),
        ({"MESOS_DNS_MESOSCREDENTIALS": "s3cret"}, "must be a JSON object with principal and secret"),
        ({"MESOS_DNS_MESOSAUTHENTICATION": "iam"}, "basic"),
    ],
)
def test_bad_ones_are_named_and_not_shown(variables: dict[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why) as raised:
        load(Config, [], variables, prefix=PREFIX)
    assert "s3cret" not in str(raised.value)


def test_authentication_needs_a_name() -> None:
    with pytest.raises(ValueError, match="mesosCredentials must name"):
        credential_of(load(Config, ["--mesosauthentication=basic"], {}, prefix=PREFIX))


def test_a_secret_is_not_taken_from_the_command_line() -> None:
    with pytest.raises(SettingsError, match="mesoscredentials"):
        load(Config, [f"--mesoscredentials={json.dumps(KEYS['mesosCredentials'])}"], {}, prefix=PREFIX)
