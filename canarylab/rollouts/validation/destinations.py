"""The destinations of a route that Argo weighs: those it needs, those it takes out, those it would weigh wrongly.

The rules are those of argo-rollouts, rollout/trafficrouting/istio/istio.go (v1.10.1): processRoutes, getHost and
validateVirtualServiceRouteDestinations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.traffic_routing import ISTIO, StableAndCanary, stable_and_canary_services
from canarylab.rollouts.validation.known_objects import Known
from canarylab.rollouts.validation.listed_virtual_service import Listed, ListedRoute, Target, targets
from canarylab.rollouts.validation.mistake import Mistake, mistake

_NAMESPACE_AND_SVC = 2
"""So many parts behind the name, as in `app.shop.svc`, have `svc` at their end, or the host is something outside."""


def mistakes(this: Listed, route: ListedRoute, known: Known) -> Iterator[Mistake]:
    """What is missing, or else the rest: with something missing, Argo refuses the Rollout and touches nothing."""
    if missing := list(_missing(this, route)):
        yield from missing
        return
    yield from _taken_out(this, route)
    yield from _twice(this, route)
    yield from _elsewhere(this, route, known)


def leads_to_both(rollout: Object, route: Any) -> bool:
    """Whether it has a destination for stable and one for the canary."""
    both = StableAndCanary.of(rollout)
    return {both.stable, both.canary} <= _names(both, route)


def _missing(this: Listed, route: ListedRoute) -> Iterator[Mistake]:
    """Argo wants two Services, or two subsets."""
    both = StableAndCanary.of(this.rollout)
    has = " and ".join(map(str, targets(route.spec))) or "no destination"
    for name in (both.stable, both.canary):
        if name in _names(both, route.spec):
            continue
        if route.protocol == "http" or route.is_chosen:
            shown = name or "(no name)"
            yield mistake("no-destination", route.chosen, route=route, by=both.by, name=shown, written=name, has=has)
        else:
            found = mistake(
                "stream-elsewhere", this.entry.place, protocol=route.protocol, route=route, entry=this.entry.written,
                has=has, by=both.by, written=name,
            )  # fmt: skip
            yield this.at(route.place, found)
            return


def _taken_out(this: Listed, route: ListedRoute) -> Iterator[Mistake]:
    """One that has no weight stays: it gets nothing as it is."""
    if this.may_be_an_experiment():
        return
    both = StableAndCanary.of(this.rollout)
    for index, to in enumerate(targets(route.spec)):
        if to.weight and _counts_as(this.rollout, to) is None:
            found = mistake(
                "taken-out", this.entry.place, name=to, weight=to.weight, route=route, entry=this.entry.written,
                by=both.by, stable=both.stable, canary=both.canary,
            )  # fmt: skip
            yield this.at((*route.place, "route", index), found)


def _twice(this: Listed, route: ListedRoute) -> Iterator[Mistake]:
    """Several destinations for one role get the whole of its weight each."""
    for role in ("stable", "canary"):
        names = [str(to) for to in targets(route.spec) if _counts_as(this.rollout, to) == role]
        if len(names) > 1:
            found = mistake(
                "role-twice", this.entry.place, route=route, entry=this.entry.written, role=role,
                names=" and ".join(names),
            )  # fmt: skip
            yield this.at((*route.place, "route"), found)


def _elsewhere(this: Listed, route: ListedRoute, known: Known) -> Iterator[Mistake]:
    """Istio takes a host without a namespace for a Service of the VirtualService's own, and Argo doesn't look."""
    ours, its = dig(this.rollout, "metadata", "namespace"), dig(this.found, "metadata", "namespace")
    for index, to in enumerate(targets(route.spec)):
        _, *behind = to.host.split(".")
        is_service = len(behind) < _NAMESPACE_AND_SVC or behind[1] == "svc"
        namespace = behind[0] if behind else its
        if not is_service or namespace == ours or not _counts_as(this.rollout, to):
            continue
        if known.find("v1", "Service", to.name, namespace) is None:
            found = mistake(
                "other-namespace", this.entry.place, route=route, entry=this.entry.written, host=to.host, name=to.name,
                namespace=namespace, ours=ours,
            )  # fmt: skip
            yield this.at((*route.place, "route", index), found)


def _names(both: StableAndCanary, route: Any) -> set[str]:
    """By which Argo looks whether both are there: its destinations' Services, or their subsets."""
    return {to.subset if both.by == "subset" else to.name for to in targets(route)} - {""}


def _counts_as(rollout: Object, to: Target) -> str | None:
    """What Argo weighs it as: stable, canary, or "" for what it leaves alone; None for what it takes out."""
    stable, canary = stable_and_canary_services(rollout)
    rule = dig(rollout, *ISTIO, "destinationRule")
    if not to.name:
        return ""
    if to.name == canary or (to.subset and to.subset == dig(rule, "canarySubsetName")):
        return "canary"
    if to.name == stable or (to.subset and to.subset == dig(rule, "stableSubsetName")):
        return "stable"
    return "" if to.subset in listed(rule, "additionalSubsetNames") else None
