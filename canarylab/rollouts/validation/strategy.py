"""What Argo refuses in a Rollout's strategy and figures, only once it is there: Degraded, with InvalidSpec.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation.go (v1.10.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from canarylab.kube.objects import Object, dig
from canarylab.rollouts.routing import CANARY, ROUTING
from canarylab.rollouts.strategy import PROGRESS_DEADLINE
from canarylab.rollouts.validation.mistake import Mistake
from canarylab.rollouts.validation.steps import INVALID, has_router
from canarylab.yamlfile.problems import Place, shown

_STRATEGY = ("spec", "strategy")
_BLUE_GREEN = (*_STRATEGY, "blueGreen")
_NEED_SERVICES = ("alb", "istio", "smi", "apisix", "ambassador", "nginx", "appMesh", "traefik")
_PING_PONG_ROUTERS = ("alb", "istio", "plugins")
_REVISION_LIMIT = 10
"""Former revisions that are kept, where the Rollout says nothing."""
_MOST_PREFERRED = 100
_NOT_NEGATIVE = ("replicas", "minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit")


def mistakes(rollout: Object) -> Iterator[Mistake]:
    """What is wrong in its numbers of pods and seconds, then in its strategy."""
    yield from _numbers(rollout)
    canary, blue_green = dig(rollout, *CANARY), dig(rollout, *_BLUE_GREEN)
    if (canary is None) == (blue_green is None):
        yield Mistake(
            _STRATEGY,
            "it has both canary and blueGreen" if canary is not None else "it has neither canary nor blueGreen",
            f"{INVALID}a Rollout has exactly one strategy",
            "keep one of them" if canary is not None else "write `canary: {}` for a rolling update, or one of them",
        )
    yield from _same(_BLUE_GREEN, blue_green, "previewService", "activeService")
    yield from _same(CANARY, canary, "canaryService", "stableService")
    yield from _anti_affinity((*_BLUE_GREEN, "antiAffinity"), dig(blue_green, "antiAffinity"))
    yield from _anti_affinity((*CANARY, "antiAffinity"), dig(canary, "antiAffinity"))
    yield from _ping_pong(canary)
    if dig(canary, "trafficRouting") is None:
        yield from _without_routing(canary)
    else:
        yield from _with_routing(canary)
    if _is_zero(dig(canary, "maxSurge")) and _is_zero(dig(canary, "maxUnavailable")):
        yield Mistake(
            (*CANARY, "maxSurge"),
            "it is zero, and so is maxUnavailable: no pod could ever be replaced",
            f"{INVALID}MaxSurge and MaxUnavailable both can not be zero",
            "raise one of them: maxSurge allows pods beside the wanted ones, maxUnavailable fewer of them",
        )


def _numbers(rollout: Object) -> Iterator[Mistake]:
    for key in _NOT_NEGATIVE:
        if (value := _number(rollout, "spec", key, default=0)) < 0:
            why = f"{INVALID}must be greater than or equal to 0"
            yield Mistake(("spec", key), f"{value} is negative", why, "write 0 or more, or take it out")
    limit = _number(rollout, "spec", "revisionHistoryLimit", default=_REVISION_LIMIT)
    most = _number(rollout, *_BLUE_GREEN, "scaleDownDelayRevisionLimit", default=limit)
    if most > limit:
        yield Mistake(
            (*_BLUE_GREEN, "scaleDownDelayRevisionLimit"),
            f"{most} former revisions can't go on running where {limit} are kept (spec.revisionHistoryLimit)",
            f"{INVALID}revision history limit can not be smaller than the rollout's scale down limit",
            f"write {limit} or less, or raise spec.revisionHistoryLimit",
        )
    ready = _number(rollout, "spec", "minReadySeconds", default=0)
    deadline = _number(rollout, "spec", "progressDeadlineSeconds", default=PROGRESS_DEADLINE)
    if deadline <= ready:
        yield Mistake(
            ("spec", "progressDeadlineSeconds"),
            f"{deadline} s is no longer than minReadySeconds ({ready})",
            f"{INVALID}progressDeadlineSeconds must be greater than minReadySeconds",
            f"set it above {ready}",
        )


def _number(obj: Object, *path: str, default: int) -> int:
    """The whole number at a path; the default where there is none: other types are for the API server to refuse."""
    value = dig(obj, *path)
    return value if isinstance(value, int) else default


def _anti_affinity(place: Place, value: Any) -> Iterator[Mistake]:
    if value is None:
        return
    preferred, required = (
        "preferredDuringSchedulingIgnoredDuringExecution",
        "requiredDuringSchedulingIgnoredDuringExecution",
    )
    if (dig(value, preferred) is None) == (dig(value, required) is None):
        yield Mistake(
            place,
            "it has none, or both, of preferredDuringScheduling... and requiredDuringScheduling...",
            f"{INVALID}AntiAffinity must have exactly one strategy listed",
            f"write `{required}: {{}}`, or `{preferred}: {{weight: 100}}`",
        )
    elif not 1 <= _number(value, preferred, "weight", default=1) <= _MOST_PREFERRED:
        yield Mistake(
            (*place, preferred, "weight"),
            f"{dig(value, preferred, 'weight')} isn't the weight of a preference",
            f"{INVALID}AntiAffinity weight must be between 1-100",
            "write a whole number from 1 to 100",
        )


def _ping_pong(canary: Any) -> Iterator[Mistake]:
    place, pair, routing = (*CANARY, "pingPong"), dig(canary, "pingPong"), dig(canary, "trafficRouting")
    if pair is None:
        return
    ping, pong = dig(pair, "pingService"), dig(pair, "pongService")
    if not ping or not pong or ping == pong:
        yield Mistake(
            place,
            f"it has {shown(ping)} and {shown(pong)}, which aren't two Services",
            f"{INVALID}Ping service and Pong service must to be set, and be two different services",
            "write `pingPong: {pingService: NAME, pongService: OTHER}`",
        )
    if routing is not None and not has_router(routing, _PING_PONG_ROUTERS):
        yield Mistake(
            place,
            "it needs a traffic router that supports it",
            f"{INVALID}Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only",
            "take it out and name canaryService and stableService, or route by Istio",
        )
    if dig(routing, "alb") is not None and not dig(routing, "alb", "rootService"):
        yield Mistake(
            (*ROUTING, "alb", "rootService"),
            "it is missing",
            f"{INVALID}Root service field is required for the configuration with ALB and ping-pong feature enabled",
            "add `rootService: NAME` with the Service that the Ingress leads to",
        )


def _same(place: Place, strategy: Any, one: str, other: str) -> Iterator[Mistake]:
    if (name := dig(strategy, one)) and name == dig(strategy, other):
        yield Mistake(
            (*place, one),
            f"{name} is the {other} too",
            f"{INVALID}this rollout uses the same service twice, but two different services are required",
            f"name another Service: Argo points each of the two at one revision, so {one} and {other} differ",
        )


def _without_routing(canary: Any) -> Iterator[Mistake]:
    for key in ("scaleDownDelaySeconds", "dynamicStableScale"):
        value = dig(canary, key)
        if value is not None and value is not False:  # 0 seconds are refused, too
            yield Mistake(
                (*CANARY, key),
                "it means nothing without trafficRouting",
                f"{INVALID}Canary {key} can only be used with traffic routing",
                f"take {key} out, or add trafficRouting",
            )


def _with_routing(canary: Any) -> Iterator[Mistake]:
    routing = dig(canary, "trafficRouting")
    if has_router(routing, _needing_services(canary)):
        for key in ("stableService", "canaryService"):
            if not dig(canary, key):
                yield Mistake(
                    (*CANARY, key),
                    "it is missing",
                    f"{INVALID}Canary service and Stable service must to be set to use Traffic Routing",
                    f"add `{key}: NAME` with the name of a Service, or route by subsets of a DestinationRule",
                )
    if dig(canary, "scaleDownDelaySeconds") is not None and dig(canary, "dynamicStableScale"):
        yield Mistake(
            (*CANARY, "dynamicStableScale"),
            "it can't be combined with scaleDownDelaySeconds",
            f"{INVALID}Canary dynamicStableScale cannot be used with scaleDownDelaySeconds",
            "take one of them out: with dynamicStableScale the former stable is scaled down as its traffic goes",
        )
    if dig(routing, "maxTrafficWeight") is not None and not has_router(routing, ("nginx", "plugins")):
        yield Mistake(
            (*ROUTING, "maxTrafficWeight"),
            f"{shown(dig(routing, 'maxTrafficWeight'))} is for nginx and plugins alone",
            f"{INVALID}Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins",
            "take it out: with Istio, all of the traffic is a weight of 100",
        )
    yield from _istio(dig(routing, "istio"))


def _needing_services(canary: Any) -> Sequence[str]:
    """The routers that do without neither of canaryService and stableService."""
    exempt = {"alb", "istio"} if dig(canary, "pingPong") is not None else set()
    if dig(canary, "trafficRouting", "istio", "destinationRule") is not None:
        exempt.add("istio")
    return [router for router in _NEED_SERVICES if router not in exempt]


def _istio(istio: Any) -> Iterator[Mistake]:
    one, several = dig(istio, "virtualService"), dig(istio, "virtualServices")
    if istio is not None and bool(one) == bool(several):
        yield Mistake(
            (*ROUTING, "istio"),
            "it has both virtualService and virtualServices" if one else "it names no VirtualService",
            f"{INVALID}either VirtualService or VirtualServices must be configured",
            "write `virtualService: {name: NAME, routes: [ROUTE]}`, or a list of such under virtualServices",
        )


def _is_zero(value: Any) -> bool:
    return value in (0, "0", "0%") and not isinstance(value, bool)
