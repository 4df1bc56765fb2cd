"""The Envoys behind a gateway's Service: what they were configured with, and what they counted."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from canarylab.errors import StageError
from canarylab.kube.client import ApiError
from canarylab.kube.forward import PodPort
from canarylab.kube.objects import Object, condition, dig, labels_of, listed
from canarylab.rollouts.routes import envoy
from canarylab.rollouts.routes.backends import Backends, pods_behind
from canarylab.rollouts.routes.layer_view import LayerView, Shares, evenly
from canarylab.rollouts.routes.match import Proxy, Request
from canarylab.rollouts.routes.route import Destination, Route

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

_CONTAINER = "istio-proxy"


class Proxies:
    """Asks over connections that are kept open, since a proxy can't be watched, only asked again."""

    def __init__(self, cluster: Cluster, service: Object) -> None:
        """Those that are ready behind the Service now; none where it stands in front of something else."""
        namespace = service["metadata"]["namespace"]
        pods = pods_behind(cluster, service)
        self._targets = proxy_of(service, pods).target_ports
        self._ports = {
            pod["metadata"]["name"]: PodPort(cluster, namespace, pod["metadata"]["name"], envoy.ADMIN_PORT)
            for pod in pods
            if _is_proxy(pod) and condition(pod, "Ready").get("status") == "True"
        }

    def __enter__(self) -> Proxies:
        return self

    def __exit__(self, *_: object) -> None:
        for port in self._ports.values():
            port.close()

    def __bool__(self) -> bool:
        return bool(self._ports)

    def seen(self, request: Request, backends: Backends) -> list[LayerView]:
        """What each of them would do with such a request; one that can't be asked says so."""
        return [self._seen(name, port, request, backends) for name, port in self._ports.items()]

    def counts(self, request: Request, backends: Backends) -> Counter[str]:
        """Such requests (of TLS: connections) that all of them together have sent to each revision so far.

        Others' requests that take the same route are counted, too. Raises ApiError or StageError where one
        can't be asked.
        """
        counted: Counter[str] = Counter()
        for port in self._ports.values():
            if route := self._route(port, request):
                found = envoy.endpoints(port.json(envoy.CLUSTERS))
                for endpoint in (each for to in route.destinations for each in found.get(to.cluster, ())):
                    revision = backends.by_address.get(endpoint.address, "")
                    counted[revision] += endpoint.connections if request.tls else endpoint.requests
        return counted

    def _seen(self, name: str, port: PodPort, request: Request, backends: Backends) -> LayerView:
        where = f"Envoy of {name}"
        try:
            route = self._route(port, request)
            found = envoy.endpoints(port.json(envoy.CLUSTERS))
        except (ApiError, StageError) as error:
            return LayerView(where, "it can't be asked", {}, cause=str(error))
        if route is None:
            return LayerView(where, f"no route for {request.host}", {})

        def revisions(to: Destination) -> Shares:
            healthy = (each.address for each in found.get(to.cluster, ()) if each.healthy)
            return evenly(backends.by_address.get(address, "") for address in healthy)

        return dataclasses.replace(route, where=where).seen(revisions)

    def _route(self, port: PodPort, request: Request) -> Route | None:
        at = self._targets.get(request.port, request.port)
        return envoy.route(port.json(envoy.LISTENERS), port.json(envoy.ROUTES), request, at)


def proxy_of(service: Object, pods: Sequence[Object]) -> Proxy:
    """A gateway as istiod looks at it, by its Service and the pods behind it."""
    pod = next(iter(pods), {})
    named = {
        port["name"]: port["containerPort"]
        for container in listed(pod, "spec", "containers")
        for port in container.get("ports") or ()
        if port.get("name")
    }
    targets = {port["port"]: port.get("targetPort", port["port"]) for port in listed(service, "spec", "ports")}
    return Proxy(
        service["metadata"]["namespace"],
        labels_of(pod) or dig(service, "spec", "selector") or {},
        {port: named.get(target, port) if isinstance(target, str) else target for port, target in targets.items()},
    )


def _is_proxy(pod: Object) -> bool:
    """Whether Envoy is what the pod is for, and not a sidecar of it."""
    return [each["name"] for each in pod["spec"]["containers"]] == [_CONTAINER]
