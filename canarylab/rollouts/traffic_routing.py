"""What a Rollout says of its traffic: which names mean stable and canary, and the objects that Argo is to write. Pure.

https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from canarylab.kube.objects import Object, dig, listed
from canarylab.yamlfile.problems import Place

CANARY = ("spec", "strategy", "canary")
ROUTING = (*CANARY, "trafficRouting")
ISTIO = (*ROUTING, "istio")

_BLUE_GREEN = ("spec", "strategy", "blueGreen")
_SERVICES: Sequence[tuple[str, ...]] = (
    (*CANARY, "canaryService"),
    (*CANARY, "stableService"),
    (*CANARY, "pingPong", "pingService"),
    (*CANARY, "pingPong", "pongService"),
    (*_BLUE_GREEN, "activeService"),
    (*_BLUE_GREEN, "previewService"),
)

_PLUGIN = "argoproj-labs/gatewayAPI"
"""Argo's plugin for the Gateway API: https://github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi"""
_ALL = 100


@dataclass(frozen=True)
class StableAndCanary:
    """By which names a route means stable and canary: two Services, or two subsets of whichever Service."""

    by: Literal["Service", "subset"]
    stable: str
    canary: str

    @classmethod
    def of(cls, rollout: Object) -> StableAndCanary:
        """As the Rollout names them: by subsets if it has a destinationRule, else by Services, pingPong's included."""
        rule = dig(rollout, *ISTIO, "destinationRule")
        if rule is not None:
            return cls("subset", dig(rule, "stableSubsetName") or "", dig(rule, "canarySubsetName") or "")
        return cls("Service", *stable_and_canary_services(rollout))

    def role(self, service: str, subset: str) -> Literal["stable", "canary", ""]:
        """Which of the two a destination means; "" if neither. Of the host Argo, too, looks at the Service alone."""
        name = subset if self.by == "subset" else service
        if not name:
            return ""
        return "stable" if name == self.stable else "canary" if name == self.canary else ""


def stable_and_canary_services(rollout: Object) -> tuple[str, str]:
    """Their names, "" where the Rollout names none; those of pingPong where it has these alone."""
    canary = dig(rollout, *CANARY)
    stable, new = (dig(canary, key) or "" for key in ("stableService", "canaryService"))
    if stable or new:  # Argo refuses both kinds of Services together, and looks at these first
        return stable, new
    ping, pong = (dig(canary, "pingPong", key) or "" for key in ("pingService", "pongService"))
    return (pong, ping) if dig(rollout, "status", "canary", "stablePingPong") == "pong" else (ping, pong)


@dataclass(frozen=True)
class ListedVirtualService:
    """One that the Rollout lists: `place` is the entry's in the Rollout, `written` how it names it.

    `namespace` is the Rollout's own where it is written without one.
    """

    place: Place
    written: str
    name: str
    namespace: str | None
    routes: Sequence[str]
    tls_routes: Sequence[Mapping[str, Any]]
    tcp_routes: Sequence[Mapping[str, Any]]


def listed_virtual_services(rollout: Object) -> list[ListedVirtualService]:
    """Those under `virtualServices`, then the one under `virtualService`."""
    several = listed(rollout, *ISTIO, "virtualServices")
    entries: list[tuple[Place, Any]] = [((*ISTIO, "virtualServices", index), one) for index, one in enumerate(several)]
    if single := dig(rollout, *ISTIO, "virtualService"):
        entries.append(((*ISTIO, "virtualService"), single))
    return [_listed(rollout, place, entry) for place, entry in entries if isinstance(dig(entry, "name"), str)]


def _listed(rollout: Object, place: Place, entry: Any) -> ListedVirtualService:
    """`name` or `name.namespace`: what is behind the last period is a namespace, so a name with a period needs one.

    As argo-rollouts v1.10.1 has it (utils/istio/istio.go, GetVirtualServiceNamespaceName); a name as DNS has it, with
    `svc`, isn't understood there.
    """
    written = entry["name"].removesuffix(".cluster.local")
    before, _, behind = written.rpartition(".")
    name, namespace = (before, behind) if before else (written, dig(rollout, "metadata", "namespace"))
    return ListedVirtualService(
        place, entry["name"], name, namespace, *(listed(entry, key) for key in ("routes", "tlsRoutes", "tcpRoutes"))
    )


def listed_http_routes(rollout: Object) -> list[tuple[str, str | None]]:
    """Name and namespace of those that Argo's plugin for the Gateway API is to write."""
    plugin = (dig(rollout, *ROUTING, "plugins") or {}).get(_PLUGIN) or {}
    names = [plugin["httpRoute"]] if plugin.get("httpRoute") else []
    names += [one["name"] for one in plugin.get("httpRoutes") or ()]
    return [(name, plugin.get("namespace") or dig(rollout, "metadata", "namespace")) for name in names]


def services_of(rollout: Object) -> list[tuple[Place, str]]:
    """The Services that it points at one revision each: where it names each of them, and the name."""
    named = ((place, dig(rollout, *place)) for place in _SERVICES)
    return [(place, name) for place, name in named if isinstance(name, str) and name]


def managed_routes(rollout: Object) -> list[str]:
    """The routes that the controller makes itself, for headers and mirrors."""
    return [str(dig(one, "name")) for one in listed(rollout, *ROUTING, "managedRoutes")]


def full_weight(canary: Any) -> int:
    """The weight that is all of the traffic: 100 unless spec.strategy.canary says another maxTrafficWeight."""
    most = dig(canary, "trafficRouting", "maxTrafficWeight")
    return most if isinstance(most, int) and not isinstance(most, bool) and most else _ALL
