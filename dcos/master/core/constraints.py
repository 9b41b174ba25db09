"""Offer constraints: on which agents a role of a framework wants offers at all.

Expressions are RE2's, as upstream's: they match in linear time whatever a framework writes, and one that would become too big
is refused. Text is matched by full match.

Source: Mesos scheduler.proto ``OfferConstraints`` and its filter (texts of problems, limits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import re2

from dcos.model.v1.scheduler import (
    AttributeConstraint,
    AttributeConstraintPredicate,
    AttributeConstraintSelector,
    AttributeConstraintSelectorPseudoattributeType,
    OfferConstraints,
)
from dcos.model.v1.types import AgentInfo, Attribute

_PSEUDO = AttributeConstraintSelectorPseudoattributeType


@dataclass(frozen=True, slots=True)
class RegexLimits:
    max_mem: int = 4096
    """Bytes that a compiled expression may take."""
    max_program_size: int = 100
    """RE2's measure of how much there is to try."""


class _Pattern(Protocol):
    programsize: int

    def fullmatch(self, text: str) -> object | None: ...


# ---- valid? ----------------------------------------------------------------------------------------------------------


def constraints_problem(constraints: OfferConstraints, limits: RegexLimits) -> str | None:
    for role, wanted in constraints.role_constraints.items():
        if not wanted.groups:
            return f"'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role {role}"
        for group in wanted.groups:
            if not group.attribute_constraints:
                return (
                    f"'OfferConstraints::RoleConstraints::groups' for role {role} contains an empty "
                    "RoleConstraints::Group"
                )
            for one in group.attribute_constraints:
                problem = _selector_problem(one.selector) or _predicate_problem(one, limits)
                if problem is not None:
                    return f"A role {role} has an invalid 'AttributeConstraint': {problem}"
    return None


def _selector_problem(selector: AttributeConstraintSelector) -> str | None:
    if selector.attribute_name is None and selector.pseudoattribute_type is None:
        return (
            "Exactly one of 'AttributeConstraint::Selector::name' or "
            "'AttributeConstraint::Selector::pseudoattribute_type' must be set"
        )
    if selector.attribute_name is None and selector.pseudoattribute_type is _PSEUDO.UNKNOWN:
        return "Unknown pseudoattribute type"
    return None


def _predicate_problem(constraint: AttributeConstraint, limits: RegexLimits) -> str | None:
    predicate = constraint.predicate
    set_ = [name for name in predicate.__struct_fields__ if getattr(predicate, name) is not None]
    if len(set_) != 1:
        return "Unknown predicate type"
    matches = predicate.text_matches or predicate.text_not_matches
    return _regex_problem(matches.regex, limits) if matches is not None else None


def _regex_problem(regex: str, limits: RegexLimits) -> str | None:
    try:
        size = _compiled(regex, limits.max_mem).programsize
    except (re2.error, UnicodeError) as error:
        return f"Failed to construct regex from pattern '{regex}': {_text(error)}"
    if size > limits.max_program_size:
        return (
            f"Regex '{regex}' is too complex: program size of {size} is larger than maximum of "
            f"{limits.max_program_size} allowed"
        )
    return None


def _text(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def _compiled(regex: str, max_mem: int) -> _Pattern:
    """Errors: re2.error."""
    options = re2.Options()
    options.max_mem = max_mem
    options.log_errors = False
    compiled: _Pattern = re2.compile(regex, options)  # type: ignore[no-untyped-call]  # its overrides say no more
    return compiled


# ---- fulfilled? ------------------------------------------------------------------------------------------------------


class OfferFilter:
    """Valid constraints, their expressions compiled once."""

    def __init__(self, constraints: OfferConstraints, limits: RegexLimits) -> None:
        self._wanted = constraints.role_constraints
        self._patterns = {
            matches.regex: _compiled(matches.regex, limits.max_mem)
            for wanted in constraints.role_constraints.values()
            for group in wanted.groups
            for one in group.attribute_constraints
            if (matches := one.predicate.text_matches or one.predicate.text_not_matches) is not None
        }

    def allows(self, role: str, agent: AgentInfo) -> bool:
        """Whether offers of ``agent`` are wanted for ``role``."""
        wanted = self._wanted.get(role)
        if wanted is None:
            return True
        return any(
            all(self._holds(one.predicate, _select(one.selector, agent)) for one in group.attribute_constraints)
            for group in wanted.groups
        )

    def _holds(self, predicate: AttributeConstraintPredicate, found: Attribute | str | None) -> bool:
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
            return self._patterns[predicate.text_matches.regex].fullmatch(text) is not None
        if predicate.text_not_matches is not None:
            return self._patterns[predicate.text_not_matches.regex].fullmatch(text) is None
        return True


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
