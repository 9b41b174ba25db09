"""What matching costs Marathon's loop: ``python -m bench.marathon_matching [offers] [apps]``.

No sockets and no ZooKeeper: so many offers at once meet so many waiting apps in the core. Per scene: CPU time of it all, the
number of slices and the longest one (what everything else of the loop waits for at most), and what came of it.
"""

from __future__ import annotations

import gc
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from dcos.marathon.core import effects, events, normalize
from dcos.marathon.core.normalize import Defaults
from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings, State
from dcos.model.marathon import App
from dcos.model.resources import Resources
from dcos.model.schedulers import Outcome
from dcos.model.v1 import types as v1
from dcos.runtime import heap

MOST_S = 10.0
"""A scene is cut off then. In service an offer waits for ``offer_matching_timeout`` at most, 3 s unless set."""
NOW = 1_700_000_000.0
VERSION = "2023-11-14T00:00:00.000Z"
ROOMY = "cpus:16;mem:65536;disk:100000;ports:[31000-31999]"
SETTINGS = CoreSettings(
    role="web",
    defaults=Defaults(role="web"),
    min_revive_interval_s=0.0,
    launch_tokens=10**9,
    offer_matching_timeout_s=1e9,
)


@dataclass
class Run:
    """One core, its clock standing still."""

    core: Scheduler
    slices: list[float] = field(default_factory=list)
    launched: int = 0
    declined: int = 0
    more: bool = False

    def tell(self, event: Any, *, measured: bool = False) -> None:
        begin = time.process_time()
        outcome = self.core.handle(event, NOW)
        if measured:
            self.slices.append(time.process_time() - begin)
        self._count(outcome)

    def _count(self, outcome: Outcome[Any]) -> None:
        self.more = any(isinstance(one, effects.MatchMore) for one in outcome.effects)
        for effect in outcome.effects:
            call = effect.call if isinstance(effect, effects.Send) else None
            if call is not None and call.decline is not None:
                self.declined += len(call.decline.offer_ids)
            for operation in call.accept.operations if call is not None and call.accept is not None else ():
                self.launched += len(operation.launch.task_infos) if operation.launch is not None else 0


def fresh() -> Iterator[str]:
    while True:
        yield str(uuid.uuid4())


def offer(number: int, resources: tuple[v1.Resource, ...]) -> v1.Offer:
    rack = v1.Attribute(name="rack", type=v1.ValueType.TEXT, text=v1.ValueText(value=f"r{number % 100}"))
    return v1.Offer(
        id=v1.OfferID(value=f"O{number}"),
        framework_id=v1.FrameworkID(value="F"),
        agent_id=v1.AgentID(value=f"S{number}"),
        hostname=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
        resources=resources,
        attributes=(rack,),
        allocation_info=v1.ResourceAllocationInfo(role="web"),
    )


Body = dict[str, Any]


def app(number: int, **more: Any) -> Body:
    return {"id": f"/g{number % 100}/a{number}", "cmd": "run", "cpus": 0.1, "mem": 32, **more}


SCENES: dict[str, tuple[str, Callable[[int], Body]]] = {
    "alike: all fit": (ROOMY, lambda number: app(number)),
    "alike: none fits": (ROOMY, lambda number: app(number, cpus=17)),
    "every demand another, all fit": (ROOMY, lambda number: app(number, mem=32 + number / 1000)),
    "every demand another, too many cpus": (ROOMY, lambda number: app(number, cpus=17 + number / 1000)),
    "every demand another, too much memory": (ROOMY, lambda number: app(number, mem=70000 + number)),
    "hostname UNIQUE, 2 instances each": (
        ROOMY,
        lambda number: app(number, instances=2, constraints=[["hostname", "UNIQUE"]]),
    ),
    "rack GROUP_BY 4, 4 instances each": (
        ROOMY,
        lambda number: app(number, instances=4, constraints=[["rack", "GROUP_BY", "4"]]),
    ),
    "rack LIKE nothing, every pattern another": (
        ROOMY,
        lambda number: app(number, constraints=[["rack", "LIKE", f"x{number}"]]),
    ),
}


def scene(name: str, offers: int, apps: int) -> None:
    text, make = SCENES[name]
    state = State()
    for number in range(apps):
        given = msgspec.convert({**make(number), "portDefinitions": [{"port": 10000}]}, App)
        spec = replace(normalize.canonical(given, SETTINGS.defaults), version=VERSION)
        state.want(spec)
        state.specs[spec.id, VERSION] = spec
        state.versions[spec.id] = [VERSION]
    run = Run(Scheduler(state, SETTINGS, fresh()))
    run.core.start(NOW)
    run.tell(events.Subscribed("F", "m"))
    resources = Resources.parse(text).messages("web")
    received = tuple(offer(number, resources) for number in range(offers))
    gc.collect()
    run.tell(events.OffersReceived(received), measured=True)
    while run.more and sum(run.slices) < MOST_S:
        run.tell(events.MatchMore(), measured=True)
    left = len(run.core.state.offers)
    print(
        f"{name:44} {sum(run.slices):7.2f} s {len(run.slices):6} slices {max(run.slices) * 1e3:7.1f} ms longest"
        f" {run.launched:6} launched {run.declined:6} declined" + (f" {left} offers left" if left else "")
    )


def main() -> None:
    heap.freeze_survivors()  # as the service does
    offers, apps = (int(one) for one in (sys.argv[1:3] if len(sys.argv) > 2 else ("10000", "10000")))
    print(f"{offers} offers at once, {apps} waiting apps; CPU time of the core")
    for name in SCENES:
        scene(name, offers, apps)


if __name__ == "__main__":
    main()
