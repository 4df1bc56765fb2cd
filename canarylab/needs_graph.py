"""Questions about a graph of needs: which name needs which others.

A graph is a mapping from each name to what it needs. A need that is no key of the mapping is outside the graph: it
counts as met. Every function is pure and goes on without recursion, however long the chains are.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

Needs = Mapping[str, Sequence[str]]


def find_cycle(needs: Needs) -> list[str] | None:
    """A chain of needs that ends where it begins, such as a, b, a where a needs b and b needs a; None if there is none.

    It begins with the name that comes first in the mapping, of those that are part of it.
    """
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1][:0:-1]  # graphlib puts what is needed first, and repeats it at the end
        position = {name: index for index, name in enumerate(needs)}
        start = ring.index(min(ring, key=position.__getitem__))
        return [*ring[start:], *ring[:start], ring[start]]
    return None


def order(needs: Needs) -> list[str]:
    """Every name after all that it needs; otherwise as in the mapping. Raises ValueError if there is a cycle."""
    position = {name: index for index, name in enumerate(needs)}
    sorter = TopologicalSorter(_inside(needs))
    sorter.prepare()
    ready: list[tuple[int, str]] = []
    ordered: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, (position[name], name))
        _, name = heapq.heappop(ready)
        ordered.append(name)
        sorter.done(name)
    return ordered


def with_needs(needs: Needs, names: Iterable[str]) -> set[str]:
    """The names and everything they need, also by way of others. Raises KeyError for a name outside the graph."""
    return _reach(_inside(needs), names)


def dependents(needs: Needs, names: Iterable[str]) -> set[str]:
    """The names and everything that needs them, also by way of others. Raises KeyError for a name outside the graph."""
    needed_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, needed in _inside(needs).items():
        for need in needed:
            needed_by[need].append(name)
    return _reach(needed_by, names)


def critical_path(needs: Needs, seconds: Mapping[str, float]) -> tuple[list[str], float]:
    """The chain of needs with the largest sum of seconds, first to last, and that sum: no run can be shorter.

    A name without seconds counts as 0. Raises ValueError if there is a cycle.
    """
    inside = _inside(needs)
    finish: dict[str, float] = {}
    slowest_need: dict[str, str | None] = {}
    for name in order(needs):
        slowest_need[name] = max(inside[name], key=finish.__getitem__, default=None)
        finish[name] = seconds.get(name, 0.0) + max((finish[need] for need in inside[name]), default=0.0)
    chain: list[str] = []
    last = max(finish, key=finish.__getitem__, default=None)
    while last is not None:
        chain.append(last)
        last = slowest_need[last]
    return chain[::-1], max(finish.values(), default=0.0)


def _inside(needs: Needs) -> dict[str, list[str]]:
    return {name: [need for need in needed if need in needs] for name, needed in needs.items()}


def _reach(edges: Needs, names: Iterable[str]) -> set[str]:
    reached: set[str] = set()
    to_visit = list(names)
    while to_visit:
        name = to_visit.pop()
        if name not in reached:
            reached.add(name)
            to_visit.extend(edges[name])
    return reached
