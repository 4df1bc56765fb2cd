"""Right and wrong Rollouts by the hundred: valid ones with every change of a table that fits, and seeded mixtures."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Documents = list[dict[str, Any]]
"""A Rollout, first, and the objects that it refers to."""
_Change = tuple[str, Any]
"""A path in the documents, and what is to stand there."""

_SEED = 20261127
_MIXTURES = 40
_FULL = ("istio", "blue-green")
"""The valid ones that get the changes that have nothing to do with the router, too."""
_LEFT_OUT = object()
"""In place of a value: the key is taken out."""


class _Appended:
    """In place of a value: what is added to the list."""

    def __init__(self, value: Any) -> None:
        self.value = value


def generated() -> Iterator[tuple[str, Documents]]:
    """Each with a name that says how it was made; the same ones each time."""
    mixed: dict[str, list[_Change]] = {}
    for base, documents in _BASES.items():
        yield base, copy.deepcopy(documents)
        by_router = _fitting(documents, _BY_ROUTER)
        mixed[base] = [*by_router, *_fitting(documents, _ANYWHERE)]
        for change in mixed[base] if base in _FULL else by_router:
            yield _made(base, change)
        for changes in _TOGETHER:
            if all(_fits(documents, path) for path, _ in changes):
                yield _made(base, *changes)
    chance = random.Random(_SEED)
    for _ in range(_MIXTURES):
        base = chance.choice(sorted(mixed))
        yield _made(base, *chance.sample(mixed[base], chance.choice((2, 3))))


def _fitting(documents: Documents, table: Mapping[str, Sequence[Any]]) -> list[_Change]:
    return [(path, value) for path, values in table.items() if _fits(documents, path) for value in values]


def _made(base: str, *changes: _Change) -> tuple[str, Documents]:
    documents = copy.deepcopy(_BASES[base])
    done = []
    for path, value in changes:
        if _fits(documents, path):  # what a change before it has left of the path
            _apply(documents, path, value)
            done.append((path, value))
    return f"{base}: {', '.join(f'{path} {_shown(value)}' for path, value in done)}", documents


def _shown(value: Any) -> str:
    if isinstance(value, _Appended):
        return f"+ {value.value}"
    return "left out" if value is _LEFT_OUT else f"= {value!r}"


def _fits(documents: Documents, path: str) -> bool:
    """Whether all but the last key of the path are there; and the last one, where it is a position in a list."""
    holder, key = _holder(documents, path)
    return isinstance(holder, dict) or (isinstance(holder, list) and int(key) < len(holder))


def _apply(documents: Documents, path: str, value: Any) -> None:
    holder, key = _holder(documents, path)
    at = int(key) if isinstance(holder, list) else key
    if value is _LEFT_OUT:
        holder.pop(at, None)
    elif isinstance(value, _Appended):
        holder[at] = [*holder.get(at, ()), copy.deepcopy(value.value)]
    else:
        holder[at] = copy.deepcopy(value)


def _holder(documents: Documents, path: str) -> tuple[Any, str]:
    """What holds a path's last key, and that key; `KIND/NAME:PATH` is a path in an object beside the Rollout."""
    name, _, rest = path.rpartition(":")
    named = {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}
    *above, key = rest.split(".")
    holder: Any = named.get(name) if name else documents[0]
    for part in above:
        if isinstance(holder, list):
            holder = holder[int(part)] if int(part) < len(holder) else None
        elif isinstance(holder, dict):
            holder = holder.get(part)
    return holder, key


def _rollout(strategy: Mapping[str, Any]) -> dict[str, Any]:
    container = {"name": "app", "image": "localhost/app:1"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "app", "namespace": "lab"},
        "spec": {
            "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}},
            "strategy": strategy,
        },
    }


def _service(name: str) -> dict[str, Any]:
    spec = {"selector": {"app": "app"}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "lab"}, "spec": spec}


def _istio(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    meta = {"name": "app", "namespace": "lab"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec}


def _route(*destinations: Mapping[str, str]) -> dict[str, Any]:
    weights = (100, 0)
    return {
        "name": "primary",
        "route": [{"destination": to, "weight": weight} for to, weight in zip(destinations, weights, strict=True)],
    }


_PAIR = {"canaryService": "canary", "stableService": "stable"}
_SERVICES = [_service("canary"), _service("stable")]
_BY_SERVICES = _istio("VirtualService", {"hosts": ["app"], "http": [_route({"host": "stable"}, {"host": "canary"})]})
_BY_SUBSETS = _istio(
    "VirtualService",
    {"hosts": ["app"], "http": [_route({"host": "app", "subset": "stable"}, {"host": "app", "subset": "canary"})]},
)
_SUBSETS = _istio("DestinationRule", {"host": "app", "subsets": [{"name": "stable"}, {"name": "canary"}]})
_TO_APP = {"virtualService": {"name": "app", "routes": ["primary"]}}
_SUBSET_NAMES = {"name": "app", "stableSubsetName": "stable", "canarySubsetName": "canary"}
_HEADER = {"name": "testers", "match": [{"headerName": "X-Tester", "headerValue": {"exact": "yes"}}]}
_MIRROR = {"name": "shadow", "percentage": 50, "match": [{"method": {"exact": "GET"}, "path": {"prefix": "/"}}]}
_STEPS = [{"setWeight": 20}, {"pause": {}}]

_BASES: dict[str, Documents] = {
    "without routing": [_rollout({"canary": {"steps": _STEPS}})],
    "istio": [
        _rollout(
            {
                "canary": {
                    **_PAIR,
                    "trafficRouting": {"istio": _TO_APP, "managedRoutes": [{"name": "testers"}, {"name": "shadow"}]},
                    "steps": [
                        *_STEPS,
                        {"setCanaryScale": {"weight": 50}},
                        {"setHeaderRoute": _HEADER},
                        {"setMirrorRoute": _MIRROR},
                        {"analysis": {"templates": [{"templateName": "probe"}], "args": [{"name": "a", "value": "1"}]}},
                    ],
                }
            }
        ),
        *_SERVICES,
        _BY_SERVICES,
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AnalysisTemplate",
            "metadata": {"name": "probe", "namespace": "lab"},
            "spec": {"metrics": []},
        },
    ],
    "subsets": [
        _rollout(
            {"canary": {"trafficRouting": {"istio": {**_TO_APP, "destinationRule": _SUBSET_NAMES}}, "steps": _STEPS}}
        ),
        _BY_SUBSETS,
        _SUBSETS,
    ],
    "plugin": [
        _rollout(
            {"canary": {**_PAIR, "trafficRouting": {"plugins": {"x/y": {}}, "maxTrafficWeight": 1000}, "steps": _STEPS}}
        ),
        *_SERVICES,
    ],
    "alb": [
        _rollout(
            {
                "canary": {
                    **_PAIR,
                    "trafficRouting": {
                        "alb": {"ingress": "app", "servicePort": 80},
                        "managedRoutes": [{"name": "testers"}],
                    },
                    "steps": [*_STEPS, {"pause": {}}, {"setHeaderRoute": _HEADER}],
                }
            }
        ),
        *_SERVICES,
    ],
    "blue-green": [_rollout({"blueGreen": {"activeService": "stable", "previewService": "canary"}}), *_SERVICES],
}

_WORKLOAD = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "app", "namespace": "lab"},
    "spec": {"template": {"metadata": {"labels": {"app": "app"}}}},
}
for _documents in _BASES.values():
    _documents.append(_WORKLOAD)

_PING_PONG = {"pingService": "ping", "pongService": "pong"}
_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}
_ROUTED = "spec.strategy.canary.trafficRouting"
_STEP = "spec.strategy.canary.steps"
_FIELD_REFS = ("metadata.name", "metadata.labels['a']", "metadata.foo", "metadata.labels['a b']", "metadata.uid['a']")
_ANTI: Sequence[Mapping[str, Any]] = (
    {},
    {"requiredDuringSchedulingIgnoredDuringExecution": {}},
    {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 100}},
    {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 0}},
    {
        "requiredDuringSchedulingIgnoredDuringExecution": {},
        "preferredDuringSchedulingIgnoredDuringExecution": {"weight": 1},
    },
)

_ANYWHERE: dict[str, Sequence[Any]] = {
    "spec.replicas": (0, -1, "3"),
    "spec.minReadySeconds": (599, 600, -1),
    "spec.progressDeadlineSeconds": (0, 1, -1),
    "spec.revisionHistoryLimit": (0, 1, -1),
    "spec.rollbackWindow": ({"revisions": 3},),
    "spec.paused": (True, "yes"),
    "spec.selector": (
        _LEFT_OUT,
        {},
        {"matchLabels": {"app": "other"}},
        {"matchLabels": {"app": "app", "tier": "front"}},
        {"matchLabels": {"app": "a b"}},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["app", "b"]}]},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["other"]}]},
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["app"]}]},
        {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
        {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["back"]}]},
        {"matchExpressions": [{"key": "app", "operator": "Like", "values": ["app"]}]},
        {"matchExpressions": [{"key": "app", "operator": "In"}]},
    ),
    "spec.template": (_LEFT_OUT,),
    "spec.template.metadata.labels": (
        {"app": "app", "more": "labels"},
        {"app": "b"},
        _LEFT_OUT,
        {"app": "app", "b": "x y"},
    ),
    "spec.template.spec.containers": ([], [{"name": "App", "image": "x"}], [{"name": "app"}]),
    "spec.template.spec.restartPolicy": ("Always", "Never"),
    "spec.workloadRef": (_DEPLOYMENT,),
    "spec.strategy.blueGreen": (
        {"activeService": "canary"},
        {"activeService": "stable", "previewService": "stable"},
        {},
    ),
    "spec.strategy.blueGreen.previewService": (_LEFT_OUT, "missing"),
    "spec.strategy.blueGreen.scaleDownDelayRevisionLimit": (1, 10, 11),
    "spec.strategy.blueGreen.antiAffinity": _ANTI,
    "spec.strategy.blueGreen.maxUnavailable": (0,),
    "spec.strategy.blueGreen.previewReplicaCount": (1,),
    "spec.strategy.blueGreen.prePromotionAnalysis": ({"templates": [{"templateName": "nowhere"}]},),
    "spec.strategy.canary.antiAffinity": _ANTI,
    "spec.strategy.canary.maxSurge": (0, "0%", "25%", 1),
    "spec.strategy.canary.maxUnavailable": (0, "50%"),
    "spec.strategy.canary.abortScaleDownDelaySeconds": (0, 30, "30s"),
    "spec.strategy.canary.analysis": ({"templates": [{"templateName": "nowhere"}], "startingStep": 1},),
    _STEP: (
        [],
        _LEFT_OUT,
        _Appended({}),
        _Appended({"setWeight": 30, "pause": {}}),
        _Appended({"pause": None}),
        _Appended({"setWieght": 5}),
        _Appended({"setWeight": "5%"}),
        _Appended({"plugin": {"name": "x/y"}}),
        _Appended({"analysis": {"templates": [{"templateName": "nowhere"}]}}),
        *(
            _Appended({"analysis": {"args": [{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": path}}}]}})
            for path in _FIELD_REFS
        ),
        _Appended(
            {
                "experiment": {
                    "templates": [{"name": "a", "specRef": "canary"}],
                    "analyses": [
                        {
                            "name": "b",
                            "templateName": "nowhere",
                            "args": [{"name": "c", "valueFrom": {"fieldRef": {"fieldPath": "metadata.foo"}}}],
                        }
                    ],
                }
            }
        ),
    ),
    f"{_STEP}.1.pause": (
        {"duration": 0},
        {"duration": 30},
        {"duration": -1},
        {"duration": "30"},
        {"duration": "1h30m"},
        {"duration": "1d"},
        {"duration": "-5s"},
        {"duration": "-0.5s"},
        {"duration": ""},
        {"duration": "3000000000"},
        {"until": "tomorrow"},
    ),
    f"{_STEP}.5.analysis.templates.0.templateName": ("prob",),
}
"""What every router has in common."""

_BY_ROUTER: dict[str, Sequence[Any]] = {
    _STEP: (
        _Appended({"setWeight": 30, "setCanaryScale": {"replicas": 1}}),
        _Appended({"setCanaryScale": {"matchTrafficWeight": True}}),
        _Appended({"setCanaryScale": {"replicas": -1}}),
        _Appended({"setCanaryScale": {"weight": 150}}),
        _Appended({"setHeaderRoute": {"name": "testers"}}),
        _Appended({"setHeaderRoute": {"name": "nobody"}}),
        _Appended({"setHeaderRoute": _HEADER}),
        _Appended({"setMirrorRoute": _MIRROR}),
        _Appended(
            {
                "experiment": {
                    "templates": [{"name": "a", "specRef": "canary", "weight": 5}],
                    "analyses": [{"name": "b", "templateName": "probe"}],
                }
            }
        ),
    ),
    "spec.strategy": ({}, {"canary": {}}, {"blueGreen": {"activeService": "stable"}}, {"rolling": {}}),
    "spec.strategy.canary.canaryService": (_LEFT_OUT, "", "stable", "missing"),
    "spec.strategy.canary.stableService": (_LEFT_OUT, "other"),
    "spec.strategy.canary.pingPong": (
        _PING_PONG,
        {"pingService": "ping", "pongService": "ping"},
        {"pingService": "ping", "pongService": ""},
    ),
    "spec.strategy.canary.scaleDownDelaySeconds": (0, 30),
    "spec.strategy.canary.dynamicStableScale": (True, False),
    f"{_STEP}.0.setWeight": (100, 101, -1, 1000, 1001),
    f"{_STEP}.3.setHeaderRoute.name": ("nobody",),
    f"{_STEP}.3.setHeaderRoute.match.0.headerValue": (
        {"exact": "a", "prefix": "b"},
        {"prefix": "b"},
        {"regex": "b.*"},
        {},
        _LEFT_OUT,
    ),
    f"{_STEP}.4.setMirrorRoute.match.0.path": ({"exact": "a", "regex": "b"}, {}, _LEFT_OUT),
    f"{_STEP}.4.setMirrorRoute.match.0.method": ({"exact": "a", "regex": "b"},),
    f"{_STEP}.4.setMirrorRoute.percentage": (101, _LEFT_OUT),
    _ROUTED: (_LEFT_OUT, {"apisix": {}}, {"traefik": {"weightedTraefikServiceName": "a"}}, {"nginx": {}}),
    f"{_ROUTED}.maxTrafficWeight": (100, _LEFT_OUT),
    f"{_ROUTED}.managedRoutes": (_LEFT_OUT, [], [{"name": "testers"}]),
    f"{_ROUTED}.plugins": ({"x/y": {}}, {}),
    f"{_ROUTED}.apisix": ({},),
    f"{_ROUTED}.smi": ({},),
    f"{_ROUTED}.istio": (_LEFT_OUT, {}),
    f"{_ROUTED}.istio.virtualService": (
        _LEFT_OUT,
        {"name": "nowhere"},
        {"name": "app"},
        {"name": "app", "routes": ["second"]},
    ),
    f"{_ROUTED}.istio.virtualServices": ([{"name": "app"}], []),
    f"{_ROUTED}.istio.destinationRule.canarySubsetName": ("canaryy",),
    f"{_ROUTED}.alb.rootService": ("stable",),
    "Service/canary:spec.selector": ({"app": "other"}, {"app": "app", "tier": "front"}, {}),
    "Service/stable:spec.selector": ({"app": "app", "rollouts-pod-template-hash": "abc"},),
    "VirtualService/app:spec.http": ([], _LEFT_OUT),
    "VirtualService/app:spec.http.0.route": ([{"destination": {"host": "stable"}}],),
    "VirtualService/app:spec.http.0.name": ("renamed",),
    "VirtualService/app:spec.tls": ([{"match": [{"port": 443}], "route": [{"destination": {"host": "stable"}}]}],),
}

_CANARY = "spec.strategy.canary"
_CHOSEN = f"{_ROUTED}.istio.virtualService"
_HTTP = "VirtualService/app:spec.http"
_TO_BOTH: dict[str, Any] = _route({"host": "stable"}, {"host": "canary"})
_TO_CANARY: dict[str, Any] = {"name": "primary", "route": [{"destination": {"host": "canary"}}]}
_BY_NAME = {"match": [{"port": 443, "sniHosts": ["app"]}], "route": _TO_BOTH["route"]}
_LEGACY = {"destination": {"host": "legacy"}, "weight": 10}
_UNNAMED = {"route": [{"destination": {"host": "stable"}}]}


def _on(*ports: int, names: Sequence[str] = ()) -> dict[str, Any]:
    """A route to both by these ports, with these SNI hosts for each."""
    by_name = {"sniHosts": list(names)} if names else {}
    return {"match": [{"port": port, **by_name} for port in ports], "route": _TO_BOTH["route"]}


_ELSEWHERE = {"match": [{"port": 9000}], "route": [{"destination": {"host": "legacy"}}]}
_BY_HTTP = {"routes": ["primary"]}
_STREAMS: Sequence[tuple[str, dict[str, Any], list[dict[str, Any]]]] = (
    ("tcp", _BY_HTTP, [_ELSEWHERE]),
    ("tcp", _BY_HTTP, [_on(9001), _ELSEWHERE]),
    ("tcp", {**_BY_HTTP, "tcpRoutes": [{"port": 9001}]}, [_on(9001), _ELSEWHERE]),
    ("tcp", {**_BY_HTTP, "tcpRoutes": [{"port": 9000}]}, [_on(9001), _ELSEWHERE]),
    ("tcp", {**_BY_HTTP, "tcpRoutes": [{"port": 9002}]}, [_on(9001), _ELSEWHERE]),
    ("tcp", {**_BY_HTTP, "tcpRoutes": [{"port": 9001}]}, [_on(9001, 9002)]),
    ("tls", {**_BY_HTTP, "tlsRoutes": [{"port": 443, "sniHosts": ["b", "a"]}]}, [_on(443, names=["a", "b"])]),
    ("tls", {**_BY_HTTP, "tlsRoutes": [{"port": 443, "sniHosts": ["a"]}]}, [_on(443, names=["a", "b"])]),
    ("tls", {**_BY_HTTP, "tlsRoutes": [{"sniHosts": ["a"]}]}, [_on(443, names=["a"])]),
)
_TOGETHER: Sequence[Sequence[_Change]] = (
    ((f"{_CANARY}.maxSurge", 0), (f"{_CANARY}.maxUnavailable", 0)),
    ((f"{_CANARY}.maxSurge", "0%"), (f"{_CANARY}.maxUnavailable", "0")),
    ((f"{_CANARY}.maxSurge", 0), (f"{_CANARY}.maxUnavailable", "1%")),
    ((f"{_CANARY}.dynamicStableScale", True), (f"{_CANARY}.scaleDownDelaySeconds", 0)),
    ((f"{_CANARY}.dynamicStableScale", True), (f"{_CANARY}.abortScaleDownDelaySeconds", 0)),
    ((f"{_CANARY}.pingPong", _PING_PONG), (f"{_CANARY}.stableService", _LEFT_OUT)),
    ((f"{_CANARY}.canaryService", _LEFT_OUT), (f"{_ROUTED}.smi", {})),
    ((f"{_ROUTED}.istio.virtualService", _LEFT_OUT), (f"{_ROUTED}.istio.virtualServices", [{"name": "app"}])),
    ((f"{_ROUTED}.managedRoutes", [{"name": "primary"}]), (_STEP, [])),
    ((_CHOSEN, {"name": "app"}), (_HTTP, [_TO_BOTH, {**_TO_BOTH, "name": "second"}])),
    ((_CHOSEN, {"name": "app"}), (_HTTP, [_TO_BOTH, {**_TO_BOTH, "name": "testers"}])),
    ((_CHOSEN, {"name": "app"}), (_HTTP, [{**_TO_CANARY, "name": "testers"}, _TO_BOTH])),
    ((_CHOSEN, {"name": "app"}), (_HTTP, [_TO_CANARY])),
    ((_CHOSEN, {"name": "app", "routes": ["testers"]}), (_HTTP, [_TO_BOTH, {**_TO_BOTH, "name": "testers"}])),
    ((_HTTP, _LEFT_OUT), ("VirtualService/app:spec.tls", [_BY_NAME])),
    ((_HTTP, _LEFT_OUT), ("VirtualService/app:spec.tls", [_BY_NAME, _BY_NAME])),
    ((_HTTP, _LEFT_OUT), ("VirtualService/app:spec.tcp", [{"route": _TO_CANARY["route"]}])),
    ((_HTTP, [{**_TO_BOTH, "route": [*_TO_BOTH["route"], _LEGACY]}]), (f"{_CANARY}.maxSurge", 1)),
    ((_HTTP, [_UNNAMED, _UNNAMED, _TO_BOTH]), (f"{_ROUTED}.managedRoutes.0.name", "testers")),
    ((_HTTP, [_UNNAMED, _TO_BOTH]), (f"{_ROUTED}.managedRoutes.0.name", "testers")),
    *(
        ((_CHOSEN, {"name": "app", **chosen}), (f"VirtualService/app:spec.{protocol}", routes))
        for protocol, chosen, routes in _STREAMS
    ),
    (("spec.minReadySeconds", 30), ("spec.progressDeadlineSeconds", 30)),
    (("spec.minReadySeconds", 30), ("spec.progressDeadlineSeconds", 31)),
    (("spec.revisionHistoryLimit", 1), ("spec.strategy.blueGreen.scaleDownDelayRevisionLimit", 2)),
    (("spec.template", _LEFT_OUT), ("spec.workloadRef", _DEPLOYMENT)),
    (("spec.template.metadata", {"annotations": {"a": "b"}}), ("spec.workloadRef", _DEPLOYMENT)),
)
"""What is wrong, or right, only because of each other."""
