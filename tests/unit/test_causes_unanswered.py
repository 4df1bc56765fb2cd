"""Requests that fail: the cause is looked for in the cluster, and none is told that wasn't found."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from causes_world import ARGO, ISTIO, SECURITY, SIDECAR, CausesWorld
from support.there import there

from canarylab.kube.client import ApiError
from canarylab.rollouts.causes import replaced_authority, unanswered, unreachable_metrics
from canarylab.rollouts.causes.unanswered import CUT, FORBIDDEN, FORBIDDEN_BY_GATEWAY, UNAVAILABLE
from canarylab.rollouts.routes.match import Request

HOST = "web.test"
CONTROLLER = {"app.kubernetes.io/name": "argo-rollouts"}


@pytest.fixture
def world() -> CausesWorld:
    """A gateway, a VirtualService with 80 % for web-stable and 20 % for web-canary, and a ready pod behind both."""
    world = CausesWorld()
    world.pod("gateway-x", "istio-ingress", labels={"istio": "ingressgateway"})
    gateway = world.cluster.objects["v1", "Pod", "istio-ingress", "gateway-x"]
    gateway["spec"]["serviceAccountName"] = "istio-ingressgateway"
    world.put(ISTIO, "Gateway", "web", spec={"selector": {"istio": "ingressgateway"}})
    for name in ("stable", "canary"):
        ports = [{"name": "http", "port": 80, "targetPort": "http"}]
        world.put("v1", "Service", f"web-{name}", spec={"selector": {"app": "web"}, "ports": ports})
    world.pod("web-one-x", owner="rs-one", labels={"app": "web"}, annotations=SIDECAR)
    route(world, to("web-stable", 80), to("web-canary", 20))
    return world


def to(host: str, weight: int | None = None, **destination: Any) -> Any:
    return {"destination": {"host": host, **destination}, **({} if weight is None else {"weight": weight})}


def route(world: CausesWorld, *routes: Any, protocol: str = "http") -> None:
    spec = {"hosts": [HOST], "gateways": ["web"], protocol: [{"route": list(routes)}]}
    world.put(ISTIO, "VirtualService", "web", spec=spec)


def policy(world: CausesWorld, namespace: str = "shop", **spec: Any) -> None:
    world.put(SECURITY, "AuthorizationPolicy", "nothing", namespace, spec=spec)


def look(world: CausesWorld, failure: str, *, tls: bool = False):
    return unanswered.unanswered(world.ctx, Request(HOST, "/", {}, tls, 80), failure)


class TestForbidden:
    def test_a_policy_that_allows_nothing_is_named(self, world):
        policy(world)
        found = look(world, FORBIDDEN)
        assert found.why == "AuthorizationPolicy shop/nothing allows nothing: it has no rules"
        assert "--namespace shop get authorizationpolicy nothing --output yaml`" in found.remedy
        assert "principals: [cluster.local/ns/istio-ingress/sa/istio-ingressgateway]" in found.remedy

    def test_the_root_namespace_s_as_well(self, world):
        policy(world, "istio-system")
        assert "AuthorizationPolicy istio-system/nothing" in look(world, FORBIDDEN).why

    def test_a_root_namespace_of_another_name(self, world):
        more = {"data": {"mesh": "rootNamespace: root\n"}}
        world.put("v1", "ConfigMap", "istio", "istio-system", more=more)
        policy(world, "root")
        assert "AuthorizationPolicy root/nothing" in look(world, FORBIDDEN).why

    def test_a_rule_that_denies_is_told_by_its_number(self, world):
        rules = [{"to": [{"operation": {"paths": ["/x"]}}]}, {"to": [{"operation": {"ports": ["8080"]}}]}]
        policy(world, action="DENY", rules=rules)
        assert "denies GET / for web.test" in look(world, FORBIDDEN).why
        assert "to port 8080, by its rule 2" in look(world, FORBIDDEN).why

    def test_the_gateway_s_own(self, world):
        policy(world, "istio-ingress", rules=[{"from": [{"source": {"principals": ["*"]}}]}])
        assert look(world, FORBIDDEN) is None
        assert "allows other requests, but not" in look(world, FORBIDDEN_BY_GATEWAY).why

    def test_over_tls_the_connection_is_cut(self, world):
        route(world, to("web-stable", port={"number": 80}), protocol="tls")
        policy(world)
        assert "allows nothing" in look(world, CUT, tls=True).why
        assert look(world, CUT) is None

    def test_without_a_policy_nothing_is_told(self, world):
        assert look(world, FORBIDDEN) is None

    def test_pods_without_a_sidecar_know_no_policy(self, world):
        policy(world)
        world.pod("web-one-x", labels={"app": "web"})
        assert look(world, FORBIDDEN) is None


class TestUnavailable:
    @pytest.fixture(autouse=True)
    def envoy(self, monkeypatch):
        """What the gateway's Envoy says: it knows the ready pod."""
        said: dict[str, Any] = {"cluster_statuses": []}
        for name in ("stable", "canary"):
            address = {"socket_address": {"address": "10.1.0.1"}}
            cluster = f"outbound|80||web-{name}.shop.svc.cluster.local"
            said["cluster_statuses"].append({"name": cluster, "host_statuses": [{"address": address}]})
        answers_with(monkeypatch, unanswered, said)
        return said

    def test_where_all_is_well_nothing_is_told(self, world):
        assert look(world, UNAVAILABLE) is None

    def test_a_service_that_is_not_there(self, world):
        route(world, to("web-gone"))
        assert (
            look(world, UNAVAILABLE).why == "VirtualService shop/web routes to Service shop/web-gone, and there is none"
        )

    def test_a_port_that_the_service_has_not(self, world):
        route(world, to("web-stable", port={"number": 8080}))
        assert "routes to port 8080 of Service shop/web-stable, which has 80" in look(world, UNAVAILABLE).why

    def test_a_subset_that_argo_took_away(self, world):
        world.put(ISTIO, "DestinationRule", "web", spec={"host": "web-stable", "subsets": [{"name": "stable"}]})
        route(world, to("web-stable", subset="all"))
        said = look(world, UNAVAILABLE).why
        assert said.endswith("routes to subset all of Service shop/web-stable, which DestinationRule web doesn't have")

    def test_a_subset_of_no_pod(self, world):
        subsets = [{"name": "canary", "labels": {"rollouts-pod-template-hash": "three"}}]
        world.put(ISTIO, "DestinationRule", "web", spec={"host": "web-stable", "subsets": subsets})
        route(world, to("web-stable", subset="canary"))
        assert "subset canary of Service shop/web-stable: no pod is behind it" in look(world, UNAVAILABLE).why

    def test_no_ready_pod(self, world):
        world.pod("web-one-x", ready=False, labels={"app": "web"})
        assert "Service shop/web-stable: none of its 1 pods is ready" in look(world, UNAVAILABLE).why

    def test_a_destination_without_weight_is_nobody_s(self, world):
        route(world, to("web-stable", 100), to("web-gone", 0), to("web-gone"))
        assert look(world, UNAVAILABLE) is None

    def test_half_a_name(self, world):
        route(world, to("web-stable.shop"))
        found = look(world, UNAVAILABLE)
        assert "web-stable.shop, which Istio takes for a full name" in found.why
        assert found.remedy == "write web-stable.shop.svc.cluster.local"

    def test_a_gateway_that_was_not_told_of_the_pods(self, world, envoy):
        envoy["cluster_statuses"][0]["host_statuses"][0]["address"]["socket_address"]["address"] = "10.1.0.9"
        found = look(world, UNAVAILABLE)
        assert "Envoy of istio-ingress/gateway-x knows none of the ready pods of Service shop/web-stable" in found.why
        assert "(10.1.0.9)" in found.why
        assert not found.permanent

    def test_plain_text_for_pods_that_take_none(self, world):
        world.put(SECURITY, "PeerAuthentication", "strict", spec={"mtls": {"mode": "STRICT"}})
        spec = {"host": "web-stable", "trafficPolicy": {"tls": {"mode": "DISABLE"}}}
        world.put(ISTIO, "DestinationRule", "plain", spec=spec)
        why = look(world, UNAVAILABLE).why
        assert "DestinationRule shop/plain turns TLS off" in why
        assert "PeerAuthentication shop/strict takes mutual TLS only" in why

    def test_a_cluster_that_does_not_answer_tells_nothing(self, world):
        route(world, to("web-gone"))
        world.cluster.refused["list VirtualService"] = ApiError("no answer", None, where="GET")
        assert look(world, UNAVAILABLE) is None


def answers_with(monkeypatch, module, said: Any) -> list[str]:
    """Envoy's admin port of every pod answers so; the pods that were asked."""
    asked: list[str] = []

    class Port:
        def __init__(self, _cluster, _namespace, pod, _port):
            asked.append(pod)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def json(self, _path):
            return said

    monkeypatch.setattr(module, "PodPort", Port)
    return asked


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> tuple[str, str]:
    """A root certificate and its serial number."""
    folder = tmp_path_factory.mktemp("ca")
    make = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
        "-keyout key.pem -out root.pem -subj /O=test -set_serial 0x2a"
    )
    subprocess.run(make.split(), cwd=folder, check=True, capture_output=True)
    return (folder / "root.pem").read_text(), "2a"


def certificates(serial: str) -> Any:
    return {"certificates": [{"ca_cert": [{"serial_number": serial}], "cert_chain": [{"serial_number": "9"}]}]}


class TestAuthorities:
    @pytest.fixture
    def world(self, world, root):
        """istiod's root is of 10:00, the gateway's and the pod's proxies are of 09:00."""
        import base64

        data = {"ca-cert.pem": base64.b64encode(root[0].encode()).decode()}
        made = "2026-01-01T10:00:00Z"
        world.put("v1", "Secret", "istio-ca-secret", "istio-system", more={"data": data}, creationTimestamp=made)
        for key in (("istio-ingress", "gateway-x"), ("shop", "web-one-x")):
            began(world, *key, "2026-01-01T09:00:00Z")
        return world

    def pods(self, world):
        return world.cluster.list("v1", "Pod")

    def names(self, world):
        return [pod["metadata"]["name"] for pod in replaced_authority.outdated(world.cluster, self.pods(world))]

    def test_proxies_of_another_root_are_found(self, world, monkeypatch):
        answers_with(monkeypatch, replaced_authority, certificates("1f"))
        assert sorted(self.names(world)) == ["gateway-x", "web-one-x"]

    def test_those_of_the_present_root_are_well(self, world, monkeypatch, root):
        answers_with(monkeypatch, replaced_authority, certificates(root[1]))
        assert self.names(world) == []

    def test_those_that_began_later_are_not_even_asked(self, world, monkeypatch):
        asked = answers_with(monkeypatch, replaced_authority, certificates("1f"))
        began(world, "istio-ingress", "gateway-x", "2026-01-01T10:00:01Z")
        assert (self.names(world), asked) == (["web-one-x"], ["web-one-x"])

    def test_one_that_leaves_is_left(self, world, monkeypatch):
        answers_with(monkeypatch, replaced_authority, certificates("1f"))
        for pod in list(world.cluster.objects.values()):
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z"
        assert self.names(world) == []

    def test_one_that_can_not_be_asked_is_not_blamed(self, world, monkeypatch):
        def no_port(*_):
            raise ApiError("no answer", None, where="GET")

        monkeypatch.setattr(replaced_authority, "PodPort", no_port)
        assert self.names(world) == []

    def test_where_the_secret_may_not_be_read_the_root_that_was_handed_out_counts(self, world, monkeypatch, root):
        answers_with(monkeypatch, replaced_authority, certificates("1f"))
        for name in ("cacerts", "istio-ca-secret"):
            world.cluster.refused[f"get Secret {name}"] = ApiError("forbidden", 403, where="GET")
        fields = [{"time": "2026-01-01T10:00:00Z", "fieldsV1": {"f:data": {}}}]
        more = {"data": {"root-cert.pem": root[0]}}
        world.put("v1", "ConfigMap", "istio-ca-root-cert", "shop", more=more, managedFields=fields)
        assert self.names(world) == ["web-one-x"]

    def test_requests_that_fail_for_it_are_told_so(self, world, monkeypatch):
        answers_with(monkeypatch, replaced_authority, certificates("1f"))
        found = look(world, UNAVAILABLE)
        assert found.why.startswith("the mesh has two certificate authorities: istio-ingress/gateway-x, shop/web-one-x")
        assert "`invoke up` restarts what it made" in found.remedy


def began(world: CausesWorld, namespace: str, name: str, time: str) -> None:
    status = {"name": "istio-proxy", "state": {"running": {"startedAt": time}}}
    world.cluster.objects["v1", "Pod", namespace, name]["status"]["containerStatuses"] = [status]


class TestMeasuring:
    """Argo's controller has no sidecar; the analysis asks the canary's Service."""

    URL = "http://web-canary.{{args.ns}}.svc/stats"

    @pytest.fixture
    def world(self, world):
        world.pod("argo-x", "argo-rollouts", labels=CONTROLLER)
        return world

    def run(self, provider: Any = None) -> Any:
        metric = {"name": "age", "provider": provider or {"web": {"url": self.URL}}}
        results = [{"name": "age", "phase": "Error"}]
        args = [{"name": "ns", "value": "shop"}]
        return {"spec": {"metrics": [metric], "args": args}, "status": {"phase": "Error", "metricResults": results}}

    def peer(self, world, namespace="shop", mode="STRICT", **more: Any) -> None:
        world.put(SECURITY, "PeerAuthentication", "default", namespace, spec={"mtls": {"mode": mode}, **more})

    def look(self, world, provider: Any = None):
        return unreachable_metrics.unreachable(world.ctx, world.view, self.run(provider))

    @pytest.mark.parametrize(
        ("where", "more", "pods"),
        [
            ("shop", {}, "the pods of its namespace"),
            ("istio-system", {}, "all pods of the mesh"),
            ("shop", {"selector": {"matchLabels": {"app": "web"}}}, "the pods with app=web"),
        ],
    )
    def test_the_policy_is_named_at_each_level(self, world, where, more, pods):
        self.peer(world, where, **more)
        found = self.look(world)
        assert f"PeerAuthentication {where}/default has {pods} take mutual TLS only (STRICT), and Argo's" in found.why
        assert "http://web-canary.shop.svc/stats in plain text" in found.why
        assert "portLevelMtls: {8080: {mode: PERMISSIVE}}" in found.remedy

    def test_a_port_s(self, world):
        selector = {"matchLabels": {"app": "web"}}
        self.peer(world, mode="PERMISSIVE", selector=selector, portLevelMtls={"8080": {"mode": "STRICT"}})
        assert "STRICT" in self.look(world).why

    def test_permissive_is_no_cause(self, world):
        self.peer(world, mode="PERMISSIVE")
        assert self.look(world) is None

    def test_a_controller_in_the_mesh_is_understood(self, world):
        world.pod("argo-x", "argo-rollouts", labels=CONTROLLER, annotations=SIDECAR)
        self.peer(world)
        assert self.look(world) is None

    def test_an_authorization_policy_stands_in_its_way_too(self, world):
        policy(world, rules=[{"from": [{"source": {"namespaces": ["istio-ingress"]}}]}])
        assert "AuthorizationPolicy shop/nothing allows other requests, but not GET /stats" in self.look(world).why

    def test_a_job_asks_from_elsewhere(self, world):
        self.peer(world)
        assert self.look(world, {"job": {"spec": {"args": [self.URL]}}}) is None

    def test_an_aborted_update_is_told_with_it(self, world):
        from canarylab.rollouts.causes import rollout as causes

        self.peer(world)
        world.rollout["status"] |= {"abort": True, "phase": "Degraded", "message": "RolloutAborted: Error"}
        world.rollout["status"]["canary"] = {"currentStepAnalysisRunStatus": {"name": "run"}}
        world.put(ARGO, "AnalysisRun", "run", **self.run())
        assert (
            "RolloutAborted: Error; PeerAuthentication shop/default"
            in there(causes.standstill(world.ctx, "shop", "web")).why
        )
