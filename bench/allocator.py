"""What deciding costs, without a master around it: ``python -m bench.allocator``.

A full round over all agents, the round after everybody declined for a minute, and single declines; by number of frameworks and
roles, with reservations on every agent, random order, and quota. Seconds of one core.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from dcos.master.core.allocator import Allocator, Grant
from dcos.master.core.clients import Traits
from dcos.master.core.quota_account import Quota
from dcos.model.resources import Resources

AGENT = "cpus:32;mem:131072;disk:1000000;ports:[1025-32000]"
REFERENCE = "full allocation for 1,000 frameworks: 1.1 s (Mesos 1.8, published)"


def back(allocator: Allocator, grant: Grant) -> None:
    allocator.recover(grant.framework, grant.role, grant.agent, grant.resources, refuse_s=60, now=1.0, offered=True)


def measure(
    agents: int,
    frameworks: int,
    roles: int,
    *,
    shuffled: bool = False,
    reserved: bool = False,
    quotas: Mapping[str, Quota] | None = None,
) -> None:
    draw = random.Random(1).random
    allocator = Allocator(
        enough=({"cpus": 10}, {"mem": 32_000}), random_roles=shuffled, random_frameworks=shuffled, draw=draw
    )
    allocator.set_quotas(quotas or {})
    total = Resources.parse(AGENT + (";cpus(r1):2" if reserved else ""))
    for number in range(agents):
        allocator.add_agent(f"s{number}", total)
    for number in range(frameworks):
        allocator.add_framework(f"f{number}", [f"r{number % roles}"], traits=Traits())
    begin = time.process_time()
    grants = allocator.run(1.0)
    whole = time.process_time() - begin
    begin = time.process_time()
    for grant in grants:
        back(allocator, grant)
    grants = allocator.run(1.0)
    again = time.process_time() - begin
    begin = time.process_time()
    for grant in grants[:300]:
        back(allocator, grant)
        allocator.run(1.0)
    single = (time.process_time() - begin) / max(1, len(grants[:300]))
    kind = " ".join(
        word
        for word, on in (("random", shuffled), ("reserved", reserved), (f"{len(quotas or {})} quotas", quotas))
        if on
    )
    print(
        f"{agents:6} agents {frameworks:5} frameworks {roles:5} roles {kind:20} "
        f"all {whole:6.2f} s   declined {again:6.2f} s   one decline {single * 1e6:7.0f} us"
    )


def main() -> None:
    print(REFERENCE)
    measure(1_000, 1_000, 1_000)
    measure(10_000, 1_000, 1_000)
    measure(10_000, 1_000, 10)
    measure(1_000, 1_000, 500, shuffled=True)
    measure(10_000, 200, 100, reserved=True)
    guarantee = {"cpus": 1_000_000, "mem": 4_000_000_000}
    measure(
        10_000, 200, 100, quotas={f"r{n}": Quota(guarantees=guarantee, limits={"cpus": 3_000_000}) for n in range(20)}
    )
    measure(10_000, 200, 100, quotas={f"r{n}": Quota(limits={"cpus": 1_000_000}) for n in range(100)})


if __name__ == "__main__":
    main()
