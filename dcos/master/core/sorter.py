"""Who is next: dominant resource fairness over a tree of clients.

Roles form a tree by their path components; every node has a weight, the sum of what its subtree holds, and a share: the
largest fraction of any scalar of the cluster that it holds, divided by its weight. ``order`` walks the tree depth first,
children by share, then by how often they were allocated to, then by path. A role that has sub-roles competes with them as
the child ``.`` of its own node. Frameworks of one role use the same tree, one level deep.

The children of a node stay sorted: an allocation re-places one node per level. A change of the cluster's totals marks
everything for one re-sort at the next ``order``.

Source: Ghodsi et al., "Dominant Resource Fairness" (NSDI 2011); order and ties as Mesos's DRF sorter.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping

from dcos.model.resources import Resources

VIRTUAL = "."


class Totals:
    """Scalars of the whole cluster (thousandths by name), shared by all sorters."""

    __slots__ = ("amounts", "excluded", "revocable", "version")

    def __init__(self, excluded: frozenset[str] = frozenset()) -> None:
        self.amounts: dict[str, int] = {}
        self.revocable: dict[str, int] = {}
        """What of them is revocable."""
        self.excluded = excluded
        """Names left out of shares (``--fair_sharing_excluded_resource_names``)."""
        self.version = 0

    def add(self, resources: Resources, sign: int = 1) -> None:
        self._count(self.amounts, resources, sign)
        if revocable := resources.revocable():
            self._count(self.revocable, revocable, sign)
        self.version += 1

    @staticmethod
    def _count(amounts: dict[str, int], resources: Resources, sign: int) -> None:
        for name, amount in resources.scalar_quantities().items():
            left = amounts.get(name, 0) + sign * amount
            if left > 0:
                amounts[name] = left
            else:
                amounts.pop(name, None)

    def share(self, held: Mapping[str, int]) -> float:
        """The dominant share of ``held``."""
        best = 0.0
        for name, amount in held.items():
            total = self.amounts.get(name)
            if total and name not in self.excluded and amount / total > best:
                best = amount / total
        return best


class _Node:
    __slots__ = ("active", "by_name", "children", "count", "held", "key", "leaf", "name", "parent", "path", "weight")

    def __init__(self, name: str, path: str, parent: _Node | None, weight: float, leaf: bool) -> None:
        self.name = name
        self.path = path
        self.parent = parent
        self.weight = weight
        self.leaf = leaf
        self.active = False
        self.count = 0
        self.held: dict[str, int] = {}
        self.by_name: dict[str, _Node] = {}
        self.children: list[tuple[float, int, str, _Node]] = []
        """Sorted; a path is unique, so that nodes themselves are never compared."""
        self.key: tuple[float, int, str] = (0.0, 0, path)

    def hold(self, amounts: Mapping[str, int], sign: int) -> None:
        held = self.held
        for name, amount in amounts.items():
            left = held.get(name, 0) + sign * amount
            if left > 0:
                held[name] = left
            else:
                held.pop(name, None)

    @property
    def client(self) -> str:
        return self.path.removesuffix("/" + VIRTUAL) if self.name == VIRTUAL else self.path


class Sorter:
    """Clients (``a/b/c`` paths) in the order in which they should be offered to."""

    def __init__(self, totals: Totals, weights: Mapping[str, float] | None = None) -> None:
        self._totals = totals
        self._weights: dict[str, float] = dict(weights or {})
        self._root = _Node("", "", None, 1.0, leaf=False)
        self._leaves: dict[str, _Node] = {}
        self._seen = totals.version
        self._order: list[str] | None = None
        self._changes = 0
        """How often an order was outdated."""

    def __contains__(self, client: str) -> bool:
        return client in self._leaves

    def __len__(self) -> int:
        return len(self._leaves)

    def clients(self) -> Iterable[str]:
        """All of them, in no order."""
        return self._leaves

    def add(self, client: str) -> None:
        """A new, inactive client."""
        node = self._root
        for name in client.split("/"):
            if node.leaf:
                self._open(node)
            node = node.by_name.get(name) or self._attach(node, name, leaf=False)
        if node.children or node.by_name:
            node = self._attach(node, VIRTUAL, leaf=True)
        else:
            node.leaf = True
        self._leaves[client] = node

    def _attach(self, parent: _Node, name: str, *, leaf: bool) -> _Node:
        self._outdated()
        path = f"{parent.path}/{name}" if parent.path else name
        node = _Node(name, path, parent, 1.0 if name == VIRTUAL else self._weights.get(path, 1.0), leaf)
        parent.by_name[name] = node
        insort(parent.children, (*node.key, node))
        return node

    def _open(self, node: _Node) -> None:
        """A leaf becomes an inner node that holds itself as its child ``.``."""
        node.leaf = False
        child = self._attach(node, VIRTUAL, leaf=True)
        child.active, child.count, child.held = node.active, node.count, dict(node.held)
        node.active = False
        self._leaves[node.path] = child
        self._place(child)

    def remove(self, client: str) -> None:
        """Forget a client, what it holds and how often it was allocated to."""
        self._outdated()
        leaf = self._leaves.pop(client)
        held = dict(leaf.held)
        node: _Node | None = leaf
        while node is not None and node.parent is not None:
            node.hold(held, -1)
            parent = node.parent
            if node is leaf or not node.by_name:
                self._detach(node)
            else:
                only = node.by_name.get(VIRTUAL)
                if only is not None and len(node.by_name) == 1:
                    self._close(node, only)
                self._place(node)
            node = parent

    def _close(self, node: _Node, only: _Node) -> None:
        """The reverse of ``_open``, when the last sub-role went."""
        node.leaf, node.active, node.count = True, only.active, only.count
        node.by_name.clear()
        node.children.clear()
        self._leaves[node.path] = node

    def _detach(self, node: _Node) -> None:
        assert node.parent is not None
        siblings = node.parent.children
        del siblings[bisect_left(siblings, node.key)]
        del node.parent.by_name[node.name]

    def activate(self, client: str) -> None:
        self._outdated()
        self._leaves[client].active = True

    def deactivate(self, client: str) -> None:
        """Not listed any more, but what it holds still counts."""
        self._outdated()
        self._leaves[client].active = False

    def is_active(self, client: str) -> bool:
        return self._leaves[client].active

    def allocated(self, client: str, amounts: Mapping[str, int]) -> None:
        """``amounts``: scalar thousandths by name."""
        node: _Node | None = self._leaves[client]
        while node is not None and node.parent is not None:
            node.hold(amounts, 1)
            node.count += 1
            self._place(node)
            node = node.parent

    def unallocated(self, client: str, amounts: Mapping[str, int]) -> None:
        node: _Node | None = self._leaves[client]
        while node is not None and node.parent is not None:
            node.hold(amounts, -1)
            self._place(node)
            node = node.parent

    def set_weight(self, path: str, weight: float) -> None:
        self._weights[path] = weight
        node = self._root
        for name in path.split("/"):
            found = node.by_name.get(name)
            if found is None:
                return
            node = found
        node.weight = weight
        self._outdated()
        self._place(node)

    def share(self, client: str) -> float:
        """Dominant share, weight not applied."""
        return self._totals.share(self._leaves[client].held)

    def order(self) -> list[str]:
        """Active clients, the one to serve first in front. The list is not to be changed."""
        if self._seen != self._totals.version:
            self._seen = self._totals.version
            self._sort_all(self._root)
            self._outdated()
        if self._order is None:
            self._order = list(self._walk(self._root))
        return self._order

    def each(self) -> Iterable[str]:
        """As ``order``, but worked out only as far as it is asked for: most walks end with the first few clients.

        Changes meanwhile do no harm: each level of the tree is taken as it was when it was reached.
        """
        if self._seen != self._totals.version or self._order is not None:
            return self.order()
        return self._each()

    def _each(self) -> Iterator[str]:
        began, walked = self._changes, []
        for client in self._walk(self._root):
            walked.append(client)
            yield client
        if began == self._changes:
            self._order = walked

    def _outdated(self) -> None:
        self._order = None
        self._changes += 1

    def _walk(self, node: _Node) -> Iterator[str]:
        for entry in node.children.copy():
            child = entry[3]
            if child.leaf:
                if child.active:
                    yield child.client
            else:
                yield from self._walk(child)

    def _key(self, node: _Node) -> tuple[float, int, str]:
        return self._totals.share(node.held) / node.weight, node.count, node.path

    def _place(self, node: _Node) -> None:
        parent = node.parent
        assert parent is not None
        if self._seen != self._totals.version:
            return
        key = self._key(node)
        if key != node.key:
            siblings = parent.children
            del siblings[bisect_left(siblings, node.key)]
            self._outdated()
            node.key = key
            insort(siblings, (*key, node))

    def _sort_all(self, node: _Node) -> None:
        for child in node.by_name.values():
            child.key = self._key(child)
            self._sort_all(child)
        node.children = sorted((*child.key, child) for child in node.by_name.values())


class RandomSorter(Sorter):
    """Clients in an order drawn anew each time: the next is drawn from those left with the chance of its weight.

    In a tree the weight of a leaf is the product along its path of the node's part among those siblings that have active
    leaves. What clients hold does not matter.   ``draw``: uniform numbers in [0, 1).

    Source: Mesos ``--role_sorter=random``.
    """

    def __init__(
        self, totals: Totals, weights: Mapping[str, float] | None = None, *, draw: Callable[[], float]
    ) -> None:
        super().__init__(totals, weights)
        self._draw = draw
        self._parts: list[tuple[str, float]] | None = None

    def order(self) -> list[str]:
        if self._order is None or self._parts is None:
            self._parts, self._order = [], []
            self._divide(self._root, 1.0, self._parts)
        # Each arrives after an exponential time with its part as rate (Efraimidis and Spirakis).
        keyed = [(-math.log1p(-self._draw()) / part, client) for client, part in self._parts]
        keyed.sort()
        return [client for _, client in keyed]

    def each(self) -> Iterable[str]:
        return self.order()

    def _divide(self, node: _Node, part: float, out: list[tuple[str, float]]) -> None:
        """Add the active leaves below ``node``."""
        alive = [child for child in node.by_name.values() if self._alive(child)]
        total = sum(child.weight for child in alive)
        for child in alive:
            share = max(part * child.weight / total, sys.float_info.min)
            if child.leaf:
                out.append((child.client, share))
            else:
                self._divide(child, share, out)

    def _alive(self, node: _Node) -> bool:
        return node.active if node.leaf else any(self._alive(child) for child in node.by_name.values())

    def _place(self, node: _Node) -> None:
        """Shares do not order anything here."""
