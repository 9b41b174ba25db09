"""Which permission id covers which."""

from __future__ import annotations

import pytest

from dcos.model.permissions import FULL, SUPERUSER, Grants, Permission

_APP = "dcos:service:marathon:marathon:services:/dev/db"


@pytest.mark.parametrize(
    ("granted", "wanted", "covers"),
    [
        pytest.param("dcos:mesos", "dcos:mesos:master:flags", True, id="above"),
        pytest.param("dcos:mesos:master:flags", "dcos:mesos", False, id="below"),
        pytest.param("dcos:mes", "dcos:mesos", False, id="part of a word"),
        pytest.param("dcos:service:marathon:marathon:services:/dev", _APP, True, id="group"),
        pytest.param("dcos:service:marathon:marathon:services:/dev/", _APP, True, id="group with slash"),
        pytest.param("dcos:service:marathon:marathon:services:/dev/*", _APP, True, id="group with star"),
        pytest.param("dcos:service:marathon:marathon:services:/de", _APP, False, id="part of a group"),
        pytest.param("dcos:service:marathon:marathon:services:/", _APP, True, id="root"),
        pytest.param("dcos:service:marathon:marathon:services", _APP, True, id="all"),
        pytest.param("dcos:service:marathon:marathon:services:/dev/db/x", _APP, False, id="child"),
        pytest.param(_APP, _APP, True, id="itself"),
        pytest.param("", _APP, False, id="nothing"),
    ],
)
def test_an_id_covers_what_is_below_it(granted: str, wanted: str, covers: bool) -> None:
    assert Grants({granted: frozenset({"read"})}).allow(Permission(wanted, "read")) is covers


def test_actions_are_apart_and_full_is_all() -> None:
    grants = Grants({"a:b": frozenset({"read"}), "a:c": frozenset({FULL})})
    assert not grants.allow(Permission("a:b", "update"))
    assert not grants.allow(Permission("a:b"))
    assert grants.allow(Permission("a:c", "update"))


def test_any_action_on_superuser_is_everything() -> None:
    assert Grants({SUPERUSER: frozenset({"read"})}).allow(Permission("dcos:mesos"))
    assert not Grants({SUPERUSER: frozenset()}).allow(Permission("dcos:mesos"))
    assert not Grants({"dcos": frozenset({"read"})}).allow(Permission("dcos:mesos", FULL))
