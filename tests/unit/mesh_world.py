"""What stands between the requests and the pods of a world: Services, route objects, the gateway and its Envoy.

Each of the layers has the weight of the one before it, unless a test gives it another: `routed` to the route objects,
`configured` to the proxy, `flowing` to the requests.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from envoy_samples import cluster, clusters, endpoint, http_route, listeners, mirrored, routes, weighted, with_header
from loopback import Seen, answer

from canarylab.errors import StageError
from canarylab.kube.client import ApiError
from canarylab.kube.forward import PodPort
from canarylab.rollouts.routes import envoy

if TYPE_CHECKING:
    import pytest
    from demo_world import World

HASHES = {"blue": "c5d6b64c6", "yellow": "6877dff844", "green": "5f8b7d9c4"}
ADDRESSES = {"blue": "10.244.0.11", "yellow": "10.244.0.12", "green": "10.244.0.13"}
APP = {"app": "rollouts-demo"}
HASH = "rollouts-pod-template-hash"
VSVC1, VSVC2 = "rollouts-demo-vsvc1", "rollouts-demo-vsvc2"
STABLE, CANARY = "rollouts-demo-stable", "rollouts-demo-canary"
HOSTS = {VSVC1: "any.rollouts-demo-vsvc1.bookinfo.com", VSVC2: "any.rollouts-demo-vsvc2.bookinfo.com"}
SNI = {name: f"reviews.{name}.bookinfo.com" for name in HOSTS}
GATEWAY_POD = "istio-ingressgateway-7d8f9"
TESTERS = ("X-Tester", "yes")
_PORTS = {VSVC1: 15372, VSVC2: 15373}
_TLS_PORT = 3000


class Mesh:
    """Two VirtualServices behind one gateway; the demo's own Service can stand before its pods instead."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.routed: int | None = None
        self.configured: int | None = None
        self.flowing: int | None = None
        self.late = 0
        """So many times the proxy still says that stable gets everything."""
        self.mirror = 0
        """Percent that the routes copy to the canary."""
        self.copied: int | None = None
        """Percent that is copied in truth; None: as the routes say."""
        self.slow_copies = 0
        """So many times the canary still says that it got one copy less."""
        self.testers = False
        """Whether requests with the header TESTERS go to the canary."""
        self.silent = False
        """Whether answers leave out who gave them."""
        self.redirects = False
        """Whether the Gateway sends plain requests to HTTPS."""
        self.is_up = True
        """Whether the gateway's pod is ready."""
        self.known = [VSVC1, VSVC2]
        """The VirtualServices that there are."""
        self.unreachable: set[str] = set()
        """Names of pods whose ports can't be asked."""
        self.answered = 0
        self._sent: Counter[tuple[str, str, str]] = Counter()
        self.arrived: Counter[str] = Counter()
        """Requests that the pods have counted, by their image."""

    # -- weights, in percent of the canary ----------------------------------------------------------------------------

    @property
    def _routed(self) -> int:
        return self._world.weight if self.routed is None else self.routed

    @property
    def _configured(self) -> int:
        return self._routed if self.configured is None else self.configured

    @property
    def _flowing(self) -> int:
        return self._configured if self.flowing is None else self.flowing

    # -- objects ------------------------------------------------------------------------------------------------------

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind."""
        known: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "Service": self.services,
            "EndpointSlice": self.slices,
            "Pod": lambda: [*self._world.pods(), self._gateway_pod()],
            "VirtualService": lambda: [self.virtual_service(name) for name in self.known],
            "Gateway": lambda: [self.gateway()],
            "DestinationRule": list,
        }
        return known[kind]()

    def services(self) -> list[dict[str, Any]]:
        hashes = {STABLE: HASHES[self._world.stable], CANARY: HASHES[self._world.current]}
        inside = [_service("default", name, {**APP, HASH: digest}) for name, digest in hashes.items()]
        outside = [("default", "rollouts-demo", APP), ("istio-ingress", "istio-ingressgateway", {"istio": "ingress"})]
        return inside + [{**_service(*each), "status": self._status()} for each in outside]

    def _status(self) -> dict[str, Any]:
        address = self._world.address
        return {"loadBalancer": {"ingress": [{"ip": address}] if address else []}}

    def slices(self) -> list[dict[str, Any]]:
        pods = {"rollouts-demo": self._up(), STABLE: [self._world.stable], CANARY: [self._world.current]}
        return [_slice(name, each) for name, each in pods.items()]

    def _up(self) -> list[str]:
        return [color for color, revision in self._world.revisions.items() if revision["replicas"]]

    def virtual_service(self, name: str) -> dict[str, Any]:
        weights = [(STABLE, 100 - self._routed), (CANARY, self._routed)]
        route = [{"destination": {"host": host}, "weight": weight} for host, weight in weights]
        http: list[dict[str, Any]] = [{"name": {VSVC1: "primary", VSVC2: "secondary"}[name], "route": route}]
        if self.mirror:
            copies = {"mirror": {"host": CANARY}, "mirrorPercentage": {"value": self.mirror}}
            http.insert(0, {"name": "shadow", "match": [{"uri": {"prefix": "/"}}], "route": route, **copies})
        if self.testers:
            match = {"headers": {TESTERS[0]: {"exact": TESTERS[1]}}}
            to_canary = [{"destination": {"host": CANARY}, "weight": 100}]
            http.insert(0, {"name": "testers", "match": [match], "route": to_canary})
        tls = {"match": [{"port": _TLS_PORT, "sniHosts": [SNI[name]]}], "route": route}
        spec = {"gateways": ["demo"], "hosts": [f"*.{name}.bookinfo.com"], "http": http, "tls": [tls]}
        return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}

    def gateway(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*"]}
        if self.redirects:
            plain["tls"] = {"httpsRedirect": True}
        tls = {"port": {"number": _TLS_PORT, "protocol": "TLS"}, "hosts": ["*"], "tls": {"mode": "PASSTHROUGH"}}
        spec = {"selector": {"istio": "ingress"}, "servers": [plain, tls]}
        return {"metadata": {"name": "demo", "namespace": "default"}, "spec": spec}

    def _gateway_pod(self) -> dict[str, Any]:
        return {
            "metadata": {"name": GATEWAY_POD, "namespace": "istio-ingress", "labels": {"istio": "ingress"}},
            "spec": {"containers": [{"name": "istio-proxy"}]},
            "status": {"conditions": [{"type": "Ready", "status": str(self.is_up)}]},
        }

    # -- the ports of pods --------------------------------------------------------------------------------------------

    def get(self, pod: str, port: int, path: str) -> bytes:
        if pod in self.unreachable:
            raise ApiError("error forwarding port: connection refused", None, where=f"Pod {pod}, port {port}")
        if (pod, port) == (GATEWAY_POD, envoy.ADMIN_PORT):
            known = {envoy.ROUTES: self._route_dump, envoy.LISTENERS: self._listener_dump}
            return json.dumps(known.get(path, self._cluster_dump)()).encode()
        if (port, path) != (8080, "/stats"):
            raise StageError(f"{path} returned status 404", where=pod)
        arrived = next(self.arrived[color] for color, digest in HASHES.items() if digest in pod)
        if arrived and self.slow_copies:
            self.slow_copies, arrived = self.slow_copies - 1, arrived - 1
        # Istio no longer marks copies by their Host, so the application takes them for users' requests.
        return json.dumps({"total": {"users": {"requests": arrived}, "mirrored": {"requests": 0}}}).encode()

    def _learnt(self) -> int:
        if self.late:
            self.late -= 1
            return 0
        return self._configured

    def _route_dump(self) -> dict[str, Any]:
        weight = self._learnt()
        return routes({f"*.{name}.bookinfo.com": self._http(_PORTS[name], weight) for name in self.known})

    def _http(self, port: int, weight: int) -> list[dict[str, Any]]:
        split = _split(port, weight)
        copies = {"request_mirror_policies": [mirrored(cluster(CANARY, port), self.mirror)]}
        shadow = http_route({**split, **copies})
        testers = http_route(_split(port, 100), headers=[with_header(*TESTERS)])
        return [*([testers] if self.testers else []), *([shadow] if self.mirror else []), http_route(split)]

    def _listener_dump(self) -> dict[str, Any]:
        weight = 0 if self.late else self._configured
        return listeners({SNI[name]: _split(_TLS_PORT, weight) for name in self.known})

    def _cluster_dump(self) -> dict[str, Any]:
        behind = {STABLE: self._world.stable, CANARY: self._world.current}
        ports = [*_PORTS.values(), _TLS_PORT]
        return clusters(
            {
                cluster(service, port): [self._endpoint(cluster(service, port), ADDRESSES[color])]
                for service, color in behind.items()
                for port in ports
            }
        )

    def _endpoint(self, name: str, address: str) -> dict[str, Any]:
        requests, connections = (self._sent[(name, address, kind)] for kind in ("requests", "connections"))
        return endpoint(address, requests=requests, connections=connections)

    # -- requests -----------------------------------------------------------------------------------------------------

    def respond(self, seen: Seen) -> bytes:
        """An answer as the gateway would route it by the weights of this moment, but in turn instead of by chance."""
        self.answered += 1
        is_tester = self.testers and f"\r\n{TESTERS[0]}: {TESTERS[1]}\r\n".lower() in seen.head.lower()
        weight = 100 if is_tester else self._flowing
        canary = _turn(self.answered, weight)
        color = self._world.current if canary else self._world.stable
        self._count(seen, CANARY if canary else STABLE, color)
        self.arrived[color] += 1
        if _turn(self.answered, self.mirror if self.copied is None else self.copied):
            self.arrived[self._world.current] += 1
        return answer("") if self.silent else answer(HASHES[color], color=color, pod=pod_name(color))

    def _count(self, seen: Seen, service: str, color: str) -> None:
        name = next((name for name in self.known if name in seen.requests[-1]), VSVC1)
        port = _TLS_PORT if seen.server_names else _PORTS[name]
        kind = "connections" if seen.server_names else "requests"
        self._sent[(cluster(service, port), ADDRESSES[color], kind)] += 1


class FakePodPort(PodPort):
    """A port of a pod of a world."""

    def __init__(self, cluster: Any, _namespace: str, pod: str, port: int) -> None:
        self._mesh, self._pod, self._number = cluster.world.mesh, pod, port
        self._channel = None
        self._where = f"Pod {pod}, port {port}"

    def get(self, path: str) -> bytes:
        return self._mesh.get(self._pod, self._number, path)


def pod_name(color: str) -> str:
    return f"rollouts-demo-{HASHES[color]}-x"


def _split(port: int, weight: int) -> dict[str, Any]:
    return weighted({cluster(STABLE, port): 100 - weight, cluster(CANARY, port): weight})


def _turn(number: int, percent: int) -> bool:
    """Whether this one is among so many percent."""
    return number * percent // 100 > (number - 1) * percent // 100


def _service(namespace: str, name: str, selector: Mapping[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"selector": dict(selector)}}


def _slice(service: str, colors: list[str]) -> dict[str, Any]:
    targets = [{"targetRef": {"name": pod_name(color)}} for color in colors]
    labels = {"kubernetes.io/service-name": service}
    return {
        "metadata": {"name": f"{service}-x", "namespace": "default", "labels": labels},
        "endpoints": [{**each, "conditions": {"ready": True}} for each in targets],
    }


def connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ports of pods answer for the world."""
    for module in (
        "rollouts.routes.proxies",
        "demo.traffic.mirrored",
        "rollouts.causes.unanswered",
        "rollouts.causes.replaced_authority",
    ):
        monkeypatch.setattr(f"canarylab.{module}.PodPort", FakePodPort)
