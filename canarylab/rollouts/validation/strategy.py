"""What Argo refuses in a Rollout's strategy and figures, only once it is there: Degraded, with InvalidSpec.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation.go (v1.10.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from canarylab.kube.objects import Object, dig
from canarylab.rollouts.strategy import PROGRESS_DEADLINE
from canarylab.rollouts.traffic_routing import CANARY, ISTIO, ROUTING
from canarylab.rollouts.validation.mistake import Mistake, mistake
from canarylab.rollouts.validation.steps import has_router
from canarylab.yamlfile.problems import Place, short_repr

_STRATEGY = ("spec", "strategy")
_BLUE_GREEN = (*_STRATEGY, "blueGreen")
_NEED_SERVICES = ("alb", "istio", "smi", "apisix", "ambassador", "nginx", "appMesh", "traefik")
_PING_PONG_ROUTERS = ("alb", "istio", "plugins")
_REVISION_LIMIT = 10
"""Former revisions that are kept, where the Rollout says nothing."""
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_MOST_PREFERRED = 100
_NOT_NEGATIVE = ("replicas", "minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit")


def mistakes(rollout: Object) -> Iterator[Mistake]:
    """What is wrong in its numbers of pods and seconds, then in its strategy."""
    yield from _numbers(rollout)
    canary, blue_green = dig(rollout, *CANARY), dig(rollout, *_BLUE_GREEN)
    if (canary is None) == (blue_green is None):
        yield mistake("no-strategy" if canary is None else "both-strategies", _STRATEGY)
    yield from _same(_BLUE_GREEN, blue_green, "previewService", "activeService")
    yield from _same(CANARY, canary, "canaryService", "stableService")
    yield from _anti_affinity((*_BLUE_GREEN, "antiAffinity"), dig(blue_green, "antiAffinity"))
    yield from _anti_affinity((*CANARY, "antiAffinity"), dig(canary, "antiAffinity"))
    yield from _ping_pong(canary)
    yield from (_without_routing if dig(canary, "trafficRouting") is None else _with_routing)(canary)
    if _is_zero(dig(canary, "maxSurge")) and _is_zero(dig(canary, "maxUnavailable")):
        yield mistake("neither-surge-nor-unavailable", (*CANARY, "maxSurge"))


def _numbers(rollout: Object) -> Iterator[Mistake]:
    for key in _NOT_NEGATIVE:
        if (value := _number(rollout, "spec", key, default=0)) < 0:
            yield mistake("negative", ("spec", key), given=value)
    limit = _number(rollout, "spec", "revisionHistoryLimit", default=_REVISION_LIMIT)
    place = (*_BLUE_GREEN, "scaleDownDelayRevisionLimit")
    if (most := _number(rollout, *place, default=limit)) > limit:
        yield mistake("more-running-than-kept", place, most=most, limit=limit)
    ready = _number(rollout, "spec", "minReadySeconds", default=0)
    deadline = _number(rollout, "spec", "progressDeadlineSeconds", default=PROGRESS_DEADLINE)
    if deadline <= ready:
        yield mistake("deadline-before-ready", ("spec", "progressDeadlineSeconds"), deadline=deadline, ready=ready)


def _number(obj: Object, *path: str, default: int) -> int:
    """The whole number at a path; the default where there is none: other types are for the API server to refuse."""
    value = dig(obj, *path)
    return value if isinstance(value, int) else default


def _anti_affinity(place: Place, value: Any) -> Iterator[Mistake]:
    if value is None:
        return
    if (dig(value, _PREFERRED) is None) == (dig(value, _REQUIRED) is None):
        yield mistake("anti-affinity", place, required=_REQUIRED, preferred=_PREFERRED)
    elif not 1 <= (weight := _number(value, _PREFERRED, "weight", default=1)) <= _MOST_PREFERRED:
        yield mistake("anti-affinity-weight", (*place, _PREFERRED, "weight"), given=weight)


def _ping_pong(canary: Any) -> Iterator[Mistake]:
    place, pair, routing = (*CANARY, "pingPong"), dig(canary, "pingPong"), dig(canary, "trafficRouting")
    if pair is None:
        return
    ping, pong = dig(pair, "pingService"), dig(pair, "pongService")
    if not ping or not pong or ping == pong:
        yield mistake("ping-pong-services", place, ping=short_repr(ping), pong=short_repr(pong))
    if routing is not None and not has_router(routing, _PING_PONG_ROUTERS):
        yield mistake("ping-pong-router", place)
    if dig(routing, "alb") is not None and not dig(routing, "alb", "rootService"):
        yield mistake("no-root-service", (*ROUTING, "alb", "rootService"))


def _same(place: Place, strategy: Any, one: str, other: str) -> Iterator[Mistake]:
    if (name := dig(strategy, one)) and name == dig(strategy, other):
        yield mistake("same-service", (*place, one), name=name, one=one, other=other)


def _without_routing(canary: Any) -> Iterator[Mistake]:
    for key in ("scaleDownDelaySeconds", "dynamicStableScale"):
        value = dig(canary, key)
        if value is not None and value is not False:  # 0 seconds are refused, too
            yield mistake("needs-routing", (*CANARY, key), key=key)


def _with_routing(canary: Any) -> Iterator[Mistake]:
    routing = dig(canary, "trafficRouting")
    if has_router(routing, _needing_services(canary)):
        for key in ("stableService", "canaryService"):
            if not dig(canary, key):
                yield mistake("no-service-named", (*CANARY, key), key=key)
    if dig(canary, "scaleDownDelaySeconds") is not None and dig(canary, "dynamicStableScale"):
        yield mistake("scale-down-delay", (*CANARY, "dynamicStableScale"))
    most = dig(routing, "maxTrafficWeight")
    if most is not None and not has_router(routing, ("nginx", "plugins")):
        yield mistake("max-traffic-weight", (*ROUTING, "maxTrafficWeight"), given=short_repr(most))
    istio = dig(routing, "istio")
    one, several = dig(istio, "virtualService"), dig(istio, "virtualServices")
    if istio is not None and bool(one) == bool(several):
        yield mistake("both-virtual-services" if one else "no-virtual-service", ISTIO)


def _needing_services(canary: Any) -> Sequence[str]:
    """The routers that do without neither of canaryService and stableService."""
    exempt = {"alb", "istio"} if dig(canary, "pingPong") is not None else set()
    if dig(canary, "trafficRouting", "istio", "destinationRule") is not None:
        exempt.add("istio")
    return [router for router in _NEED_SERVICES if router not in exempt]


def _is_zero(value: Any) -> bool:
    return value in (0, "0", "0%") and not isinstance(value, bool)
