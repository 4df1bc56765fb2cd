"""Steps of a canary that Argo refuses only once the Rollout is there, Degraded with InvalidSpec, or never carries out.

The rules are those of `ValidateRolloutStrategyCanary` in argo-rollouts, pkg/apis/rollouts/validation/validation.go
(v1.10.1), and Istio's range of a mirror percentage.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.kube.times import duration
from canarylab.rollouts.routing import CANARY, full_weight
from canarylab.rollouts.validation.mistake import Mistake
from canarylab.yamlfile.problems import Place, choose, shown

INVALID = "Argo would take the Rollout and leave it Degraded, with InvalidSpec: "
"""What comes of most mistakes: the controller, not the API server, looks at them."""

_NO_NUMBER = "the API server takes a whole number only"

_ALONE = ("setWeight", "pause", "experiment", "analysis")
"""Of these, a step may have one only."""

_KINDS = (*_ALONE, "setCanaryScale", "setHeaderRoute", "setMirrorRoute", "plugin")
_STEPS = (*CANARY, "steps")
_ALL = 100
_ALIKE = 0.8
_MATCHES = ("exact", "prefix", "regex")
_FIELD = re.compile(
    r"(?!metadata)|metadata\.((name|namespace|uid|labels|annotations)$|(labels|annotations)\['[\w./-]+'\]$)"
)
"""What an argument of an analysis may refer to: of the metadata, what Kubernetes' downward API has."""

_BY_HEADER = ("istio", "alb", "apisix", "plugins")
_BY_MIRROR = ("istio", "plugins")
_BY_EXPERIMENT = ("istio", "alb", "smi", "plugins")


def mistakes(rollout: Object) -> Iterator[Mistake]:
    """What is wrong in each step, in their order."""
    canary = dig(rollout, *CANARY)
    for index, step in enumerate(listed(rollout, *_STEPS)):
        if isinstance(step, Mapping):
            place = (*_STEPS, index)
            given = {key: value for key, value in step.items() if value is not None}
            yield from _kinds(place, step, given)
            for kind, value in given.items():
                if check := _CHECKS.get(kind):
                    yield from check(canary, (*place, kind), value)


def _kinds(place: Place, step: Object, given: Object) -> Iterator[Mistake]:
    for key in map(str, step):
        if key not in _KINDS and difflib.get_close_matches(key.lower(), map(str.lower, _KINDS), 1, _ALIKE):
            why = "the API server refuses a field that it doesn't know"
            yield Mistake((*place, key), "there is no such step", why, choose(key, _KINDS))
    for key in (key for key in _KINDS if key in step and key not in given):
        remedy = "write `pause: {}`" if key == "pause" else f"write its value behind `{key}:`"
        yield Mistake((*place, key), "it has no value", "the API server refuses what is null there", remedy)
    if not step:
        why = f"{INVALID}a step must have one of {', '.join(_KINDS)}"
        yield Mistake(place, "the step is empty", why, "write one of them, or take the step out")
    if len(both := [key for key in _ALONE if key in given]) > 1:
        yield Mistake(
            place,
            f"{' and '.join(both)} are in one step",
            f"{INVALID}a step has one of {', '.join(_ALONE)}",
            f"make them steps of their own, each with a dash: `- {both[0]}: ...`, `- {both[1]}: ...`",
        )


def _weight(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    most = full_weight(canary)
    if not _is_within(value, most):
        beyond = "" if most == _ALL else " (trafficRouting.maxTrafficWeight)"
        yield Mistake(
            place,
            f"{shown(value)} isn't a weight",
            f"{INVALID}SetWeight needs to be between 0 and {most}{beyond}" if _is_whole(value) else _NO_NUMBER,
            f"write a whole number from 0 to {most}, without a percent sign",
        )


def _pause(_: Any, place: Place, value: Any) -> Iterator[Mistake]:
    given = dig(value, "duration")
    if given is None or (_is_whole(given) and given >= 0):
        return
    if not isinstance(given, str) or duration(given) is None:
        yield Mistake(
            (*place, "duration"),
            f"{shown(given)} isn't a duration",
            f"{INVALID}Duration needs to be greater than 0",
            "write seconds as a whole number, or with a unit that Go knows: 90, 90s, 5m, 1h30m; `pause: {}` waits for "
            "somebody to promote",
        )


def _scale(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    if dig(canary, "trafficRouting") is None:
        yield Mistake(
            place,
            "without trafficRouting the canary can't be scaled apart from its traffic",
            f"{INVALID}SetCanaryScale requires TrafficRouting to be set",
            "add spec.strategy.canary.trafficRouting with canaryService and stableService, or use setWeight",
        )
    weight, replicas = dig(value, "weight"), dig(value, "replicas")
    if weight is not None and not _is_within(weight, _ALL):
        yield Mistake(
            (*place, "weight"),
            f"{shown(weight)} isn't a weight",
            "it is the canary's share of spec.replicas in percent; Argo doesn't look at it, and would start more pods "
            "than the Rollout has replicas",
            "write a whole number from 0 to 100; `replicas: N` sets their number, however many",
        )
    if replicas is not None and not (_is_whole(replicas) and replicas >= 0):
        why = "the controller could set no ReplicaSet to it, and the Rollout would make no progress"
        yield Mistake((*place, "replicas"), f"{shown(replicas)} isn't a number of pods", why, "write 0 or more")


def _header_route(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    yield from _routed(canary, place, value, _BY_HEADER)
    takes = ("exact",) if dig(canary, "trafficRouting", "alb") is not None else _MATCHES
    for index, match in enumerate(listed(value, "match")):
        yield from _string_match((*place, "match", index, "headerValue"), dig(match, "headerValue"), takes)


def _mirror_route(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    yield from _routed(canary, place, value, _BY_MIRROR)
    percentage = dig(value, "percentage")
    if percentage is not None and not _is_within(percentage, _ALL):
        yield Mistake(
            (*place, "percentage"),
            f"{shown(percentage)} isn't a percentage",
            "Argo doesn't look at it; Istio's webhook would refuse the VirtualService, and the Rollout would stay at "
            "this step",
            "write a whole number from 0 to 100; without it, all that matches is mirrored",
        )
    for index, match in enumerate(listed(value, "match")):
        for key in ("method", "path"):
            if dig(match, key) is not None:
                yield from _string_match((*place, "match", index, key), dig(match, key))


def _routed(canary: Any, place: Place, value: Any, routers: Collection[str]) -> Iterator[Mistake]:
    """What a step that makes a route of its own needs: a router that can, and the route's name among the managed."""
    kind, routing = str(place[-1]), dig(canary, "trafficRouting")
    if not has_router(routing, routers):
        yield Mistake(
            place,
            "it needs a traffic router that supports it",
            f"{INVALID}{kind} requires trafficRouting by one of {', '.join(routers)}",
            f"add spec.strategy.canary.trafficRouting.istio with the VirtualService, or take {kind} out",
        )
        return
    name, managed = dig(value, "name"), [dig(one, "name") for one in listed(routing, "managedRoutes")]
    if name not in managed:
        yield Mistake(
            (*place, "name"),
            f"the route {shown(name)} is not among trafficRouting.managedRoutes",
            f"{INVALID}routes that steps make have to be named there, in the order of their precedence",
            f"write `managedRoutes: [{{name: {name}}}]` beside `istio:`; named there: {', '.join(map(str, managed))}"
            if managed
            else f"write `managedRoutes: [{{name: {name}}}]` beside `istio:`",
        )


def has_router(routing: Any, routers: Collection[str]) -> bool:
    """Whether one of these is a router of the canary: Argo takes an empty one for one, except for plugins."""
    return any(dig(routing, each) is not None and (each != "plugins" or dig(routing, each)) for each in routers)


def _string_match(place: Place, value: Any, takes: Collection[str] = _MATCHES) -> Iterator[Mistake]:
    given = [key for key in _MATCHES if dig(value, key)]
    if len(given) == 1 and given[0] not in takes:
        yield Mistake(
            place,
            f"it has {given[0]}",
            f"{INVALID}SetHeaderRoute match value invalid. ALB supports 'exact' value only",
            'write the whole value, such as `{exact: "yes"}`',
        )
    elif len(given) != 1:
        yield Mistake(
            place,
            f"it has {' and '.join(given) or 'none of exact, prefix and regex'}",
            f"{INVALID}match value must have exactly one of exact, regex, prefix",
            'write one of them, such as `{exact: "yes"}`',
        )


def _experiment(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    routed = has_router(dig(canary, "trafficRouting"), _BY_EXPERIMENT)
    for index, template in enumerate(listed(value, "templates")):
        if dig(template, "weight") is not None and not routed:
            yield Mistake(
                (*place, "templates", index, "weight"),
                "it needs a traffic router that supports it",
                f"{INVALID}Experiment template weight needs trafficRouting by one of {', '.join(_BY_EXPERIMENT)}",
                "take weight out, or add spec.strategy.canary.trafficRouting",
            )
    for index, analysis in enumerate(listed(value, "analyses")):
        yield from _analysis(canary, (*place, "analyses", index), analysis)


def _analysis(_: Any, place: Place, value: Any) -> Iterator[Mistake]:
    for index, argument in enumerate(listed(value, "args")):
        field = dig(argument, "valueFrom", "fieldRef", "fieldPath")
        if isinstance(field, str) and not _FIELD.match(field):
            yield Mistake(
                (*place, "args", index, "valueFrom", "fieldRef", "fieldPath"),
                f"a Rollout has no {shown(field)} to refer to",
                f"{INVALID}Analyses arguments must refer to valid object metadata supported by downwardAPI",
                "write metadata.name, metadata.namespace, metadata.uid, or such as metadata.labels['KEY']",
            )


_CHECKS = {
    "analysis": _analysis,
    "experiment": _experiment,
    "setWeight": _weight,
    "pause": _pause,
    "setCanaryScale": _scale,
    "setHeaderRoute": _header_route,
    "setMirrorRoute": _mirror_route,
}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_within(value: Any, most: int) -> bool:
    return _is_whole(value) and 0 <= value <= most
