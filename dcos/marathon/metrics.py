"""What Marathon counts, under upstream's names: as Dropwizard's JSON and as Prometheus text.

A gauge is read when asked for; counters and timers are noted as things happen. Timers are of the last ``KEPT`` values.
Source: Marathon's metrics documentation.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from dcos.marathon.core import effects
from dcos.marathon.core.state import State
from dcos.model.marathon_state import Condition
from dcos.model.schedulers import Send
from dcos.model.v1.scheduler import CallType
from dcos.model.v1.types import OfferOperationType

Json = dict[str, Any]
KEPT = 1024
_STAGED = (Condition.PROVISIONED, Condition.STAGING, Condition.STARTING)
_QUANTILES = (("p50", 0.5), ("p75", 0.75), ("p95", 0.95), ("p98", 0.98), ("p99", 0.99), ("p999", 0.999))
_CALLS = {CallType.REVIVE: "marathon.mesos.calls.revive", CallType.SUPPRESS: "marathon.mesos.calls.suppress"}
_OPERATIONS = {
    OfferOperationType.LAUNCH: "marathon.mesos.offer-operations.launch",
    OfferOperationType.LAUNCH_GROUP: "marathon.mesos.offer-operations.launch-group",
    OfferOperationType.RESERVE: "marathon.mesos.offer-operations.reserve",
}
_EVENTS = {"deployment_success": "marathon.deployments", "deployment_failed": "marathon.deployments.dismissed"}
_COUNTED = (
    *_CALLS.values(),
    *_OPERATIONS.values(),
    *_EVENTS.values(),
    "marathon.mesos.offers.declined",
    "marathon.mesos.offers.used",
    "marathon.instances.launched",
)


class Metrics:
    """``now``: monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._began = now()
        self._led_since: float | None = None
        self._state: State | None = None
        self.counters: Counter[str] = Counter(dict.fromkeys(_COUNTED, 0))
        self.timers: dict[str, deque[float]] = {}
        self.timed: Counter[str] = Counter()
        self.active_requests = 0
        self.event_streams: Callable[[], int] = int

    # ---- what happens ----

    def leads(self, state: State | None) -> None:
        """This instance leads with ``state``, or no more."""
        self._state = state
        self._led_since = self.now() if state is not None else None

    def decided(self, effect: effects.Effect) -> None:
        match effect:
            case Send(call):
                if call.type in _CALLS:
                    self.counters[_CALLS[call.type]] += 1
                if call.decline is not None:
                    self.counters["marathon.mesos.offers.declined"] += len(call.decline.offer_ids)
                if call.accept is not None:
                    self.counters["marathon.mesos.offers.used"] += len(call.accept.offer_ids)
                    for operation in call.accept.operations:
                        if operation.type in _OPERATIONS:
                            self.counters[_OPERATIONS[operation.type]] += 1
                        launched = len(operation.launch.task_infos) if operation.launch else 0
                        self.counters["marathon.instances.launched"] += launched or bool(operation.launch_group)
            case effects.Publish(kind) if kind in _EVENTS:
                self.counters[_EVENTS[kind]] += 1
            case _:
                pass

    def answered(self, method: str, status: int, seconds: float, size: int) -> None:
        """An HTTP request was answered."""
        name = f"marathon.http.requests.{method.lower()}"
        self.timers.setdefault(name, deque(maxlen=KEPT)).append(seconds)
        self.timed[name] += 1
        self.counters[f"marathon.http.responses.{status // 100}xx"] += 1
        self.counters["marathon.http.responses.size.bytes"] += size

    # ---- what is told ----

    def gauges(self) -> dict[str, float]:
        """Values by name without ``.gauge``."""
        now = self.now()
        made: dict[str, float] = {
            "marathon.uptime.seconds": now - self._began,
            "marathon.leadership.leading": int(self._state is not None),
            "marathon.http.requests.active": self.active_requests,
            "marathon.http.event-streams.active": self.event_streams(),
        }
        state = self._state
        if state is None or self._led_since is None:
            return made
        return made | {
            "marathon.leadership.duration.seconds": now - self._led_since,
            "marathon.apps.active": len(state.apps),
            "marathon.pods.active": len(state.pods),
            "marathon.groups.active": len(state.groups),
            "marathon.deployments.active": len(state.deployments),
            "marathon.instances.running": state.conditions[Condition.RUNNING],
            "marathon.instances.staged": sum(state.conditions[one] for one in _STAGED),
            "marathon.instances.inflight-kills": len(state.kill_sent),
            "marathon.instances.launch-queue": state.queue.launches,
        }

    def json(self) -> Json:
        """Dropwizard's."""
        gauges = {_unit(name, "gauge"): {"value": value} for name, value in self.gauges().items()}
        counters = {_unit(name, "counter"): {"count": value} for name, value in self.counters.items()}
        timers = {f"{name}.timer.seconds": self._timer(name) for name in self.timers}
        return {
            "version": "4.0.0",
            "gauges": gauges,
            "counters": counters,
            "histograms": {},
            "meters": {},
            "timers": timers,
        }

    def _timer(self, name: str) -> Json:
        values = sorted(self.timers[name])
        mean = sum(values) / len(values)
        rate = self.timed[name] / max(1e-9, self.now() - self._began)
        return {
            "count": self.timed[name],
            "max": values[-1],
            "mean": mean,
            "min": values[0],
            **{word: _quantile(values, share) for word, share in _QUANTILES},
            "stddev": math.sqrt(max(0.0, sum(one * one for one in values) / len(values) - mean * mean)),
            "mean_rate": rate,
            "duration_units": "seconds",
            "rate_units": "calls/second",
        }

    def text(self) -> bytes:
        """Prometheus's."""
        registry = CollectorRegistry()
        registry.register(_Told(self))
        return generate_latest(registry)


class _Told(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        metrics = self._metrics
        for name, value in metrics.gauges().items():
            yield GaugeMetricFamily(_flat(name), f"{name} of Marathon", value=value)
        for name, count in metrics.counters.items():
            yield CounterMetricFamily(_flat(name), f"{name} of Marathon", value=count)
        for name, values in metrics.timers.items():
            yield SummaryMetricFamily(
                f"{_flat(name)}_seconds",
                f"{name} of Marathon",
                count_value=metrics.timed[name],
                sum_value=sum(values) / len(values) * metrics.timed[name],
            )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _unit(name: str, kind: str) -> str:
    """``marathon.uptime.gauge.seconds``: the unit comes last."""
    for unit in (".seconds", ".bytes"):
        if name.endswith(unit):
            return f"{name.removesuffix(unit)}.{kind}{unit}"
    return f"{name}.{kind}"


def _flat(name: str) -> str:
    return name.replace(".", "_").replace("-", "_")
