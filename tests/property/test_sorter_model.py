"""The sorter, which re-places one node a level at each change, against one that computes everything anew."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcos.master.core.sorter import Sorter, Totals
from dcos.model.resources import Resources

CLIENTS = ["a", "b", "a/b", "a/c", "a/b/d", "e/f/g", "b/c"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "on", "off", "give", "take", "weigh", "grow", "shrink"]),
        st.sampled_from(CLIENTS),
        st.integers(1, 9),
    ),
    max_size=60,
)


class Model:
    """Holdings, counts and weights by path; the order from scratch."""

    def __init__(self) -> None:
        self.totals = {"cpus": 100_000, "mem": 100_000}
        self.active: dict[str, bool] = {}
        self.given: dict[str, list[dict[str, int]]] = {}
        self.held: dict[str, dict[str, int]] = {}
        self.counts: dict[str, int] = {}
        self.weights: dict[str, float] = {}

    def share(self, clients: list[str]) -> float:
        best = 0.0
        for name, total in self.totals.items():
            held = sum(self.held[client].get(name, 0) for client in clients)
            if total:
                best = max(best, held / total)
        return best

    def order(self, prefix: str = "") -> list[str]:
        below = [client for client in self.active if client == prefix or client.startswith(prefix + "/") or not prefix]
        groups: dict[str, list[str]] = {}
        for client in below:
            rest = client.removeprefix(prefix).lstrip("/") if prefix else client
            groups.setdefault(rest.partition("/")[0] or ".", []).append(client)
        keyed = []
        for name, clients in groups.items():
            path = f"{prefix}/{name}" if prefix else name
            weight = 1.0 if name == "." else self.weights.get(path, 1.0)
            keyed.append((self.share(clients) / weight, path, name, clients))
        out = []
        for _, path, name, clients in sorted(keyed):
            if name == "." or clients == [path]:
                out += [client for client in clients if self.active[client]]
            else:
                out += self.order(path)
        return out


@given(STEPS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_is_that_of_the_shares(steps: list[tuple[str, str, int]]) -> None:
    """Ties are left out of the comparison: they depend on how often clients were given to."""
    totals = Totals()
    totals.add(Resources.parse("cpus:100;mem:100"))
    sorter, model = Sorter(totals), Model()
    for what, client, number in steps:
        known = client in model.active
        amounts = {"cpus": number * 1000, "mem": (10 - number) * 777}
        if what == "add" and not known:
            sorter.add(client)
            sorter.activate(client)
            model.active[client], model.held[client], model.given[client] = True, {}, []
        elif what == "remove" and known:
            sorter.remove(client)
            del model.active[client], model.held[client], model.given[client]
        elif what in ("on", "off") and known:
            (sorter.activate if what == "on" else sorter.deactivate)(client)
            model.active[client] = what == "on"
        elif what == "give" and known:
            sorter.allocated(client, amounts)
            model.given[client].append(amounts)
            _add(model.held[client], amounts, 1)
        elif what == "take" and known and model.given[client]:
            back = model.given[client].pop()
            sorter.unallocated(client, back)
            _add(model.held[client], back, -1)
        elif what == "weigh":
            sorter.set_weight(client, float(number))
            model.weights[client] = float(number)
        elif what == "grow":
            totals.add(Resources.parse("cpus:7"))
            model.totals["cpus"] += 7000
        elif what == "shrink" and model.totals["cpus"] > 50_000:
            totals.add(Resources.parse("cpus:7"), -1)
            model.totals["cpus"] -= 7000
        found = sorter.order()
        assert sorted(found) == sorted(one for one, active in model.active.items() if active)
        for one in model.active:
            assert sorter.share(one) == model.share([one])
        if _distinct(model):
            assert found == model.order()


def _add(to: dict[str, int], amounts: dict[str, int], sign: int) -> None:
    for name, amount in amounts.items():
        to[name] = to.get(name, 0) + sign * amount


def _distinct(model: Model) -> bool:
    """Whether no two siblings tie."""
    paths = {"/".join(client.split("/")[:length]) for client in model.active for length in range(1, 5)}
    shares: dict[str, list[float]] = {}
    for path in paths:
        clients = [one for one in model.active if one == path or one.startswith(path + "/")]
        shares.setdefault(path.rpartition("/")[0], []).append(model.share(clients) / model.weights.get(path, 1.0))
        if path in model.active and clients != [path]:
            shares.setdefault(path, []).append(model.share([path]))
    return all(len(set(found)) == len(found) for found in shares.values())
