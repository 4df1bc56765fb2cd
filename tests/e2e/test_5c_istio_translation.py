"""istiod's own translation is the oracle of how routes are read: from the objects, and from what Envoy is given.

`tests/oracles/istiod` makes of a set of Gateways, VirtualServices and DestinationRules what istiod hands to a gateway's
Envoy; both readings of it have to send every request the same way, to the same pods.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
import yaml
from support.fake_cluster import FakeCluster
from support.generated_routing import (
    DOMAIN,
    OUTSIDE,
    PROXY_ADDRESS,
    PROXY_LABELS,
    PROXY_NAMESPACE,
    SERVICES,
    pods_of,
    request,
    routing,
)

from canarylab.cancel import Cancel
from canarylab.paths import REPOSITORY
from canarylab.pins import pins
from canarylab.rollouts.routes import envoy
from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.gateways import Routing
from canarylab.rollouts.routes.layer_view import Shares, evenly
from canarylab.rollouts.routes.match import Proxy, Request
from canarylab.rollouts.routes.route import Destination, Route
from canarylab.tools import go
from canarylab.tools.runner import Runner

_SETS = 500
_REQUESTS = 8
_TOGETHER = 125
"""Sets that one process of the oracle is asked about."""
_PROXY = Proxy(PROXY_NAMESPACE, PROXY_LABELS, addresses=(PROXY_ADDRESS,))
_NOBODY_OF_OURS: Shares = {"": 100}

Objects = list[dict[str, Any]]


class Sample(NamedTuple):
    """A set of objects, and requests to ask about."""

    objects: Objects
    requests: Sequence[Request]


def _samples() -> Sequence[Sample]:
    """All at once: the oracle is asked about them in one go. The same each time."""
    found = list[Sample]()
    for seed in range(_SETS):
        random = Random(seed)
        objects = routing(random)
        found.append(Sample(objects, [request(random, objects) for _ in range(_REQUESTS)]))
    return found


@pytest.fixture(scope="module")
def istiod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oracle, compiled as a part of the node's module, so that it is the Istio that the node runs."""
    module, program = tmp_path_factory.mktemp("oracle"), tmp_path_factory.mktemp("programs") / "istiod"
    shutil.copytree(REPOSITORY / "tests/oracles/istiod", module / "istiod")
    for name in ("go.mod", "go.sum"):
        shutil.copy(REPOSITORY / "node" / name, module / name)
    go.find(Runner(Cancel()), pins().go).build(module, ["./istiod"], program)
    return program


class Translated:
    """What istiod makes of a set, in the form in which Envoy's admin interface gives it."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        assert not answer.get("error"), answer
        assert not answer.get("refused"), f"the generator makes what istiod refuses: {answer['refused']}"
        self._listeners = {
            "configs": [{"active_state": {"listener": one}} for one in answer["listeners"] or ()],
        }
        self._routes = {"configs": [{"route_config": one} for one in answer["routes"] or ()]}
        self._clusters = answer["clusters"]

    def route(self, request: Request) -> Route | None:
        return envoy.route(self._listeners, self._routes, request, request.port, _PROXY.addresses)

    def shares(self, to: Destination) -> Shares:
        """Of the revisions of the pods behind the cluster; none where there is no such cluster."""
        return evenly(_REVISIONS.get(address, "") for address in self._clusters.get(to.cluster, ()))


class Read:
    """What our own code makes of it."""

    def __init__(self, objects: Objects) -> None:
        self._routing = Routing(_of(objects, "Gateway"), _of(objects, "VirtualService"), _PROXY)
        rules = _of(objects, "DestinationRule")
        self._backends = {namespace: _backends(namespace, rules) for namespace in {place for _, place in SERVICES}}
        self.shares = functools.cache(self._shares)

    def route(self, request: Request) -> Route | None:
        return self._routing.route(request)

    def _shares(self, to: Destination) -> Shares:
        return self._backends[to.namespace].of(to) if to.namespace else _NOBODY_OF_OURS


def test_both_readings_send_every_request_where_istiod_sends_it(istiod: Path) -> None:
    seen, samples = Counter[str](), _samples()
    for sample, translated in zip(samples, _ask(istiod, samples), strict=True):
        ours = Read(sample.objects)
        for asked in sample.requests:
            route = translated.route(asked)
            wanted, found = _in_short(route, translated.shares), _in_short(ours.route(asked), ours.shares)
            assert found == wanted, f"{asked} of\n{yaml.safe_dump_all(sample.objects)}"
            seen.update(_became_of(route, translated.shares))
    # It may not pass for want of routes.
    assert len(samples) >= _SETS
    assert seen["passed on"] >= _SETS
    assert min(seen[each] for each in _OUTCOMES) >= 10, seen


_OUTCOMES = (
    "no route",
    "a redirect",
    "a redirect to HTTPS",
    "an answer of its own",
    "mirrored",
    "aborted",
    "tcp",
    "tls",
    "a subset of some pods",
    "a subset that there is none of",
)


def _became_of(route: Route | None, shares: Any) -> list[str]:
    if route is None:
        return ["no route"]
    if route.answer:
        return [route.answer]
    subsets = [shares(to) for to in route.destinations if to.subset and to.percent]
    return [
        "passed on",
        route.protocol,
        *(["mirrored"] if route.mirrors else ()),
        *(["aborted"] if route.aborted else ()),
        *("a subset of some pods" if found else "a subset that there is none of" for found in subsets),
    ]


def _ask(program: Path, samples: Sequence[Sample]) -> list[Translated]:
    """By several processes at once: each waits for itself half of the time."""
    parts = [samples[start : start + _TOGETHER] for start in range(0, len(samples), _TOGETHER)]
    with ThreadPoolExecutor(len(parts)) as pool:
        return [one for answered in pool.map(functools.partial(_answers, program), parts) for one in answered]


def _answers(program: Path, samples: Iterable[Sample]) -> list[Translated]:
    asked = "".join(json.dumps(_question(sample.objects)) + "\n" for sample in samples)
    done = subprocess.run([program], input=asked, stdout=subprocess.PIPE, text=True, check=True)
    return [Translated(json.loads(line)) for line in done.stdout.splitlines()]


def _question(objects: Objects) -> dict[str, Any]:
    outside = {"name": OUTSIDE, "namespace": "shop", "pods": [{"address": "203.0.113.1"}]}
    return {
        "objects": "\n---\n".join(map(json.dumps, objects)),  # which is YAML, too
        "services": [*_SERVICES, outside],
        "namespace": PROXY_NAMESPACE,
        "labels": PROXY_LABELS,
        "address": PROXY_ADDRESS,
    }


_SERVICES = [
    {
        "name": f"{name}.{namespace}.{DOMAIN}",
        "namespace": namespace,
        "pods": [{"address": address, "labels": labels} for address, labels in pods_of(name, namespace).items()],
    }
    for name, namespace in SERVICES
]
_REVISIONS = {
    address: labels["rollouts-pod-template-hash"]
    for service in SERVICES
    for address, labels in pods_of(*service).items()
}


def _backends(namespace: str, rules: Objects) -> Backends:
    """The same Services and pods as objects of a cluster."""
    kinds = [("networking.istio.io/v1", "DestinationRule"), ("discovery.k8s.io/v1", "EndpointSlice")]
    there = [_OBJECTS[service] for service in SERVICES if service[1] == namespace]
    cluster = FakeCluster(*(one for objects in there for one in objects), *rules, kinds=kinds)
    return Backends(cluster, namespace, _PROXY)  # type: ignore[arg-type]


def _objects_of(name: str, namespace: str) -> Objects:
    labels = {"kubernetes.io/service-name": name}
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": address, "namespace": namespace, "labels": labelled}}
        for address, labelled in pods_of(name, namespace).items()
    ]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {}}
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "endpoints": [{"targetRef": {"name": address}} for address in pods_of(name, namespace)],
    }
    return [service, endpoints, *pods]


_OBJECTS = {service: _objects_of(*service) for service in SERVICES}


def _of(objects: Objects, kind: str) -> Objects:
    return [one for one in objects if one["kind"] == kind]


def _in_short(route: Route | None, shares: Any) -> Any:
    """By what it can be held against another reading: names as they are written, and who is behind them."""
    if route is None:
        return "no route"
    if route.answer:
        return route.answer
    copied = route.mirrors if route.protocol == "http" else ()
    seen = Route("", route.destinations, copied).seen(shares)
    who = [{name: round(share, 3) for name, share in part.items() if share} for part in (seen.shares, seen.mirrored)]
    return _named(route.destinations), _named(copied), *who, round(route.aborted, 3)


def _named(destinations: Sequence[Destination]) -> dict[str, float]:
    """Percent by namespace, Service and subset; istiod leaves out what gets nothing."""
    found = Counter[str]()
    for one in destinations:
        found[f"{one.namespace}/{one.service}/{one.subset}"] += one.percent  # type: ignore[assignment]
    return {name: round(share, 3) for name, share in found.items() if share}
