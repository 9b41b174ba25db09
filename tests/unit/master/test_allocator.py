"""Mesos's hierarchical allocator tests, retold; nothing is declined unless said."""

from __future__ import annotations

from dcos.master.core.allocator import Allocator, Grant
from dcos.master.core.clients import Traits, refuse_seconds
from dcos.model.resources import Resources
from tests.unit.master.operation_makers import res

ENOUGH = ({"cpus": 10}, {"mem": 32_000})


class Stage:
    def __init__(self, *, agents_take_roles: bool = True, hide_gpus: bool = True) -> None:
        self.allocator = Allocator(enough=ENOUGH, hide_gpus=hide_gpus)
        self.now = 0.0
        self.agents = 0
        self.agents_take_roles = agents_take_roles

    def agent(self, resources: str) -> list[Grant]:
        self.agents += 1
        self.allocator.add_agent(f"s{self.agents}", Resources.parse(resources), multi_role=self.agents_take_roles)
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


def who(grants: list[Grant]) -> list[str]:
    return [grant.framework for grant in grants]


def test_unreserved_drf() -> None:
    stage = Stage()
    stage.framework("fw1", "role1")
    assert who(stage.agent("cpus:2;mem:1024")) == ["fw1"]
    stage.framework("fw2", "role2")
    assert who(stage.agent("cpus:1;mem:512")) == ["fw2"]
    assert who(stage.agent("cpus:3;mem:2048")) == ["fw2"]
    stage.framework("fw3", "role1")
    assert who(stage.agent("cpus:4;mem:4096")) == ["fw3"]
    stage.framework("fw4", "role1")
    assert who(stage.agent("cpus:1;mem:512")) == ["fw2"]


def test_reserved_counts_in_shares() -> None:
    stage = Stage()
    stage.framework("fw1", "role1")
    stage.framework("fw2", "role2")
    stage.allocator.deactivate_framework("fw2")
    assert who(stage.agent("cpus:1;mem:512;cpus(role1):100;mem(role1):1024")) == ["fw1"]
    stage.allocator.activate_framework("fw2")
    assert who(stage.agent("cpus:2;mem:512")) == ["fw2"]
    assert who(stage.agent("cpus:2;mem:512")) == ["fw2"]
    stage.framework("fw3", "role1")
    assert who(stage.agent("cpus(role1):2;mem(role1):1024")) == ["fw3"]


def test_nested_roles() -> None:
    stage = Stage()
    stage.framework("fw1", "a/b")
    assert who(stage.agent("cpus:2;mem:1024")) == ["fw1"]
    stage.framework("fw2", "a/c")
    stage.framework("fw3", "d/e")
    assert who(stage.agent("cpus:1;mem:512")) == ["fw3"]
    stage.framework("fw4", "d/f")
    assert who(stage.agent("cpus:2;mem:1024")) == ["fw4"]


def test_each_of_two_roles_gets_a_whole_agent() -> None:
    stage = Stage()
    for number in (1, 2):
        stage.allocator.add_agent(f"s{number}", Resources.parse("cpus:2;mem:1024"))
    stage.allocator.add_framework("fw1", ["role1"], traits=Traits())
    stage.allocator.add_framework("fw2", ["role2"], traits=Traits())
    grants = stage.run()
    assert sorted(who(grants)) == ["fw1", "fw2"]
    assert all(grant.resources == Resources.parse("cpus:2;mem:1024") for grant in grants)


def test_equal_shares_take_turns() -> None:
    stage = Stage()
    stage.framework("fw1", "*")
    stage.framework("fw2", "*")
    grants = stage.agent("cpus:1;mem:512")
    seen = []
    for _ in range(10):
        assert len(grants) == 1
        seen += who(grants)
        stage.back(grants[0])
        grants = stage.cycle()
    assert seen.count("fw1") == seen.count("fw2") == 5


def test_reservations_of_ancestors_are_offered() -> None:
    stage = Stage()
    stage.framework("fw", "a/b/c")
    grants = stage.agent("cpus(a):1;mem(a/b):64;cpus(x):1;mem(a/b/c/d):1")
    assert [grant.resources for grant in grants] == [Resources.parse("cpus(a):1;mem(a/b):64")]


def test_too_little_is_not_offered() -> None:
    stage = Stage()
    stage.framework("fw", "r")
    assert stage.agent("cpus:0.009;mem:31") == []
    assert who(stage.agent("cpus:0.01;mem:1")) == ["fw"]
    assert who(stage.agent("mem:32")) == ["fw"]
    assert who(stage.agent("mem:16;mem(r):16")) == ["fw"]


def test_a_framework_may_take_less_than_the_minimum() -> None:
    stage = Stage()
    stage.framework("fw", "r", traits=Traits(enough={"r": ()}))
    assert who(stage.agent("cpus:0.001")) == ["fw"]


def test_what_one_refuses_goes_on_to_the_other_at_once() -> None:
    stage = Stage()
    stage.framework("fw1", "a")
    stage.framework("fw2", "b")
    (grant,) = stage.agent("cpus:1;mem:64")
    stage.back(grant, refuse_s=5)
    (second,) = stage.run()
    assert {grant.framework, second.framework} == {"fw1", "fw2"}
    stage.back(second, refuse_s=60)
    assert stage.run() == []
    assert stage.cycle(4) == []
    assert who(stage.cycle(2)) == [grant.framework]


def test_a_filter_lets_more_than_was_refused_through() -> None:
    stage = Stage()
    stage.framework("fw", "a")
    (grant,) = stage.agent("cpus:2;mem:64")
    stage.allocator.recover("fw", "a", "s1", Resources.parse("cpus:1;mem:64"), refuse_s=60, now=0)
    assert stage.run() == []
    stage.allocator.recover("fw", "a", "s1", Resources.parse("cpus:1"), now=0)
    assert [one.resources for one in stage.run()] == [grant.resources]


def test_returned_without_filter_comes_again_at_the_next_cycle() -> None:
    stage = Stage()
    stage.framework("fw", "a")
    (grant,) = stage.agent("cpus:2;mem:64")
    stage.back(grant, refuse_s=0)
    assert stage.run() == []
    assert who(stage.cycle()) == ["fw"]


def test_a_filter_lasts_until_the_next_cycle_at_least() -> None:
    stage = Stage()
    stage.framework("fw", "a")
    (grant,) = stage.agent("cpus:2;mem:64")
    stage.back(grant, refuse_s=0.1)
    stage.now += 0.5
    assert stage.run() == []
    assert who(stage.cycle(0.5)) == ["fw"]


def test_a_framework_that_was_away_has_no_filters() -> None:
    stage = Stage()
    stage.framework("fw", "a")
    (grant,) = stage.agent("cpus:2;mem:64")
    stage.back(grant, refuse_s=1000)
    stage.allocator.deactivate_framework("fw")
    assert stage.cycle() == []
    stage.allocator.activate_framework("fw")
    assert who(stage.run()) == ["fw"]


def test_a_role_that_is_suppressed_no_more_has_no_filters() -> None:
    stage = Stage()
    stage.framework("fw", "a", "b")
    (grant,) = stage.agent("cpus:2;mem:64")
    stage.back(grant, refuse_s=1000)
    stage.allocator.update_framework("fw", ["a", "b"], suppressed=["a", "b"], traits=Traits())
    assert stage.cycle() == []
    stage.allocator.update_framework("fw", ["a", "b"], suppressed=["b"], traits=Traits())
    (again,) = stage.run()
    assert (grant.role, again.role) == ("a", "a")


def test_what_was_refused_of_an_agent_is_forgotten_when_it_changes() -> None:
    stage = Stage()
    stage.framework("fw", "a")
    (grant,) = stage.agent("cpus:2;mem:64")
    stage.back(grant, refuse_s=1000)
    assert stage.cycle() == []
    stage.allocator.unfilter_agent("s1")
    assert who(stage.run()) == ["fw"]


def test_a_shared_volume_counts_once_for_a_role() -> None:
    stage = Stage()
    volume = Resources.of([res("disk:64", "r", volume="v", shared=True)])
    plain = Resources.parse("disk:200")
    for name, role in (("first", "r"), ("second", "r"), ("third", "b")):
        stage.framework(name, role, traits=Traits(shared=True))
    stage.allocator.add_agent("s", volume + plain, active=False)
    stage.allocator.charge("first", "r", "s", volume)
    stage.allocator.charge("second", "r", "s", volume)
    stage.allocator.charge("third", "b", "s", Resources.parse("disk:100"))
    (grant,) = stage.agent("cpus:1;mem:64")
    assert grant.role == "r"


def test_revive_clears_filters() -> None:
    stage = Stage()
    stage.framework("fw", "a")
    (grant,) = stage.agent("cpus:2;mem:64")
    stage.back(grant, refuse_s=1000)
    stage.allocator.suppress("fw", ["a"])
    assert stage.run() == []
    stage.allocator.revive("fw", ["a"])
    assert who(stage.run()) == ["fw"]


def test_suppressed_roles_get_nothing() -> None:
    stage = Stage()
    stage.framework("fw", "a")
    stage.allocator.suppress("fw", ["a"])
    assert stage.agent("cpus:2;mem:64") == []
    assert stage.allocator.suppressed_roles("fw") == frozenset({"a"})


def test_asking_and_at_once_suppressing_again_gets_nothing() -> None:
    stage = Stage()
    stage.framework("fw", "a")
    (grant,) = stage.agent("cpus:2;mem:64")
    stage.back(grant, refuse_s=1000)
    stage.allocator.suppress("fw", ["a"])
    assert stage.run() == []
    stage.allocator.revive("fw", ["a"])
    stage.allocator.suppress("fw", ["a"])
    assert stage.run() == []


def test_gpu_agents_are_kept_from_who_cannot_use_them() -> None:
    stage = Stage()
    stage.framework("plain", "a")
    assert stage.agent("cpus:1;mem:64;gpus:1") == []
    assert who(stage.framework("gpu", "a", traits=Traits(gpus=True))) == ["gpu"]


def test_weights() -> None:
    stage = Stage()
    stage.allocator.set_weight("heavy", 3.0)
    stage.framework("light", "light")
    stage.framework("heavy", "heavy")
    seen = [who(stage.agent("cpus:1;mem:64"))[0] for _ in range(8)]
    assert seen.count("heavy") == 6


def test_roles_are_forgotten_with_their_last_allocation() -> None:
    stage = Stage()
    stage.framework("fw", "a")
    (grant,) = stage.agent("cpus:1;mem:64")
    stage.allocator.update_framework("fw", ["b"], traits=Traits())
    assert set(stage.allocator.roles()) == {"a", "b"}
    stage.allocator.recover("fw", "a", "s1", grant.resources)
    assert stage.allocator.roles() == ("b",)
    stage.allocator.remove_framework("fw")
    assert stage.allocator.roles() == ()


def test_refuse_seconds() -> None:
    assert refuse_seconds(None) == 5
    assert refuse_seconds(-1) == 5
    assert refuse_seconds(float("nan")) == 5
    assert refuse_seconds(0) == 0
    assert refuse_seconds(1e12) == 31_536_000
