"""Routes of http beside `managedRoutes`: which Argo would multiply, delete, or no longer weigh.

The rules are those of argo-rollouts, rollout/trafficrouting/istio/istio.go (v1.10.1): orderRoutes,
getOrderedVirtualServiceRoutes, RemoveManagedRoutes and getHttpRouteIndexesToPatch.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence

from canarylab.kube.objects import dig, listed
from canarylab.rollouts.traffic_routing import CANARY, ROUTING, managed_routes
from canarylab.rollouts.validation.listed_virtual_service import Listed
from canarylab.rollouts.validation.mistake import Mistake, mistake


def mistakes(this: Listed) -> Iterator[Mistake]:
    """Of a VirtualService whose routes Argo puts in order, besides."""
    yield from multiplied(this)
    if dig(this.rollout, *ROUTING, "managedRoutes") is not None:
        yield from _written(this)
        yield from _no_longer_weighed(this)


def multiplied(this: Listed) -> Iterator[Mistake]:
    """Routes are put in order by name: of two with the same name, or with none, each is found twice.

    Argo does so whenever there is the list `managedRoutes`, be it empty.
    """
    if dig(this.rollout, *ROUTING, "managedRoutes") is None:
        return
    positions: dict[str, list[int]] = defaultdict(list)
    for index, route in this.own():
        positions[dig(route, "name") or ""].append(index)
    for name, alike in positions.items():
        if len(alike) > 1:
            routes = ", ".join(f"http[{index}]" for index in alike)
            found = mistake(
                "routes-multiply", this.entry.place, entry=this.entry.written, routes=routes, count=len(alike),
                alike=f"have the same name, {name}" if name else "have no name", squared=len(alike) ** 2,
                naming=_naming(this, alike, name),
            )  # fmt: skip
            yield this.at(("spec", "http", alike[0]), found)


def _naming(this: Listed, alike: Sequence[int], name: str) -> str:
    """Names that nothing has yet; of several with the same name the first keeps it, since the Rollout may choose it."""
    taken = {dig(route, "name") for route in this.of("http")} | {*managed_routes(this.rollout), *this.entry.routes}
    free = (each for number in itertools.count(1) if (each := f"{name or 'route'}-{number}") not in taken)
    return ", ".join(f"`name: {next(free)}` at http[{index}]" for index in (alike[1:] if name else alike))


def _written(this: Listed) -> Iterator[Mistake]:
    """In the cluster they are Argo's own; in a file somebody wrote them."""
    managed = managed_routes(this.rollout)
    for index, route in enumerate(this.of("http") if this.file else ()):
        if (name := dig(route, "name")) in managed:
            found = mistake("managed-written", this.entry.place, entry=this.entry.written, name=name)
            yield this.at(("spec", "http", index), found)


def _no_longer_weighed(this: Listed) -> Iterator[Mistake]:
    """Without `routes` Argo weighs the only route, whatever its name; beside a second one only one without a name."""
    own = this.own()
    name = dig(own[0][1], "name") if len(own) == 1 else None
    if name and not this.entry.routes and (step := _weighed_beside_managed(this)) is not None:
        yield mistake("named-beside-managed", this.entry.place, entry=this.entry.written, name=name, step=step)


def _weighed_beside_managed(this: Listed) -> int | None:
    """The first step that changes the weight while a route that a step made is there; None where none does."""
    made, weight = set[str](), 0
    for index, step in enumerate(listed(this.rollout, *CANARY, "steps")):
        for kind in ("setHeaderRoute", "setMirrorRoute"):
            if (given := dig(step, kind)) is not None:
                (made.add if dig(given, "match") else made.discard)(str(dig(given, "name")))
        wanted = dig(step, "setWeight")
        if wanted is not None and wanted != weight and made:
            return index
        weight = weight if wanted is None else wanted
    return None
