"""When a certificate is made anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dcos.ca.core.renewal import reason
from dcos.wire import certificates
from dcos.wire.certificates import Authority, Names

NOW = 1_800_000_000.0
DAY = 86400.0
WANTED = Names("dcos-net", "slave", ("localhost",), ("10.0.0.7", "127.0.0.1"))
KEY = certificates.generate_key()
AUTHORITY = Authority(certificates.make_authority("Trial", KEY, NOW), KEY)
ROOT = AUTHORITY.certificate
OTHER = certificates.make_authority("Trial", certificates.generate_key(), NOW)
"""Of the same name, with another key."""
TEXT = certificates.issue(AUTHORITY, certificates.make_request(certificates.generate_key()), WANTED, NOW)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (-1, "of the future"),
        (0, ""),
        (9.3, ""),
        (9.4, "ends soon"),
        (13.9, "ends soon"),
        (14, "is over"),
        (1000, "is over"),
    ],
)
def test_by_time(days: float, words: str) -> None:
    found = reason(TEXT, WANTED, ROOT, NOW + days * DAY)
    assert words in found
    assert bool(found) == bool(words)


def test_by_what_it_says() -> None:
    assert reason(None, WANTED, ROOT, NOW) == "there is none"
    assert "no certificate" in reason("", WANTED, ROOT, NOW)
    assert "no certificate" in reason("-----BEGIN CERTIFICATE-----\nAAAA", WANTED, ROOT, NOW)
    assert "another authority" in reason(TEXT, WANTED, OTHER, NOW)
    assert "names are others" in reason(TEXT, replace(WANTED, addresses=("10.0.0.8",)), ROOT, NOW)
    assert "names are others" in reason(TEXT, replace(WANTED, dns=("leader.mesos",)), ROOT, NOW)
