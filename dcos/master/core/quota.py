"""Quota: set, removed, shown; who consumes how much of it.

Only top-level roles have quota. What a role consumes is what its subtree uses unreserved plus what is reserved to the
subtree, used or not; revocable resources never count. A change is stored, told to the allocator, and offers are rescinded
so that it can take effect. SET_QUOTA is the old form: its guarantee is its limit too.

Source: Mesos docs/quota.md and its quota handler (order of checks, texts).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from dcos.master.core import offers
from dcos.master.core.effects import Answer, Keep
from dcos.master.core.quota_account import Quota, is_open, top_of
from dcos.master.core.records import OfferRecord
from dcos.master.core.registry import Shelf
from dcos.master.core.state import Deadline, State
from dcos.model import values
from dcos.model.identifiers import role_problem
from dcos.model.resource_messages import reservations_of
from dcos.model.resource_rules import input_problem, resources_problem
from dcos.model.resources import Resources
from dcos.model.v1 import master, quota
from dcos.model.v1.types import Resource, ValueScalar, ValueType

Quantities = Mapping[str, int]

_EXABYTE_MB = 1024**4
_TRILLION = 10**12


# ---- what is consumed ------------------------------------------------------------------------------------------------


def consumption(state: State) -> dict[str, dict[str, int]]:
    """Thousandths by role; what a role consumes counts for every role above it too, ranges and sets by their sizes."""
    out: dict[str, dict[str, int]] = {}
    for framework in state.frameworks.values():
        for role, tally in framework.used_tally.tallies():
            if amounts := tally.quantities(is_open):
                for above in lineage(role):
                    add(out.setdefault(above, {}), amounts)
    for agent in state.agents.values():
        for role, reserved in agent.total.reserved().items():
            count(out, role, reserved.non_revocable())
    return out


def count(out: dict[str, dict[str, int]], role: str, resources: Resources) -> None:
    """Add ``resources`` to the role and those above it."""
    amounts = resources.quantities()
    if not amounts:
        return
    for above in lineage(role):
        add(out.setdefault(above, {}), amounts)


def lineage(role: str) -> tuple[str, ...]:
    """``a``, ``a/b``, ``a/b/c`` of ``a/b/c``."""
    parts = role.split("/")
    return tuple("/".join(parts[:length]) for length in range(1, len(parts) + 1))


def add(to: dict[str, int], amounts: Quantities) -> None:
    for name, amount in amounts.items():
        to[name] = to.get(name, 0) + amount


def capacity(state: State) -> dict[str, int]:
    """Scalars of all registered agents that are not revocable."""
    out: dict[str, int] = {}
    for agent in state.agents.values():
        add(out, agent.total.non_revocable().scalar_quantities())
    return out


def _contains(have: Quantities, wanted: Quantities) -> bool:
    return all(have.get(name, 0) >= amount for name, amount in wanted.items())


def _within(limits: Quantities, wanted: Quantities) -> bool:
    return all(wanted.get(name, 0) <= limit for name, limit in limits.items())


def text_of(amounts: Quantities) -> str:
    """``cpus:1.5; mem:1024``."""
    shown = "; ".join(f"{name}:{values.text_of_number(amounts[name])}" for name in sorted(amounts))
    return shown or "{}"


# ---- shown -----------------------------------------------------------------------------------------------------------


def status(state: State) -> quota.QuotaStatus:
    return quota.QuotaStatus(
        infos=tuple(
            quota.QuotaInfo(
                role=role,
                guarantee=tuple(
                    Resource(name=name, type=ValueType.SCALAR, scalar=amount)
                    for name, amount in config.guarantees.items()
                ),
            )
            for role, config in state.quotas.items()
        ),
        configs=tuple(state.quotas.values()),
    )


def quota_of(config: quota.QuotaConfig) -> Quota:
    return Quota(guarantees=_thousandths(config.guarantees), limits=_thousandths(config.limits))


def _thousandths(given: Mapping[str, ValueScalar]) -> dict[str, int]:
    return {name: values.thousandths(scalar.value) for name, scalar in given.items()}


# ---- validation ------------------------------------------------------------------------------------------------------


def config_problem(config: quota.QuotaConfig) -> str | None:
    problem = role_problem(config.role)
    if problem is not None:
        return f"Invalid 'QuotaConfig.role': {problem}"
    for what, given in (("guarantees", config.guarantees), ("limits", config.limits)):
        problem = _too_large(given)
        if problem is not None:
            return f"Invalid 'QuotaConfig.{what}': {problem}"
    for what, given in (("guarantee", config.guarantees), ("limit", config.limits)):
        for name, scalar in given.items():
            problem = input_problem(scalar.value)
            if problem is not None:
                return f"Invalid {what} configuration {{'{name}': {_shown(scalar.value)}}}: {problem}"
    wanted = quota_of(config)
    if any(wanted.guarantees.get(name, 0) > limit for name, limit in wanted.limits.items()):
        return (
            f"'QuotaConfig.guarantees' {_map_text(config.guarantees)} is not contained within the "
            f"'QuotaConfig.limits' {_map_text(config.limits)}"
        )
    return None


def _too_large(given: Mapping[str, ValueScalar]) -> str | None:
    for name, scalar in given.items():
        if name in ("mem", "disk"):
            if scalar.value > _EXABYTE_MB:
                too_much = f"values greater than 1 exabyte ({_EXABYTE_MB}) are not supported"
                return f"{{'{name}': {_shown(scalar.value)}}} is invalid: {too_much}"
        elif scalar.value > _TRILLION:
            too_much = f"values greater than 1 trillion ({_TRILLION}) are not supported"
            return f"{{'{name}': {_shown(scalar.value)}}} is invalid: {too_much}"
    return None


def _shown(value: float) -> str:
    return values.text_of_number(values.thousandths(value)) if math.isfinite(value) else str(value)


def _map_text(given: Mapping[str, ValueScalar]) -> str:
    return "{" + ", ".join(f"{name}: {_shown(scalar.value)}" for name, scalar in given.items()) + "}"


def _whitelisted(state: State, role: str) -> bool:
    return state.rules.roles is None or role in state.rules.roles


def _guaranteed(configs: Iterable[quota.QuotaConfig]) -> dict[str, int]:
    out: dict[str, int] = {}
    for config in configs:
        add(out, quota_of(config).guarantees)
    return out


# ---- changes ---------------------------------------------------------------------------------------------------------


def update(state: State, request: int, call: master.CallUpdateQuota, now: float) -> None:
    """UPDATE_QUOTA: all of its configs or none."""
    problem = _update_problem(state, call)
    if problem is not None:
        state.emit(Answer(request, 400, problem))
        return
    for config in call.quota_configs:
        _store(state, config)
    state.allocator.set_quotas({role: quota_of(config) for role, config in state.quotas.items()})
    for config in call.quota_configs:
        _rescind(state, config, now)
    state.emit(Answer(request, 200))


def _update_problem(state: State, call: master.CallUpdateQuota) -> str | None:
    for config in call.quota_configs:
        if not _whitelisted(state, config.role):
            return f"Invalid QuotaConfig: '{config.role}' is not on the roles whitelist"
        if "/" in config.role:
            return f"Updating quota on nested role '{config.role}' is not supported yet"
        problem = config_problem(config)
        if problem is not None:
            return f"Invalid QuotaConfig: {problem}"
    if call.force:
        return None
    consumed = consumption(state)
    for config in call.quota_configs:
        limits, taken = quota_of(config).limits, consumed.get(config.role, {})
        if not _within(limits, taken):
            return (
                f"Invalid QuotaConfig: Role '{config.role}' is already consuming '{text_of(taken)}'; this is more than "
                f"the requested limits '{text_of(limits)}' (use 'force' flag to bypass this check)"
            )
    after = state.quotas | {config.role: config for config in call.quota_configs}
    wanted, have = _guaranteed(after.values()), capacity(state)
    if not _contains(have, wanted):
        return (
            f"Invalid QuotaConfig: total quota guarantees '{text_of(wanted)}' exceed cluster capacity "
            f"'{text_of(have)}' (use 'force' flag to bypass this check)"
        )
    return None


def _store(state: State, config: quota.QuotaConfig) -> None:
    """A config without guarantees and limits is no quota."""
    if config.guarantees or config.limits:
        state.quotas[config.role] = config
        state.emit(Keep(Shelf.QUOTA, config.role, config))
    elif state.quotas.pop(config.role, None) is not None:
        state.emit(Keep(Shelf.QUOTA, config.role, None))
    state.note("quota_set", role=config.role, quota=msgspec.json.encode(config).decode())


def _of_subtree(offer: OfferRecord, role: str) -> bool:
    return top_of(offer.role) == role


def _rescind(state: State, config: quota.QuotaConfig, now: float) -> None:
    """Offers of the role beyond its limits, then offers of others until the guarantee could be met from them."""
    wanted = quota_of(config)
    held: dict[str, int] = dict(consumption(state).get(config.role, {}))
    own = [offer for offer in state.offers.values() if _of_subtree(offer, config.role)]
    for offer in own:
        add(held, offer.resources.quantities())
    for offer in own:
        if _within(wanted.limits, held):
            break
        add(held, {name: -amount for name, amount in offer.resources.quantities().items()})
        offers.rescind(state, offer, now)
    for agent in state.agents.values():
        for offer in list(agent.offers.values()):
            if _contains(held, wanted.guarantees):
                return
            if not _of_subtree(offer, config.role):
                add(held, offer.resources.quantities())
                offers.rescind(state, offer, now)


def set_quota(state: State, request: int, asked: quota.QuotaRequest, now: float) -> None:
    """SET_QUOTA and POST /quota."""
    code, problem = _set_problem(state, asked)
    if problem is not None:
        state.emit(Answer(request, code, problem))
        return
    assert asked.role is not None
    config = _config_of(asked.role, asked)
    _store(state, config)
    state.allocator.set_quotas({role: quota_of(one) for role, one in state.quotas.items()})
    _rescind_whole_agents(state, config, now)
    state.emit(Answer(request, 200))


def _config_of(role: str, asked: quota.QuotaRequest) -> quota.QuotaConfig:
    amounts = {one.name: one.scalar for one in asked.guarantee if one.scalar is not None}
    return quota.QuotaConfig(role=role, guarantees=amounts, limits=amounts)


def _set_problem(state: State, asked: quota.QuotaRequest) -> tuple[int, str | None]:
    invalid = "Failed to validate set quota request: "
    problem = resources_problem(asked.guarantee)
    if problem is not None:
        return 400, f"{invalid}QuotaInfo with invalid resource: {problem}"
    problem = _info_problem(asked)
    if problem is not None:
        return 400, invalid + problem
    assert asked.role is not None
    if not _whitelisted(state, asked.role):
        return 400, f"{invalid}Unknown role '{asked.role}'"
    problem = config_problem(_config_of(asked.role, asked))
    if problem is not None:
        return 400, invalid + problem
    if asked.role in state.quotas:
        return 400, f"{invalid}Cannot set quota for role '{asked.role}' which already has quota"
    if "/" in asked.role:
        return 400, f"Setting quota on nested role '{asked.role}' is not supported yet"
    if asked.force:
        return 200, None
    wanted = _guaranteed(state.quotas.values())
    add(wanted, Resources.of(asked.guarantee).scalar_quantities())
    have = capacity(state)
    if not _contains(have, wanted):
        return 409, (
            "Quota guarantees overcommit the cluster (use 'force' to bypass this check): Total quota guarantees "
            f"'{text_of(wanted)}' exceed cluster capacity '{text_of(have)}'"
        )
    return 200, None


def _info_problem(asked: quota.QuotaRequest) -> str | None:
    if asked.role is None:
        return "QuotaInfo must specify a role"
    problem = role_problem(asked.role)
    if problem is not None:
        return f"QuotaInfo with invalid role: {problem}"
    if not asked.guarantee:
        return "QuotaInfo with empty 'guarantee'"
    seen: set[str] = set()
    for one in asked.guarantee:
        if reservations_of(one):
            return "QuotaInfo must not contain any ReservationInfo"
        if one.disk is not None:
            return "QuotaInfo must not contain DiskInfo"
        if one.revocable is not None:
            return "QuotaInfo must not contain RevocableInfo"
        if one.type is not ValueType.SCALAR:
            return "QuotaInfo must not include non-scalar resources"
        if one.name in seen:
            return f"QuotaInfo contains duplicate resource name '{one.name}'"
        seen.add(one.name)
    return None


def _rescind_whole_agents(state: State, config: quota.QuotaConfig, now: float) -> None:
    """All offers of agent after agent, until they cover the guarantee and give each framework of the role an agent."""
    wanted = quota_of(config).guarantees
    members = sum(one.connected and one.active and config.role in one.roles for one in state.frameworks.values())
    rescinded: dict[str, int] = {}
    visited = 0
    for agent in state.agents.values():
        if _contains(rescinded, wanted) and visited >= members:
            return
        if not agent.active or not agent.offers:
            continue
        for offer in list(agent.offers.values()):
            add(rescinded, offer.resources.scalar_quantities())
            offers.rescind(state, offer, now)
        visited += 1


def remove(state: State, request: int, role: str, path: str | None = None) -> None:
    """REMOVE_QUOTA; with ``path`` DELETE /quota/<role>."""
    problem = None
    if path is not None and not _whitelisted(state, role):
        problem = f"Failed to validate remove quota request for path '{path}': Unknown role '{role}'"
    elif role not in state.quotas:
        where = f" for path '{path}'" if path is not None else ""
        problem = f"Failed to remove quota{where}: Role '{role}' has no quota set"
    if problem is not None:
        state.emit(Answer(request, 400, problem))
        return
    _store(state, quota.QuotaConfig(role=role))
    state.allocator.set_quotas({name: quota_of(config) for name, config in state.quotas.items()})
    state.emit(Answer(request, 200))


# ---- recovery --------------------------------------------------------------------------------------------------------


def recovered(state: State, configs: tuple[quota.QuotaConfig, ...], now: float) -> None:
    """After a change of leader: with quota, offers wait until most agents are back, lest limits be overrun."""
    if not configs:
        return
    state.quotas.update((config.role, config) for config in configs)
    state.allocator.set_quotas({role: quota_of(config) for role, config in state.quotas.items()})
    awaited = int(len(state.recovered) * state.rules.allocator_recovery_factor)
    if awaited:
        state.allocator.pause(awaited)
        state.schedule(now + state.rules.allocator_recovery_s, Deadline.ALLOCATOR)


def quantities_json(amounts: Quantities) -> dict[str, float]:
    return {name: amounts[name] / 1000 for name in sorted(amounts)}


def role_json(state: State, role: str, consumed: Mapping[str, Quantities]) -> dict[str, object]:
    """``quota`` of a role in ``/roles``."""
    config = state.quotas.get(role)
    known = quota_of(config) if config is not None else Quota()
    return {
        "role": role,
        "guarantee": quantities_json(known.guarantees),
        "limit": quantities_json(known.limits),
        "consumed": quantities_json(consumed.get(role, {})),
    }
