"""For whom the catalog acts, and how a neighbour's refusal says what is missing."""

from __future__ import annotations

import pytest

from dcos.catalog.core.caller import PACKAGES, Caller, to_tear_down
from dcos.catalog.core.errors import CatalogError
from dcos.client.neighbour import Answered
from dcos.model.permissions import Grants


def test_everybody_may_where_permissions_are_not_checked() -> None:
    Caller("token=x").need(PACKAGES, to_tear_down("data"))


@pytest.mark.parametrize(
    ("rid", "action"),
    [
        ("dcos:superuser", "full"),
        ("dcos:mesos", "full"),
        ("dcos:mesos:master:framework:principal", "delete"),
        ("dcos:mesos:master:framework:principal:data", "delete"),
    ],
)
def test_rights_to_end_a_framework(rid: str, action: str) -> None:
    Caller("token=x", "ann", Grants({rid: frozenset({action})})).need(to_tear_down("data"))


@pytest.mark.parametrize("rid", ["dcos:mesos:master:framework:principal:dat", "dcos:adminrouter:package"])
def test_the_first_right_that_is_missing_is_named(rid: str) -> None:
    caller = Caller("token=x", "ann", Grants({rid: frozenset({"full"})}))
    with pytest.raises(CatalogError) as caught:
        caller.need(to_tear_down("data"), to_tear_down(None))
    wanted = "ann needs the permission dcos:mesos:master:framework:principal:data with action delete"
    assert (caught.value.status, caught.value.type, caught.value.message.endswith(wanted)) == (403, "Forbidden", True)
    assert caught.value.data == {"serviceName": "cosmos", "reason": wanted}


def test_why_a_neighbour_refuses() -> None:
    assert Answered("x", 403, b'{"details": "ann needs a"}').reason == "ann needs a"
    assert Answered("x", 403, b"<html>", missing="a:b").reason == "the permission a:b is missing"
    assert Answered("x", 403, b'{"details": [1]}').reason is None
