"""Authorities and keys that are replaced: at each stage everybody knows what the stages beside it use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dcos.install import authority, genconf, rotation
from dcos.install.rotation import RotationError, rotate, settled, staged
from dcos.wire import certificates, sealing
from tests.unit.install import test_authority


def configured(folder: Path) -> genconf.Served:
    return test_authority.configured(test_authority.config(folder), folder)


def test_the_bundle_of_an_authority_that_is_replaced(tmp_path: Path) -> None:
    """The one that signs is first; roots on both sides of each step are trusted on both sides."""
    kept = tmp_path / "secrets.json"
    seen = [configured(tmp_path)]
    for stage in rotation.STAGES:
        assert "every node" in rotate(kept, "authority", stage)
        seen.append(configured(tmp_path))
    bundles = [certificates.read_certificates(one.public["ca_bundle"]) for one in seen]
    old, new = bundles[0][0], bundles[3][0]
    assert [list(one) for one in bundles] == [[old], [old, new], [new, old], [new]]
    for one, (first, *_) in zip(seen, bundles, strict=True):
        signing = certificates.authority_of(one.secrets.ca_chain, one.secrets.ca_key)[0]
        assert signing.certificate == first
    assert len({one.release.config_id for one in seen}) == 4
    assert not any(name.endswith(("_next", "_old")) for one in seen for name in one.private)


@pytest.mark.parametrize("what", ["secrets-key", "bouncer-key"])
def test_a_key_that_is_replaced(tmp_path: Path, what: str) -> None:
    kept, field = tmp_path / "secrets.json", what.replace("-", "_")
    seen = [getattr(configured(tmp_path).secrets, field)]
    for stage in rotation.STAGES:
        rotate(kept, what, stage)
        seen.append(getattr(configured(tmp_path).secrets, field))
    old, new = seen[0], seen[3]
    assert seen == [old, f"{old}\n{new}", f"{new}\n{old}", new]
    assert old != new
    sealed = sealing.read_keys(seen[1]).seal("x", sealing.Secret(value=b"1"), bytes(12))
    assert not sealing.read_keys(seen[2]).is_newest(sealed)
    assert sealing.read_keys(seen[2]).open("x", sealed).value == b"1"


def test_stages_come_in_order() -> None:
    known = {"secrets_key": "one", **authority.fresh()}
    for stage, words in (("use", "add comes before use"), ("drop", "nothing to drop")):
        with pytest.raises(RotationError, match=words):
            staged(known, "secrets-key", stage)
    added = staged(known, "secrets-key", "add")
    with pytest.raises(RotationError, match="next is use"):
        staged(added, "secrets-key", "add")
    assert staged(added, "secrets-key", "drop") == known, "added and not used: taken back"
    used = staged(added, "secrets-key", "use")
    with pytest.raises(RotationError, match="next is drop"):
        staged(used, "secrets-key", "add")
    assert settled(known) == known


def test_an_authority_that_was_given_is_replaced_in_config_yaml(tmp_path: Path) -> None:
    with pytest.raises(RotationError, match=r"there is no .*secrets\.json"):
        rotate(tmp_path / "secrets.json", "authority", "add")
    genconf.kept_secrets(tmp_path / "secrets.json")
    with pytest.raises(RotationError, match="there is no authority that genconf made"):
        rotate(tmp_path / "secrets.json", "authority", "add")
    assert "secrets_key" in json.loads((tmp_path / "secrets.json").read_text())
