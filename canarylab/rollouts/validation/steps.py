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
from canarylab.rollouts.traffic_routing import CANARY, full_weight
from canarylab.rollouts.validation.mistake import Mistake, mistake
from canarylab.yamlfile.problems import Place, did_you_mean, short_repr

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
            yield mistake("unknown-step", (*place, key), meant=did_you_mean(key, _KINDS))
    for key in (key for key in _KINDS if key in step and key not in given):
        instead = "`pause: {}`" if key == "pause" else f"its value behind `{key}:`"
        yield mistake("no-value", (*place, key), instead=instead)
    if not step:
        yield mistake("empty-step", place, kinds=", ".join(_KINDS))
    if len(both := [key for key in _ALONE if key in given]) > 1:
        yield mistake(
            "two-in-one-step", place, both=" and ".join(both), alone=", ".join(_ALONE), first=both[0], second=both[1]
        )


def _weight(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    most = full_weight(canary)
    if not _is_whole(value):
        yield mistake("weight-not-whole", place, given=short_repr(value), most=most)
    elif not _is_within(value, most):
        named = "" if most == _ALL else " (trafficRouting.maxTrafficWeight)"
        yield mistake("weight-beyond", place, given=value, most=most, named=named)


def _pause(_: Any, place: Place, value: Any) -> Iterator[Mistake]:
    given = dig(value, "duration")
    if given is None or (_is_whole(given) and given >= 0):
        return
    if not isinstance(given, str) or duration(given) is None:
        yield mistake("not-a-duration", (*place, "duration"), given=short_repr(given))


def _scale(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    if dig(canary, "trafficRouting") is None:
        yield mistake("scale-without-routing", place)
    weight, replicas = dig(value, "weight"), dig(value, "replicas")
    if weight is not None and not _is_within(weight, _ALL):
        yield mistake("scale-weight", (*place, "weight"), given=short_repr(weight))
    if replicas is not None and not (_is_whole(replicas) and replicas >= 0):
        yield mistake("scale-replicas", (*place, "replicas"), given=short_repr(replicas))


def _header_route(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    yield from _routed(canary, place, value, _BY_HEADER)
    takes = ("exact",) if dig(canary, "trafficRouting", "alb") is not None else _MATCHES
    for index, match in enumerate(listed(value, "match")):
        yield from _string_match((*place, "match", index, "headerValue"), dig(match, "headerValue"), takes)


def _mirror_route(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    yield from _routed(canary, place, value, _BY_MIRROR)
    percentage = dig(value, "percentage")
    if percentage is not None and not _is_within(percentage, _ALL):
        yield mistake("mirror-percentage", (*place, "percentage"), given=short_repr(percentage))
    for index, match in enumerate(listed(value, "match")):
        for key in ("method", "path"):
            if dig(match, key) is not None:
                yield from _string_match((*place, "match", index, key), dig(match, key))


def _routed(canary: Any, place: Place, value: Any, routers: Collection[str]) -> Iterator[Mistake]:
    """What a step that makes a route of its own needs: a router that can, and the route's name among the managed."""
    routing, name = dig(canary, "trafficRouting"), dig(value, "name")
    managed = [dig(one, "name") for one in listed(routing, "managedRoutes")]
    if not has_router(routing, routers):
        yield mistake("route-needs-router", place, kind=place[-1], routers=", ".join(routers))
    elif name not in managed:
        named = f"; named there: {', '.join(map(str, managed))}" if managed else ""
        yield mistake("not-managed", (*place, "name"), given=short_repr(name), name=name, named=named)


def has_router(routing: Any, routers: Collection[str]) -> bool:
    """Whether one of these is a router of the canary: Argo takes an empty one for one, except for plugins."""
    return any(dig(routing, each) is not None and (each != "plugins" or dig(routing, each)) for each in routers)


def _string_match(place: Place, value: Any, takes: Collection[str] = _MATCHES) -> Iterator[Mistake]:
    given = [key for key in _MATCHES if dig(value, key)]
    if len(given) != 1:
        yield mistake("not-one-match", place, kinds=" and ".join(given) or "none of exact, prefix and regex")
    elif given[0] not in takes:
        yield mistake("alb-takes-exact", place, kind=given[0])


def _experiment(canary: Any, place: Place, value: Any) -> Iterator[Mistake]:
    routed = has_router(dig(canary, "trafficRouting"), _BY_EXPERIMENT)
    for index, template in enumerate(listed(value, "templates")):
        if dig(template, "weight") is not None and not routed:
            beneath = (*place, "templates", index, "weight")
            yield mistake("experiment-needs-router", beneath, routers=", ".join(_BY_EXPERIMENT))
    for index, analysis in enumerate(listed(value, "analyses")):
        yield from _analysis(canary, (*place, "analyses", index), analysis)


def _analysis(_: Any, place: Place, value: Any) -> Iterator[Mistake]:
    for index, argument in enumerate(listed(value, "args")):
        path = ("valueFrom", "fieldRef", "fieldPath")
        field = dig(argument, *path)
        if isinstance(field, str) and not _FIELD.match(field):
            yield mistake("no-such-metadata", (*place, "args", index, *path), given=short_repr(field))


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
