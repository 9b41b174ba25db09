"""Mesos's allocator tests about quota, limits, shared volumes and where offers may go, retold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dcos.master.core.allocator import Allocator, Grant
from dcos.master.core.clients import Traits
from dcos.master.core.quota_account import Quota, chop
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceMount,
    ResourceDiskInfoSourceType,
    ValueScalar,
    ValueType,
)

ENOUGH = ({"cpus": 10}, {"mem": 32_000})


def amounts(text: str) -> Mapping[str, int]:
    return Resources.parse(text).scalar_quantities()


def legacy(text: str) -> Quota:
    """A guarantee that is the limit too."""
    return Quota(guarantees=amounts(text), limits=amounts(text))


class Stage:
    def __init__(self, **quotas: Quota) -> None:
        self.allocator = Allocator(enough=ENOUGH)
        self.allocator.set_quotas(quotas)
        self.now = 0.0
        self.agents = 0

    def quotas(self, **quotas: Quota) -> list[Grant]:
        self.allocator.set_quotas(quotas)
        return self.run()

    def agent(self, resources: str | Resources) -> list[Grant]:
        self.agents += 1
        total = Resources.parse(resources) if isinstance(resources, str) else resources
        self.allocator.add_agent(f"s{self.agents}", total, hostname=f"h{self.agents}")
        return self.run()

    def framework(self, name: str, *roles: str, traits: Traits | None = None) -> list[Grant]:
        self.allocator.add_framework(name, roles, traits=traits or Traits())
        return self.run()

    def run(self) -> list[Grant]:
        return self.allocator.run(self.now)

    def cycle(self, seconds: float = 1.0) -> list[Grant]:
        self.now += seconds
        self.allocator.cycle(self.now)
        return self.run()

    def back(self, grant: Grant, refuse_s: float | None = None) -> None:
        self.allocator.recover(
            grant.framework, grant.role, grant.agent, grant.resources, refuse_s=refuse_s, now=self.now, offered=True
        )


def shown(grants: list[Grant]) -> dict[str, str]:
    out: dict[str, Resources] = {}
    for grant in grants:
        out[grant.role] = out.get(grant.role, EMPTY) + grant.resources
    return {role: str(resources) for role, resources in out.items()}


def mount(megabytes: float, root: str) -> Resources:
    source = ResourceDiskInfoSource(type=ResourceDiskInfoSourceType.MOUNT, mount=ResourceDiskInfoSourceMount(root=root))
    disk = Resource(
        name="disk",
        type=ValueType.SCALAR,
        scalar=ValueScalar(value=megabytes),
        disk=ResourceDiskInfo(source=source),
    )
    return Resources.of((disk,))


def test_an_agent_is_cut_to_the_quota() -> None:
    stage = Stage(q=legacy("cpus:0.5;mem:200"))
    stage.framework("fq", "q")
    stage.framework("fo", "other")
    assert shown(stage.agent("cpus:1;mem:512")) == {"q": "cpus:0.5; mem:200", "other": "cpus:0.5; mem:312"}


def test_what_a_quota_role_refuses_is_kept_for_it() -> None:
    stage = Stage(q=legacy("cpus:2;mem:1024"))
    stage.framework("fq", "q")
    stage.framework("fo", "other")
    assert shown(stage.agent("cpus:1;mem:512")) == {"q": "cpus:1; mem:512"}
    (second,) = stage.agent("cpus:1;mem:512")
    assert second.role == "q"
    stage.back(second, refuse_s=2)
    assert stage.run() == []
    assert stage.cycle() == []
    assert shown(stage.cycle(1.5)) == {"q": "cpus:1; mem:512"}


def test_a_limit_without_a_guarantee() -> None:
    nothing = {"cpus": 0, "mem": 0, "disk": 0}
    stage = Stage(a=Quota(limits=nothing))
    stage.framework("fa", "a")
    stage.framework("fo", "other")
    assert shown(stage.agent("cpus:2;mem:1024;disk:1024")) == {"other": "cpus:2; mem:1024; disk:1024"}
    stage.quotas(a=Quota(limits=amounts("cpus:1;mem:512;disk:512")))
    assert shown(stage.agent("cpus:2;mem:1024;disk:1024")) == {
        "a": "cpus:1; mem:512; disk:512",
        "other": "cpus:1; mem:512; disk:512",
    }


def test_quota_and_agents_of_other_proportions() -> None:
    stage = Stage(q=legacy("cpus:4;mem:1024"))
    stage.framework("fq", "q")
    assert shown(stage.agent("cpus:2;mem:1024")) == {"q": "cpus:2; mem:1024"}
    assert shown(stage.agent("cpus:2;mem:1024")) == {"q": "cpus:2"}


def test_what_cannot_be_cut_is_left() -> None:
    stage = Stage(q=legacy("cpus:2;mem:2048;disk:150"))
    stage.framework("fq", "q")
    agent = Resources.parse("cpus:0.5;mem:512")
    (first,) = stage.agent(agent + mount(100, "/a"))
    assert first.resources == agent + mount(100, "/a")
    (second,) = stage.agent(agent + mount(100, "/b"))
    assert second.resources == agent
    assert shown(stage.agent("cpus:2;mem:2048;disk:150")) == {"q": "cpus:1; mem:1024; disk:50"}


def test_beyond_its_quota_others_are_served() -> None:
    stage = Stage(q=legacy("cpus:0.25;mem:128"))
    stage.framework("fq", "q")
    stage.framework("fo", "other")
    assert shown(stage.agent("cpus:1;mem:512")) == {"q": "cpus:0.25; mem:128", "other": "cpus:0.75; mem:384"}
    assert shown(stage.agent("cpus:1;mem:512")) == {"other": "cpus:1; mem:512"}


def test_a_guarantee_is_kept_for_a_role_that_is_not_here() -> None:
    stage = Stage(q=legacy("cpus:2;mem:1024"))
    stage.framework("fo", "other")
    assert stage.agent("cpus:2;mem:1024") == []
    assert [grant.role for grant in stage.agent("cpus:2;mem:1024")] == ["other"]
    assert stage.cycle() == []
    assert [grant.role for grant in stage.framework("fq", "q")] == ["q"]


def test_two_quotas_and_one_of_them_absent() -> None:
    stage = Stage(q1=legacy("cpus:1;mem:1024"), q2=legacy("cpus:2;mem:2048"))
    stage.framework("f2", "q2")
    assert shown(stage.agent("cpus:2;mem:2048")) == {"q2": "cpus:2; mem:2048"}


def test_two_quotas_in_part_met() -> None:
    stage = Stage(q1=legacy("cpus:1;mem:200"), q2=legacy("cpus:2;mem:2000"))
    for number in (1, 2):
        role = f"q{number}"
        stage.allocator.add_framework(f"f{number}", [role], traits=Traits())
        stage.allocator.add_agent(
            f"a{number}",
            Resources.parse("cpus:1;mem:1024"),
            used=[(f"f{number}", role, Resources.parse("cpus:1;mem:1024"))],
        )
    stage.run()
    assert shown(stage.agent("cpus:2;mem:2048")) == {"q2": "cpus:1; mem:976"}


def test_reserved_resources_of_others_do_not_meet_a_guarantee() -> None:
    stage = Stage(q=legacy("cpus:4;mem:512"))
    stage.allocator.add_agent("a", Resources.parse("cpus:4;mem:512"))
    stage.allocator.add_agent("b", Resources.parse("cpus(other):4;mem(other):512"))
    stage.allocator.add_framework("fq", ["q"], traits=Traits())
    (mine,) = stage.run()
    assert (mine.role, mine.agent) == ("q", "a")
    stage.back(mine, refuse_s=3600)
    assert [(one.role, one.agent) for one in stage.framework("fo", "other")] == [("other", "b")]
    assert stage.cycle() == []


def test_own_reservations_count_as_consumed() -> None:
    stage = Stage(q=legacy("cpus:2;mem:1024"))
    stage.framework("fq", "q")
    grants = stage.agent("cpus:2;mem:1024;cpus(q):1;mem(q):512")
    assert stage.allocator.account.consumed["q"] == {"cpus": 2000, "mem": 1_024_000}
    assert grants[0].resources.unreserved() == Resources.parse("cpus:1;mem:512")


def test_a_role_below_uses_its_parents_quota_but_not_its_limit() -> None:
    stage = Stage(a=legacy("cpus:1;mem:512"))
    stage.framework("fab", "a/b")
    assert stage.agent("cpus:1;mem:512") == []
    assert [grant.framework for grant in stage.agent("cpus:1;mem:512")] == ["fab", "fab"]
    stage.framework("fa", "a")
    assert stage.allocator.account.room("a") == {"cpus": 0, "mem": 0}
    assert [grant.framework for grant in stage.agent("cpus:1;mem:512")] == ["fab"]


def test_a_role_may_burst_to_its_limit() -> None:
    stage = Stage(q=Quota(guarantees=amounts("cpus:1;mem:128"), limits=amounts("cpus:2;mem:1024")))
    stage.framework("fq", "q")
    assert shown(stage.agent("cpus:4;mem:4096")) == {"q": "cpus:2; mem:1024"}


def test_names_that_are_not_limited_go_along() -> None:
    stage = Stage(q=Quota(guarantees=amounts("cpus:1"), limits=amounts("cpus:1")))
    stage.framework("fq", "q")
    (grant,) = stage.agent("cpus:4;mem:4096;ports:[1-9]")
    assert grant.resources == Resources.parse("cpus:1;mem:4096;ports:[1-9]")


def test_an_overcommitted_guarantee_is_still_served() -> None:
    stage = Stage(a=legacy("cpus:9;mem:9000"), b=legacy("cpus:9;mem:9000"))
    stage.framework("fb", "b")
    assert shown(stage.agent("cpus:1;mem:512")) == {"b": "cpus:1; mem:512"}


def test_a_raised_limit_is_used_without_a_new_agent() -> None:
    stage = Stage(q=legacy("cpus:1;mem:64"))
    stage.framework("fq", "q")
    assert shown(stage.agent("cpus:4;mem:256")) == {"q": "cpus:1; mem:64"}
    assert stage.cycle() == []
    assert shown(stage.quotas(q=legacy("cpus:3;mem:192"))) == {"q": "cpus:2; mem:128"}
    assert shown(stage.quotas()) == {"q": "cpus:1; mem:64"}


def test_what_a_limit_withheld_is_given_as_soon_as_something_ends_elsewhere() -> None:
    stage = Stage(q=legacy("cpus:1;mem:64"))
    stage.framework("fq", "q")
    (first,) = stage.agent("cpus:1;mem:64")
    assert stage.agent("cpus:1;mem:64") == []
    stage.back(first, refuse_s=3600)
    (second,) = stage.run()
    assert second.agent == "s2"


def test_a_paused_allocator_waits_for_agents() -> None:
    stage = Stage(q=legacy("cpus:1"))
    stage.allocator.pause(2)
    stage.framework("f", "r")
    assert stage.agent("cpus:4;mem:64") == []
    assert len(stage.agent("cpus:4;mem:64")) == 2
    stage.allocator.pause(9)
    assert stage.agent("cpus:4;mem:64") == []
    stage.allocator.resume()
    assert len(stage.run()) == 1


def test_only_listed_agents_are_offered() -> None:
    stage = Stage()
    stage.allocator.set_whitelist(frozenset({"h2"}))
    stage.framework("f", "r")
    assert stage.agent("cpus:1;mem:64") == []
    assert [grant.agent for grant in stage.agent("cpus:1;mem:64")] == ["s2"]
    stage.allocator.set_whitelist(frozenset())
    assert stage.agent("cpus:1;mem:64") == []
    stage.allocator.set_whitelist(None)
    assert {grant.agent for grant in stage.run()} == {"s1", "s3"}


def test_other_regions_are_for_those_who_know_regions() -> None:
    stage = Stage()
    stage.framework("f", "r")
    stage.framework("far", "s", traits=Traits(region_aware=True))
    stage.allocator.add_agent("remote", Resources.parse("cpus:1;mem:64"), remote=True)
    assert [grant.framework for grant in stage.run()] == ["far"]


def test_old_agents_get_no_nested_roles() -> None:
    stage = Stage()
    stage.framework("f", "a/b")
    stage.allocator.add_agent("old", Resources.parse("cpus:1;mem:64"), hierarchical=False)
    assert stage.run() == []
    stage.allocator.describe_agent("old", remote=False, multi_role=True, hierarchical=True)
    assert len(stage.run()) == 1


def test_excluded_names_do_not_count_for_shares() -> None:
    allocator = Allocator(enough=ENOUGH, excluded=frozenset({"gpus"}), hide_gpus=False)
    for name in ("fa", "fb"):
        allocator.add_framework(name, [name[1]], traits=Traits(gpus=True))
    allocator.add_agent("s1", Resources.parse("cpus:1;mem:64;gpus:4"))
    (first,) = allocator.run(0)
    assert allocator.share_of(first.role) == 1.0
    allocator.add_agent("s2", Resources.parse("cpus:9;mem:900"))
    (second,) = allocator.run(0)
    assert second.framework != first.framework
    assert allocator.share_of(first.role) == 0.1


def test_a_random_order_gives_everybody_a_turn() -> None:
    numbers = iter(range(10**6))
    allocator = Allocator(
        enough=ENOUGH,
        random_roles=True,
        random_frameworks=True,
        draw=lambda: (next(numbers) * 0.6180339887498949) % 1.0,
    )
    for name in "abc":
        allocator.add_framework(f"f{name}", [name], traits=Traits())
    allocator.add_agent("s", Resources.parse("cpus:1;mem:64"))
    seen: Counter[str] = Counter()
    for now in range(300):
        (grant,) = allocator.run(now)
        seen[grant.framework] += 1
        allocator.recover(grant.framework, grant.role, "s", grant.resources, offered=True)
        allocator.cycle(now + 1)
    assert set(seen) == {"fa", "fb", "fc"}
    assert min(seen.values()) > 50


def test_chop() -> None:
    whole = Resources.parse("cpus:4;mem:512")
    assert chop(whole, {"cpus": 1500}, others=True) == Resources.parse("cpus:1.5;mem:512")
    assert chop(whole, {"cpus": 1500}, others=False) == Resources.parse("cpus:1.5")
    assert chop(whole, {"cpus": 0}, others=False) == EMPTY
    assert chop(mount(100, "/a"), {"disk": 99_999}, others=True) == EMPTY


def test_room_that_an_ended_reservation_leaves_is_used_by_the_next_cycle() -> None:
    stage = Stage(q=legacy("cpus:1;mem:64"))
    stage.framework("fq", "q")
    stage.agent("cpus(q):1;mem(q):64")
    assert stage.agent("cpus:1;mem:64") == []
    stage.allocator.recover("fq", "q", "s1", Resources.parse("cpus(q):1;mem(q):64"), refuse_s=3600)
    assert stage.run() == []
    stage.allocator.convert_free("s1", Resources.parse("cpus(q):1;mem(q):64"), Resources.parse("cpus:1;mem:64"))
    stage.allocator.deactivate_agent("s1")
    assert [grant.agent for grant in stage.cycle()] == ["s2"]


def test_many_withheld_agents_are_all_looked_at_in_the_end() -> None:
    stage = Stage(q=legacy("cpus:1;mem:32"))
    stage.framework("fq", "q")
    (first,) = stage.agent("cpus:1;mem:32")
    for _ in range(200):
        assert stage.agent("cpus:1;mem:32") == []
    for agent in [f"s{number}" for number in range(2, 202)][:199]:
        stage.allocator.deactivate_agent(agent)
    stage.back(first, refuse_s=3600)
    assert [grant.agent for grant in stage.run() + stage.cycle()] == ["s201"]


def test_a_framework_may_take_what_is_too_little_for_others_within_its_limit() -> None:
    stage = Stage(q=Quota(limits={"cpus": 1, "mem": 0}))
    stage.framework("picky", "q", traits=Traits(enough={"q": ({"cpus": 1},)}))
    assert shown(stage.agent("cpus:1;mem:32")) == {"q": "cpus:0.001"}


def test_what_was_kept_for_a_guarantee_is_given_when_it_is_met_otherwise() -> None:
    stage = Stage(q=legacy("cpus:2;mem:64"))
    stage.framework("fo", "other")
    assert stage.agent("cpus:2;mem:64") == []
    assert [grant.agent for grant in stage.agent("cpus(q):2;mem(q):64") + stage.cycle()] == ["s1"]


def test_tasks_that_an_agent_brings_meet_a_guarantee() -> None:
    stage = Stage(q=legacy("cpus:2;mem:64"))
    stage.framework("fo", "other")
    assert stage.agent("cpus:2;mem:64") == []
    stage.allocator.add_agent("back", Resources.parse("cpus:2;mem:64"), active=False)
    stage.allocator.charge("fq", "q", "back", Resources.parse("cpus:2;mem:64"))
    assert [grant.agent for grant in stage.run() + stage.cycle()] == ["s1"]


def test_what_a_limit_leaves_of_an_agent_is_offered_only_when_it_is_enough() -> None:
    stage = Stage(a=Quota(limits=amounts("mem:60")))
    stage.framework("first", "a")
    stage.framework("second", "b")
    assert shown(stage.agent("cpus:4;mem:64")) == {"a": "cpus:4; mem:60"}
