"""What Argo refuses in the rest of a Rollout, its steps aside, only once it is there: Degraded, with InvalidSpec.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation.go (v1.10.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canarylab.kube.objects import Object, dig
from canarylab.rollouts.validation.steps import INVALID
from canarylab.yamlfile.mistake import Mistake
from canarylab.yamlfile.problems import Place, shown

_SELECTOR = ("spec", "selector")
_STRATEGY = ("spec", "strategy")
_CANARY = (*_STRATEGY, "canary")
_BLUE_GREEN = (*_STRATEGY, "blueGreen")
_ROUTING = (*_CANARY, "trafficRouting")
_NEED_SERVICES = ("alb", "istio", "smi", "apisix", "ambassador", "nginx", "appMesh", "traefik")
_PROGRESS_DEADLINE = 600
"""Seconds, where the Rollout says nothing."""


def mistakes(rollout: Object) -> Iterator[Mistake]:
    yield from _selector(rollout)
    yield from _deadline(rollout)
    canary, blue_green = dig(rollout, *_CANARY), dig(rollout, *_BLUE_GREEN)
    if (canary is None) == (blue_green is None):
        yield Mistake(
            _STRATEGY,
            "it has both canary and blueGreen" if canary is not None else "it has neither canary nor blueGreen",
            f"{INVALID}a Rollout has exactly one strategy",
            "keep one of them" if canary is not None else "write `canary: {}` for a rolling update, or one of them",
        )
    yield from _same(_BLUE_GREEN, blue_green, "previewService", "activeService")
    yield from _same(_CANARY, canary, "canaryService", "stableService")
    if dig(canary, "trafficRouting") is None:
        yield from _without_routing(canary)
    else:
        yield from _with_routing(canary)
    if _is_zero(dig(canary, "maxSurge")) and _is_zero(dig(canary, "maxUnavailable")):
        yield Mistake(
            (*_CANARY, "maxSurge"),
            "it is zero, and so is maxUnavailable: no pod could ever be replaced",
            f"{INVALID}MaxSurge and MaxUnavailable both can not be zero",
            "raise one of them: maxSurge allows pods beside the wanted ones, maxUnavailable fewer of them",
        )


def _selector(rollout: Object) -> Iterator[Mistake]:
    if dig(rollout, "spec", "workloadRef") is not None:
        return
    wanted = dig(rollout, *_SELECTOR, "matchLabels")
    if not wanted and not dig(rollout, *_SELECTOR, "matchExpressions"):
        yield Mistake(
            _SELECTOR,
            "it selects nothing",
            f"{INVALID}a Rollout needs a selector of its pods",
            "write `selector: {matchLabels: {app: NAME}}`, with labels that spec.template has",
        )
    for key, value in wanted.items() if isinstance(wanted, dict) else ():
        found = dig(rollout, "spec", "template", "metadata", "labels", key)
        if found != value:
            has = f"no label {key}" if found is None else f"{key}={found}"
            yield Mistake(
                (*_SELECTOR, "matchLabels", key),
                f"it wants {key}={value}, and spec.template has {has}",
                f"{INVALID}`selector` does not match template `labels`",
                "give spec.template.metadata.labels the labels that the selector asks for",
            )


def _deadline(rollout: Object) -> Iterator[Mistake]:
    ready = dig(rollout, "spec", "minReadySeconds")
    deadline = dig(rollout, "spec", "progressDeadlineSeconds") or _PROGRESS_DEADLINE
    if isinstance(ready, int) and isinstance(deadline, int) and deadline <= ready:
        yield Mistake(
            ("spec", "progressDeadlineSeconds"),
            f"{deadline} s is no longer than minReadySeconds ({ready})",
            f"{INVALID}progressDeadlineSeconds must be greater than minReadySeconds",
            f"set it above {ready}",
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
                (*_CANARY, key),
                "it means nothing without trafficRouting",
                f"{INVALID}Canary {key} can only be used with traffic routing",
                f"take {key} out, or add trafficRouting",
            )


def _with_routing(canary: Any) -> Iterator[Mistake]:
    routing = dig(canary, "trafficRouting")
    subsets = dig(routing, "istio", "destinationRule") is not None
    if any(dig(routing, router) for router in _NEED_SERVICES) and not subsets and not dig(canary, "pingPong"):
        for key in ("stableService", "canaryService"):
            if not dig(canary, key):
                yield Mistake(
                    (*_CANARY, key),
                    "it is missing",
                    f"{INVALID}Canary service and Stable service must to be set to use Traffic Routing",
                    f"add `{key}: NAME` with the name of a Service, or route by subsets of a DestinationRule",
                )
    if dig(canary, "scaleDownDelaySeconds") is not None and dig(canary, "dynamicStableScale"):
        yield Mistake(
            (*_CANARY, "dynamicStableScale"),
            "it goes with no scaleDownDelaySeconds",
            f"{INVALID}Canary dynamicStableScale cannot be used with scaleDownDelaySeconds",
            "take one of them out: with dynamicStableScale the former stable is scaled down as its traffic goes",
        )
    if dig(routing, "maxTrafficWeight") is not None and not (dig(routing, "nginx") or dig(routing, "plugins")):
        yield Mistake(
            (*_ROUTING, "maxTrafficWeight"),
            f"{shown(dig(routing, 'maxTrafficWeight'))} is for nginx and plugins alone",
            f"{INVALID}Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins",
            "take it out: with Istio, all of the traffic is a weight of 100",
        )
    yield from _istio(dig(routing, "istio"))


def _istio(istio: Any) -> Iterator[Mistake]:
    one, several = dig(istio, "virtualService"), dig(istio, "virtualServices")
    if istio is not None and bool(one) == bool(several):
        yield Mistake(
            (*_ROUTING, "istio"),
            "it has both virtualService and virtualServices" if one else "it names no VirtualService",
            f"{INVALID}either VirtualService or VirtualServices must be configured",
            "write `virtualService: {name: NAME, routes: [ROUTE]}`, or a list of such under virtualServices",
        )


def _is_zero(value: Any) -> bool:
    return value in (0, "0", "0%") and not isinstance(value, bool)
