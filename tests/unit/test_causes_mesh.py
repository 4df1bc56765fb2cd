"""Istio's policies as istiod reads them: who may ask a pod, and by which mode of mutual TLS."""

from __future__ import annotations

from typing import Any

import pytest

from canarylab.rollouts.causes.mesh.authorization import Call, denial
from canarylab.rollouts.causes.mesh.peers import peer_mode
from canarylab.rollouts.causes.mesh.settings import Mesh, attached

MESH = Mesh()
GATEWAY = "cluster.local/ns/istio-ingress/sa/istio-ingressgateway"
CALL = Call(8080, GATEWAY, host="web.test", path="/api/x?y=1", headers={"x-user": "anna"})
POD = {"metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}}, "spec": {}}


def policy(kind: str = "AuthorizationPolicy", namespace: str = "shop", annotations: Any = None, **spec: Any) -> Any:
    meta = {"name": "p", "namespace": namespace, "annotations": annotations or {}}
    return {"kind": kind, "metadata": meta, "spec": spec}


def verdict(*policies: Any, call: Call = CALL, pod: Any = POD) -> bool | None:
    """Whether it is denied; None where that can't be known here."""
    found = denial(policies, MESH, pod, call)
    return False if found is None else (True if found.sure else None)


def source(**fields: Any) -> Any:
    return {"from": [{"source": fields}]}


def operation(**fields: Any) -> Any:
    return {"to": [{"operation": fields}]}


def when(key: str, *values: str, others: Any = ()) -> Any:
    return {"when": [{"key": key, "values": list(values), "notValues": list(others)}]}


MATCHING = [
    {},
    source(principals=[GATEWAY]),
    source(principals=["*/sa/istio-ingressgateway"]),
    source(principals=["cluster.local/ns/istio-ingress/*"]),
    source(principals=["*"]),
    source(namespaces=["istio-ingress"]),
    source(namespaces=["istio-*"]),
    source(serviceAccounts=["istio-ingress/istio-ingressgateway"]),
    source(trustDomains=["cluster.local"]),
    source(notNamespaces=["other"]),
    source(notRequestPrincipals=["*"]),
    operation(paths=["/api/*"]),
    operation(paths=["/api/x"]),
    operation(methods=["POST", "GET"]),
    operation(hosts=["WEB.test"]),
    operation(hosts=["*.test"]),
    operation(ports=["8080"]),
    operation(notPaths=["/admin*"]),
    {"to": [{"operation": {"ports": ["1"]}}, {"operation": {"ports": ["8080"]}}]},
    when("request.headers[X-User]", "anna"),
    when("source.namespace", "istio-ingress"),
    when("destination.port", "8080"),
    when("source.namespace", others=["other"]),
]
OTHERS = [
    source(principals=["cluster.local/ns/shop/sa/default"]),
    source(namespaces=["shop"]),
    source(notNamespaces=["istio-ingress"]),
    source(serviceAccounts=["istio-ingressgateway"]),
    source(requestPrincipals=["*"]),
    operation(paths=["/admin"]),
    operation(methods=["POST"]),
    operation(hosts=["other.test"]),
    operation(ports=["80"]),
    {**source(namespaces=["istio-ingress"]), **operation(methods=["DELETE"])},
    source(namespaces=["istio-ingress"], principals=["x"]),
    when("request.headers[x-user]", "otto"),
    when("request.auth.claims[group]", "admin"),
]
UNKNOWN = [
    source(ipBlocks=["10.0.0.0/8"]),
    source(notRemoteIpBlocks=["10.0.0.0/8"]),
    operation(paths=["/api/{*}"]),
    when("destination.ip", "10.0.0.1"),
    when("experimental.envoy.filters.x[y]", "z"),
]


class TestRules:
    @pytest.mark.parametrize("rule", MATCHING)
    def test_what_takes_the_call_allows_or_denies_it(self, rule):
        assert verdict(policy(rules=[rule])) is False
        assert verdict(policy(action="DENY", rules=[rule])) is True

    @pytest.mark.parametrize("rule", OTHERS)
    def test_what_takes_other_calls_leaves_it_denied_or_allowed(self, rule):
        assert verdict(policy(action="ALLOW", rules=[rule])) is True
        assert verdict(policy(action="DENY", rules=[rule])) is False

    @pytest.mark.parametrize("rule", UNKNOWN)
    def test_what_depends_on_an_address_is_not_stated(self, rule):
        assert verdict(policy(rules=[rule])) is None
        assert verdict(policy(action="DENY", rules=[rule])) is None

    def test_a_token_may_hold_what_a_rule_asks_for(self):
        asked = Call(8080, GATEWAY, headers={"authorization": "Bearer x"})
        assert verdict(policy(rules=[source(requestPrincipals=["*"])]), call=asked) is None


class TestPolicies:
    def test_without_any_everything_passes(self):
        assert verdict() is False

    def test_one_without_rules_allows_nothing(self):
        found = denial([policy()], MESH, POD, CALL)
        assert found is not None
        assert found.why == "AuthorizationPolicy shop/p allows nothing: it has no rules"

    def test_deny_without_rules_denies_nothing(self):
        assert verdict(policy(action="DENY")) is False

    def test_deny_comes_before_allow(self):
        assert verdict(policy(rules=[{}]), policy(action="DENY", rules=[operation(methods=["GET"])])) is True

    def test_one_allow_is_enough(self):
        assert verdict(policy(), policy(rules=[{}])) is False

    def test_the_root_namespace_s_is_for_all(self):
        assert verdict(policy(namespace="istio-system")) is True

    def test_selectors_and_dry_runs_and_audits_are_left_out(self):
        assert verdict(policy(selector={"matchLabels": {"app": "other"}})) is False
        assert verdict(policy(annotations={"istio.io/dry-run": "true"})) is False
        assert verdict(policy(action="AUDIT", rules=[{}])) is False

    def test_an_authorizer_of_its_own_decides_for_itself(self):
        assert verdict(policy(action="CUSTOM", provider={"name": "opa"}, rules=[{}])) is None

    def test_without_a_certificate_nobody_is_of_a_namespace(self):
        plain = Call(8080, "", host="web.test")
        assert verdict(policy(rules=[source(namespaces=["*"])]), call=plain) is True
        assert verdict(policy(rules=[source(notNamespaces=["x"])]), call=plain) is False

    def test_cluster_local_stands_for_the_mesh_s_own_domain(self):
        mesh = Mesh(trust_domain="td.test")
        call = Call(8080, GATEWAY.replace("cluster.local", "td.test"))
        assert denial([policy(rules=[source(principals=[GATEWAY])])], mesh, POD, call) is None


class TestTcp:
    CALL = Call(8080, GATEWAY, tcp=True)

    def test_an_allow_rule_of_http_allows_no_connection(self):
        assert verdict(policy(rules=[operation(methods=["GET"])]), call=self.CALL) is True
        assert verdict(policy(rules=[operation(ports=["8080"])]), call=self.CALL) is False

    def test_a_deny_rule_of_http_denies_more(self):
        rule = operation(methods=["POST"], ports=["8080"])
        assert verdict(policy(action="DENY", rules=[rule]), call=self.CALL) is True


class TestAttachment:
    @property
    def gateway(self) -> Any:
        labels = {"gateway.networking.k8s.io/gateway-name": "gate"}
        return {"metadata": {"namespace": "shop", "labels": labels}, "spec": {}}

    def test_a_target_is_for_that_gateway_only(self):
        target = policy(targetRefs=[{"kind": "Gateway", "name": "gate"}])
        assert attached(target, self.gateway)
        assert not attached(target, POD)
        assert not attached(policy(targetRef={"kind": "Gateway", "name": "other"}), self.gateway)


class TestPeers:
    def mode(self, *policies: Any, port: int = 8080) -> tuple[str, str | None]:
        found = peer_mode(policies, MESH, POD, port)
        return found.mode, found.policy["metadata"]["namespace"] if found.policy else None

    def peer(self, mode: str = "STRICT", namespace: str = "shop", **spec: Any) -> Any:
        return policy("PeerAuthentication", namespace, mtls={"mode": mode}, **spec)

    def test_none_is_permissive(self):
        assert self.mode() == ("PERMISSIVE", None)

    def test_the_mesh_s(self):
        assert self.mode(self.peer(namespace="istio-system")) == ("STRICT", "istio-system")

    def test_the_namespace_s_wins_over_the_mesh_s(self):
        assert self.mode(self.peer(namespace="istio-system"), self.peer("PERMISSIVE")) == ("PERMISSIVE", "shop")

    def test_unset_falls_to_the_level_above(self):
        assert self.mode(self.peer(namespace="istio-system"), self.peer("UNSET")) == ("STRICT", "istio-system")

    def test_the_workload_s_wins_over_both(self):
        own = self.peer("DISABLE", selector={"matchLabels": {"app": "web"}})
        assert self.mode(self.peer(), own) == ("DISABLE", "shop")

    def test_another_workload_s_is_nothing_to_it(self):
        assert self.mode(self.peer(selector={"matchLabels": {"app": "other"}})) == ("PERMISSIVE", None)

    def test_a_port_s_wins_over_all(self):
        own = self.peer(
            "PERMISSIVE", selector={"matchLabels": {"app": "web"}}, portLevelMtls={"8080": {"mode": "STRICT"}}
        )
        assert self.mode(own) == ("STRICT", "shop")
        assert self.mode(own, port=9090) == ("PERMISSIVE", "shop")

    def test_a_port_without_a_selector_has_no_meaning(self):
        assert self.mode(self.peer("PERMISSIVE", portLevelMtls={"8080": {"mode": "STRICT"}})) == ("PERMISSIVE", "shop")

    def test_the_oldest_of_a_level_wins(self):
        assert self.mode(self.peer("STRICT"), self.peer("DISABLE"))[0] == "STRICT"

    def test_a_selector_in_the_root_namespace_has_no_meaning(self):
        assert self.mode(self.peer(namespace="istio-system", selector={"matchLabels": {"app": "web"}}))[1] is None
