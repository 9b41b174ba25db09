"""Offer constraints: on which agents a role of a framework wants offers at all.

Text is matched by full match; the expressions are Python's, of which RE2's syntax is (but for rare escapes) a part.

Source: Mesos scheduler.proto ``OfferConstraints``.
"""

from __future__ import annotations

import functools
import re

from dcos.model.v1.scheduler import (
    AttributeConstraintPredicate,
    AttributeConstraintSelector,
    AttributeConstraintSelectorPseudoattributeType,
    OfferConstraints,
)
from dcos.model.v1.types import AgentInfo, Attribute

_PSEUDO = AttributeConstraintSelectorPseudoattributeType


def allows(constraints: OfferConstraints, role: str, agent: AgentInfo) -> bool:
    wanted = constraints.role_constraints.get(role)
    if wanted is None:
        return True
    return any(
        all(_holds(one.predicate, _select(one.selector, agent)) for one in group.attribute_constraints)
        for group in wanted.groups
    )


def _select(selector: AttributeConstraintSelector, agent: AgentInfo) -> Attribute | str | None:
    if selector.attribute_name is not None:
        return next((one for one in agent.attributes if one.name == selector.attribute_name), None)
    fault = agent.domain.fault_domain if agent.domain is not None else None
    match selector.pseudoattribute_type:
        case _PSEUDO.HOSTNAME:
            return agent.hostname
        case _PSEUDO.REGION:
            return fault.region.name if fault is not None else None
        case _PSEUDO.ZONE:
            return fault.zone.name if fault is not None else None
        case _:
            return None


def _holds(predicate: AttributeConstraintPredicate, found: Attribute | str | None) -> bool:
    if predicate.exists is not None:
        return found is not None
    if predicate.not_exists is not None:
        return found is None
    if found is None:
        return predicate.text_not_equals is not None or predicate.text_not_matches is not None
    text = found if isinstance(found, str) else found.text.value if found.text is not None else None
    if text is None:
        return True
    if predicate.text_equals is not None:
        return text == predicate.text_equals.value
    if predicate.text_not_equals is not None:
        return text != predicate.text_not_equals.value
    if predicate.text_matches is not None:
        return _pattern(predicate.text_matches.regex).fullmatch(text) is not None
    if predicate.text_not_matches is not None:
        return _pattern(predicate.text_not_matches.regex).fullmatch(text) is None
    return True


@functools.lru_cache(256)
def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:
        return re.compile(r"(?!)")
