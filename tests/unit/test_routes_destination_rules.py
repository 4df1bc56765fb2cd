"""Which DestinationRule a gateway goes by for a Service, and which subsets it then knows."""

from __future__ import annotations

from typing import Any

import pytest
from support.fake_cluster import FakeCluster

from canarylab.kube.client import ApiError
from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.destination_rules import DestinationRules
from canarylab.rollouts.routes.match import Proxy
from canarylab.rollouts.routes.route import Destination

Json = dict[str, Any]

GATEWAY = Proxy("istio-ingress", {"istio": "ingress"})
ROOT = "istio-system"
NAMES = ("web-1", "web-2", "web-3", "web-4")


def rule(place: str, *subsets: str, host: str = "web.shop.svc.cluster.local", **spec: Any) -> Json:
    """Subsets have the label `from`, which says the rule's namespace."""
    named = [{"name": name, "labels": {"from": place}} for name in subsets]
    meta = {"name": "web", "namespace": place}
    written = {"host": host, "subsets": named, **spec}
    return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": meta, "spec": written}


def known(*rules: Json, gateway: Proxy = GATEWAY) -> list[str]:
    """The subsets of Service web in namespace shop, in the order of the rules' age."""
    for name, one in zip(NAMES, rules, strict=False):
        one["metadata"]["name"] = name
    joined = DestinationRules(rules, gateway, ROOT).of("web", "shop")
    return sorted(f"{name} of {labels['from']}" for name, labels in joined.subsets.items()) if joined else []


class TestWhichOne:
    def test_of_the_gateways_namespace_then_of_the_services_then_of_the_root_namespace(self):
        rules = [rule(ROOT, "a"), rule("shop", "a"), rule(GATEWAY.namespace, "a")]
        assert known(*rules) == ["a of istio-ingress"]
        assert known(*rules[:2]) == ["a of shop"]
        assert known(*rules[:1]) == ["a of istio-system"]
        assert known(rule("other", "a")) == []

    def test_a_wildcard_of_the_gateways_namespace_comes_before_the_services_own(self):
        assert known(rule("shop", "a"), rule(GATEWAY.namespace, "b", host="*.local")) == ["b of istio-ingress"]

    def test_a_gateway_in_the_root_namespace_has_only_what_is_private_there_before_the_services(self):
        gateway = Proxy(ROOT, {})
        assert known(rule(ROOT, "a"), rule("shop", "b"), gateway=gateway) == ["b of shop"]
        assert known(rule(ROOT, "a", exportTo=["."]), rule("shop", "b"), gateway=gateway) == ["a of istio-system"]

    @pytest.mark.parametrize("host", ["web", "web.shop.svc.cluster.local", "*.shop.svc.cluster.local", "*.local", "*"])
    def test_its_host_may_be_short_or_full_or_have_a_wildcard(self, host: str):
        assert known(rule("shop", "a", host=host)) == ["a of shop"]

    @pytest.mark.parametrize("host", ["web.shop", "web.shop.svc", "*.other.svc.cluster.local", "other"])
    def test_any_other_host_is_somebody_elses(self, host: str):
        assert known(rule("shop", "a", host=host)) == []

    def test_of_several_hosts_the_most_specific_counts_alone(self):
        rules = [rule("shop", "a", host="*"), rule("shop", "b", host="*.shop.svc.cluster.local"), rule("shop", "c")]
        assert known(*rules) == ["c of shop"]
        assert known(*rules[:2]) == ["b of shop"]


class TestForWhom:
    @pytest.mark.parametrize("to", [["*"], ["istio-ingress"], ["other", "istio-ingress"], []])
    def test_one_that_is_exported_to_the_gateway(self, to: list[str]):
        assert known(rule("shop", "a", exportTo=to)) == ["a of shop"]

    @pytest.mark.parametrize("to", [["."], ["shop"], ["other"], ["~"]])
    def test_one_that_is_not_leaves_room_for_the_root_namespaces(self, to: list[str]):
        assert known(rule("shop", "a", exportTo=to), rule(ROOT, "b")) == ["b of istio-system"]

    def test_one_for_the_gateways_pods(self):
        mine, others = ({"workloadSelector": {"matchLabels": {"istio": name}}} for name in ("ingress", "egress"))
        assert known(rule(GATEWAY.namespace, "a", **mine), rule("shop", "b")) == ["a of istio-ingress"]
        assert known(rule(GATEWAY.namespace, "a", **others), rule("shop", "b")) == []
        assert known(rule(GATEWAY.namespace, "a", **others), rule(GATEWAY.namespace, "c")) == ["c of istio-ingress"]
        assert known(rule("shop", "b", **mine)) == []


class TestSeveralForOneHost:
    def test_are_joined_and_the_older_ones_subset_stays(self):
        assert known(rule("shop", "a"), rule("shop", "b")) == ["a of shop", "b of shop"]
        first, second = rule("shop", "a"), rule("shop", "a")
        second["spec"]["subsets"][0]["labels"] = {"from": "the newer one"}
        assert known(first, second) == ["a of shop"]

    def test_stay_apart_where_they_are_exported_to_others(self):
        assert known(rule("shop", "a", exportTo=["istio-ingress"]), rule("shop", "b", exportTo=["other"])) == [
            "a of shop"
        ]


class TestWords:
    def lacking(self, *rules: Json) -> str:
        for name, one in zip(NAMES, rules, strict=False):
            one["metadata"]["name"] = name
        return DestinationRules(rules, GATEWAY, ROOT).lacking("web", "shop", "canary")

    def test_nobody_has_it(self):
        assert self.lacking() == "no DestinationRule has"
        assert self.lacking(rule("shop", "stable")) == "DestinationRule web-1 doesn't have"

    def test_one_has_it_that_another_comes_before(self):
        said = self.lacking(rule(GATEWAY.namespace, "stable"), rule("shop", "canary"))
        assert said == (
            "DestinationRule istio-ingress/web-1 doesn't have "
            "(DestinationRule web-2 has it, but DestinationRule istio-ingress/web-1 comes before it)"
        )

    @pytest.mark.parametrize(
        ("one", "why"),
        [
            (rule("shop", "canary", exportTo=["."]), "it isn't exported to the gateway's namespace, istio-ingress"),
            (rule("other", "canary"), "istiod looks only in istio-ingress, shop, istio-system"),
            (
                rule("shop", "canary", workloadSelector={"matchLabels": {"istio": "ingress"}}),
                "its workloadSelector isn't for the gateway's pods",
            ),
        ],
    )
    def test_one_has_it_that_is_not_for_the_gateway(self, one: Json, why: str):
        assert self.lacking(one).startswith("no DestinationRule that the gateway goes by has (DestinationRule ")
        assert self.lacking(one).endswith(f" has it, but {why})")


class TestInACluster:
    KIND = ("networking.istio.io/v1", "DestinationRule")

    def backends(self, cluster: FakeCluster) -> Backends:
        return Backends(cluster, "shop", GATEWAY)  # type: ignore[arg-type]

    def test_a_subset_that_the_gateway_does_not_know_is_said_to_be_so(self):
        found = self.backends(FakeCluster(rule("shop", "stable", exportTo=["."]), kinds=[self.KIND]))
        to = [Destination("web", 95, "stable", "shop"), Destination("web", 5, "canary", "shop")]
        assert found.unknown(to).startswith("it leads to subset stable of Service shop/web, which no DestinationRule")
        assert found.unknown([Destination("web", 0, "canary", "shop"), Destination("web", 100, "", "shop")]) == ""

    def test_what_may_not_be_listed_is_said(self):
        class Restricted(FakeCluster):
            def list(self, api_version: str, kind: str, namespace: str | None = None, *more: Any, **named: Any) -> Any:
                if kind == "DestinationRule" and namespace != "shop":
                    raise ApiError("forbidden", 403, where="GET")
                return super().list(api_version, kind, namespace, *more, **named)

        cluster = Restricted(rule("shop", "stable"), kinds=[self.KIND])
        cluster.refused["get ConfigMap istio"] = ApiError("forbidden", 403, where="GET")
        found = self.backends(cluster)
        to = [Destination("web", 100, "stable", "shop")]
        assert found.unknown(to) == ""
        assert found.unread(to) == (
            "you may not list the DestinationRules of istio-ingress, istio-system, which may say otherwise"
        )
        assert found.unread([Destination("web", 100, "", "shop")]) == ""
