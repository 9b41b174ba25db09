"""Examples that are written down elsewhere, played through the whole allocator: the DRF paper's, and those of Mesos's pages on
weights, roles, reservations, oversubscription, GPUs and fault domains.
"""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from dcos.master.core.allocator import Allocator, Grant
from dcos.master.core.clients import Traits
from dcos.master.core.quota_account import Quota
from dcos.model.resources import Resources
from dcos.model.v1.types import ResourceReservationInfo, ResourceReservationInfoType, ResourceRevocableInfo

ENOUGH = ({"cpus": 10}, {"mem": 32_000})


def bag(text: str) -> Resources:
    return Resources.parse(text)


def started(resources: str | Resources, *frameworks: tuple[str, str], **settings: object) -> Allocator:
    """One agent, and frameworks in their roles."""
    made = Allocator(enough=ENOUGH, **settings)  # type: ignore[arg-type]
    for name, role in frameworks:
        made.add_framework(
            name, [role], traits=Traits(gpus=True, revocable=name.startswith("rev"), refined=name != "old")
        )
    made.add_agent("s1", bag(resources) if isinstance(resources, str) else resources)
    return made


def one_task_an_offer(allocator: Allocator, tasks: dict[str, str], *, rounds: int) -> Counter[str]:
    """Each cycle: who is offered something starts one task if it fits, and gives the rest back without a filter."""
    running: Counter[str] = Counter()
    for now in range(1, rounds + 1):
        allocator.cycle(now)
        for grant in allocator.run(now):
            task, rest = bag(tasks[grant.framework]), grant.resources
            if rest.contains(task):
                running[grant.framework] += 1
                rest -= task
            allocator.recover(grant.framework, grant.role, grant.agent, rest, now=now, offered=True)
    return running


def test_the_papers_example() -> None:
    """9 CPUs and 18 GB; tasks of A take 1 CPU and 4 GB, those of B 3 and 1: three of A, two of B, both with two thirds."""
    allocator = started("cpus:9;mem:18432", ("A", "a"), ("B", "b"))
    running = one_task_an_offer(allocator, {"A": "cpus:1;mem:4096", "B": "cpus:3;mem:1024"}, rounds=12)
    assert running == {"A": 3, "B": 2}
    assert allocator.share_of("a") == pytest.approx(2 / 3)
    assert allocator.share_of("b") == pytest.approx(2 / 3)


def test_weights_are_the_proportions_that_come_about() -> None:
    """The page on weights: a role of weight 2 gets twice what one of weight 1 gets."""
    allocator = started("cpus:12;mem:1200", ("A", "a"), ("B", "b"), ("C", "c"), weights={"a": 1.0, "b": 2.0, "c": 3.0})
    running = one_task_an_offer(allocator, dict.fromkeys("ABC", "cpus:1;mem:100"), rounds=16)
    assert running == {"A": 2, "B": 4, "C": 6}


def test_weights_of_nested_roles_are_among_siblings() -> None:
    """``eng`` and ``ops`` share alike; within ``eng`` one team counts three times the other."""
    weights = {"eng": 1.0, "ops": 1.0, "eng/ads": 3.0, "eng/web": 1.0}
    allocator = started("cpus:8;mem:800", ("A", "eng/ads"), ("W", "eng/web"), ("O", "ops"), weights=weights)
    running = one_task_an_offer(allocator, dict.fromkeys("AWO", "cpus:1;mem:100"), rounds=12)
    assert running == {"A": 3, "W": 1, "O": 4}


def test_a_changed_weight_changes_who_is_next() -> None:
    allocator = started("cpus:2;mem:200", ("A", "a"), ("B", "b"))
    one_task_an_offer(allocator, dict.fromkeys("AB", "cpus:1;mem:100"), rounds=4)
    allocator.set_weight("b", 4.0)
    allocator.add_agent("s2", bag("cpus:3;mem:300"))
    assert one_task_an_offer(allocator, dict.fromkeys("AB", "cpus:1;mem:100"), rounds=6) == {"B": 3}


def test_a_tree_of_roles_under_one_quota() -> None:
    """A guarantee and a limit of ``eng``: its sub-roles meet the guarantee, ``eng`` itself stops at the limit, they do not."""
    allocator = Allocator(enough=ENOUGH)
    guarantee, limit = {"cpus": 2_000, "mem": 200_000}, {"cpus": 3_000, "mem": 300_000}
    allocator.set_quotas({"eng": Quota(guarantees=guarantee, limits=limit)})
    for name, role in (("E", "eng"), ("T", "eng/team"), ("O", "ops")):
        allocator.add_framework(name, [role], traits=Traits())
    held: list[Grant] = []
    for number in range(6):
        allocator.add_agent(f"s{number}", bag("cpus:1;mem:100"))
        held += allocator.run(0.0)
    assert allocator.account.missing == {}
    of_eng = [grant for grant in held if grant.role.startswith("eng")]
    assert len(of_eng) >= 2, "its guarantee"
    assert sum(grant.role == "eng" for grant in held) <= 3, "its limit"
    assert any(grant.role == "ops" for grant in held)


def refined() -> Resources:
    """1 CPU reserved to ``a`` and then to ``a/b``."""
    (one,) = bag("cpus(a):1").messages()
    deeper = ResourceReservationInfo(type=ResourceReservationInfoType.DYNAMIC, role="a/b")
    return Resources.of((msgspec.structs.replace(one, reservations=(*one.reservations, deeper)),))


def test_a_refined_reservation_is_for_who_understands_it() -> None:
    """Neither the ancestor nor a framework without the capability gets it; what is reserved to the ancestor both may have."""
    agent = bag("mem(a):100") + refined()
    assert started(agent, ("new", "a/b")).run(0.0)[0].resources == agent
    assert started(agent, ("old", "a/b")).run(0.0)[0].resources == bag("mem(a):100")
    assert started(agent, ("new", "a")).run(0.0)[0].resources == bag("mem(a):100")
    assert started(agent, ("new", "c")).run(0.0) == []


def test_revocable_resources_are_for_who_asked_for_them() -> None:
    (cpu,) = bag("cpus:4").messages()
    spare = Resources.of((msgspec.structs.replace(cpu, revocable=ResourceRevocableInfo()),))
    agent = bag("cpus:1;mem:100") + spare
    assert started(agent, ("plain", "a")).run(0.0)[0].resources == bag("cpus:1;mem:100")
    assert started(agent, ("rev", "a")).run(0.0)[0].resources == agent


def test_revocable_resources_do_not_count_against_a_limit() -> None:
    (cpu,) = bag("cpus:4").messages()
    spare = Resources.of((msgspec.structs.replace(cpu, revocable=ResourceRevocableInfo()),))
    allocator = started(bag("cpus:2;mem:100") + spare, ("rev", "a"))
    allocator.set_quotas({"a": Quota(limits={"cpus": 1_000, "mem": 100_000})})
    (grant,) = allocator.run(0.0)
    assert grant.resources == bag("cpus:1;mem:100") + spare


def test_revocable_resources_are_no_room_for_a_guarantee() -> None:
    (cpu,) = bag("cpus:4").messages()
    spare = Resources.of((msgspec.structs.replace(cpu, revocable=ResourceRevocableInfo()),))
    allocator = started(bag("cpus:2;mem:100") + spare, ("rev", "a"))
    allocator.set_quotas({"q": Quota(guarantees={"cpus": 2_000})})
    (grant,) = allocator.run(0.0)
    assert grant.resources == bag("mem:100") + spare


def test_scarce_gpus_do_not_starve_their_role() -> None:
    """One machine of four has all GPUs: counted, its user would have a share of 1 and get nothing more."""
    for excluded, later in ((frozenset[str](), ["N", "N"]), (frozenset({"gpus"}), ["G", "N"])):
        allocator = started("cpus:1;mem:100;gpus:8", ("G", "g"), ("N", "n"), excluded=excluded)
        allocator.suppress("N", ["n"])
        assert [grant.framework for grant in allocator.run(0.0)] == ["G"]
        allocator.revive("N", ["n"])
        order = []
        for number in (2, 3):
            allocator.add_agent(f"s{number}", bag("cpus:2;mem:200"))
            order += [grant.framework for grant in allocator.run(0.0)]
        assert sorted(order) == later
    hidden = Allocator(enough=ENOUGH)
    hidden.add_framework("N", ["n"], traits=Traits())
    hidden.add_agent("s1", bag("cpus:1;mem:100;gpus:8"))
    assert hidden.run(0.0) == [], "and who cannot use them does not take their machine"


def test_other_regions_are_offered_to_who_is_aware_of_them() -> None:
    for aware in (False, True):
        allocator = Allocator(enough=ENOUGH)
        allocator.add_framework("f", ["r"], traits=Traits(region_aware=aware))
        allocator.add_agent("near", bag("cpus:1;mem:100"))
        allocator.add_agent("far", bag("cpus:1;mem:100"), remote=True)
        assert {grant.agent for grant in allocator.run(0.0)} == ({"near", "far"} if aware else {"near"})
