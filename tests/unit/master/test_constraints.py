"""Offer constraints: which are valid, which agents they want, and that no expression is costly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcos.master.core.constraints import OfferFilter, RegexLimits, constraints_problem
from dcos.master.core.events import Subscribe
from dcos.model import attributes
from dcos.model.v1.scheduler import Call, CallSubscribe, CallType, OfferConstraints
from dcos.model.v1.types import AgentInfo, DomainInfo
from dcos.wire import mesos_json
from tests.unit.master.stage import Stage, framework_info

LIMITS = RegexLimits()


def constraints(*one: dict[str, Any]) -> OfferConstraints:
    """One group of these, for role ``r``."""
    given = {"role_constraints": {"r": {"groups": [{"attribute_constraints": list(one)}]}}}
    return mesos_json.decode(json.dumps(given).encode(), OfferConstraints)


def on(name: str, **predicate: Any) -> dict[str, Any]:
    pseudo = name in ("HOSTNAME", "REGION", "ZONE")
    selector = {"pseudoattribute_type" if pseudo else "attribute_name": name}
    return {"selector": selector, "predicate": predicate}


BAD = [
    ({"role_constraints": {"r": {}}}, "has an empty 'RoleConstraints::groups' for role r"),
    ({"role_constraints": {"r": {"groups": [{}]}}}, "contains an empty RoleConstraints::Group"),
    (
        constraints({"selector": {}, "predicate": {"exists": {}}}),
        "Exactly one of 'AttributeConstraint::Selector::name'",
    ),
    (constraints(on("x")), "A role r has an invalid 'AttributeConstraint': Unknown predicate type"),
    (constraints(on("x", text_matches={"regex": "("})), "Failed to construct regex from pattern '(': missing )"),
    (constraints(on("x", text_matches={"regex": "(?=x)"})), "Failed to construct regex from pattern '(?=x)'"),
    (constraints(on("x", text_not_matches={"regex": "a{40}b{40}c{40}"})), "is too complex: program size of "),
    (constraints(on("x", text_matches={"regex": "(a{1,1000}){1,1000}"})), "Failed to construct regex from pattern"),
]


@pytest.mark.parametrize(("given", "why"), BAD, ids=[why[:50] for _, why in BAD])
def test_bad_ones_are_named(given: OfferConstraints | dict[str, Any], why: str) -> None:
    if isinstance(given, dict):
        given = mesos_json.decode(json.dumps(given).encode(), OfferConstraints)
    assert why in (constraints_problem(given, LIMITS) or "")
    stage = Stage()
    subscribe = CallSubscribe(framework_info=framework_info(), offer_constraints=given)
    stage.do(Subscribe(stage.now, "s", Call(type=CallType.SUBSCRIBE, subscribe=subscribe)))
    (event,) = stage.events("s")
    assert event.error is not None
    assert event.error.message.startswith("Offer constraints are not valid: ")


AGENT = AgentInfo(
    hostname="node-1",
    attributes=tuple(attributes.parse("rack:r1;level:3;rack:r2")),
    domain=mesos_json.decode(b'{"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-1"}}}', DomainInfo),
)
CASES = [
    (on("rack", exists={}), True),
    (on("none", exists={}), False),
    (on("none", not_exists={}), True),
    (on("rack", text_equals={"value": "r1"}), True),
    (on("rack", text_equals={"value": "r2"}), False),
    (on("rack", text_not_equals={"value": "r1"}), False),
    (on("none", text_not_equals={"value": "r1"}), True),
    (on("none", text_matches={"regex": ".*"}), False),
    (on("none", text_not_matches={"regex": ".*"}), True),
    (on("rack", text_matches={"regex": "r[0-9]"}), True),
    (on("rack", text_matches={"regex": "r"}), False),
    (on("rack", text_not_matches={"regex": "r"}), True),
    (on("level", text_equals={"value": "other"}), True),
    (on("level", text_matches={"regex": "x"}), True),
    (on("level", text_not_matches={"regex": ".*"}), True),
    (on("HOSTNAME", text_matches={"regex": "node-[0-9]+"}), True),
    (on("REGION", text_equals={"value": "eu"}), True),
    (on("ZONE", text_not_equals={"value": "eu-1"}), False),
]


@pytest.mark.parametrize(("one", "wanted"), CASES, ids=[json.dumps(one) for one, _ in CASES])
def test_which_agents_are_wanted(one: dict[str, Any], wanted: bool) -> None:
    given = constraints(one)
    assert constraints_problem(given, LIMITS) is None
    assert OfferFilter(given, LIMITS).allows("r", AGENT) is wanted
    assert OfferFilter(given, LIMITS).allows("another", AGENT), "a role without constraints wants every agent"


def test_all_of_a_group_or_all_of_another() -> None:
    given = constraints(on("rack", exists={}), on("none", exists={}))
    assert not OfferFilter(given, LIMITS).allows("r", AGENT)
    more = json.loads(mesos_json.encode(given))
    more["role_constraints"]["r"]["groups"].append({"attribute_constraints": [on("HOSTNAME", exists={})]})
    assert OfferFilter(mesos_json.decode(json.dumps(more).encode(), OfferConstraints), LIMITS).allows("r", AGENT)


def test_an_expression_that_backtracks_elsewhere_ends() -> None:
    given = constraints(on("HOSTNAME", text_matches={"regex": "(a+)+(b|c)*$"}))
    assert constraints_problem(given, LIMITS) is None
    assert not OfferFilter(given, LIMITS).allows("r", AgentInfo(hostname="a" * 20_000 + "!"))
