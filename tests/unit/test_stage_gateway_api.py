"""The kind gateway-api: definitions that a cluster has once, ours or somebody else's."""

from __future__ import annotations

import json
import re

import pytest
from support.borrowed import BorrowedProvider
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import Heard, context_of

from canarylab.engine import bring_up
from canarylab.kube.objects import OWNER_LABEL
from canarylab.kube.watch import Watch
from canarylab.ownership.foreign import ConflictError
from canarylab.removal import Removal
from canarylab.stages.kinds.gateway_api import GatewayApiOptions, GatewayApiStage

GROUP = "gateway.networking.k8s.io"
POLICY = ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy")
STAGE = GatewayApiStage("definitions", GatewayApiOptions(version="1.6.0"))
ESTABLISHED = {"conditions": [{"type": "Established", "status": "True"}]}


def definition(kind, version="v1.6.0", group=GROUP, **rest):
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": {f"{GROUP}/bundle-version": version}},
        "spec": {"group": group, "names": {"kind": kind}, "versions": [{"name": "v1"}]},
        "status": ESTABLISHED,
        **rest,
    }


def gateway_class(controller="istio.io/gateway-controller"):
    meta = {"name": "istio"}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "GatewayClass",
        "metadata": meta,
        "spec": {"controllerName": controller},
    }


def istiod(owner):
    labels = {"app": "istiod", **({OWNER_LABEL: owner} if owner else {})}
    meta = {"name": "istiod", "namespace": "istio-system", "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}


RELEASE = [
    {"apiVersion": POLICY[0], "kind": POLICY[1], "metadata": {"name": f"safe-upgrades.{GROUP}"}, "spec": {}},
    definition("GatewayClass"),
    definition("HTTPRoute"),
]


@pytest.fixture
def release(tmp_path):
    (tmp_path / "gateway-api.json").write_text(json.dumps(RELEASE))
    return tmp_path / "gateway-api.json"


@pytest.fixture
def cluster():
    return FakeCluster(kinds=[POLICY])


def context(cluster, release, provider=FakeProvider):
    made = provider(cluster)
    made.definitions = release
    return context_of(STAGE, provider=made)


def up(ctx):
    return bring_up.up(ctx, [STAGE]).outcomes[STAGE.name].state


def test_the_release_is_applied_as_it_is_definitions_first_and_only_once(cluster, release):
    ctx = context(cluster, release)
    assert (up(ctx), up(ctx)) == ("changed", "unchanged")
    applied = [write.split(" as ")[0] for write in cluster.writes]
    assert applied == [
        f"apply CustomResourceDefinition gatewayclasss.{GROUP}",
        f"apply CustomResourceDefinition httproutes.{GROUP}",
        f"apply ValidatingAdmissionPolicy safe-upgrades.{GROUP}",
    ]


def test_it_is_healthy_once_the_api_server_has_established_each(cluster, release):
    ctx = context(cluster, release)
    up(ctx)
    live = cluster.objects[("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"httproutes.{GROUP}")]
    live["status"] = {}
    assert STAGE.health(ctx) == f"CustomResourceDefinition httproutes.{GROUP} isn't established yet"
    live["status"] = ESTABLISHED
    assert STAGE.health(ctx) is None
    assert STAGE.watches() == (Watch("apiextensions.k8s.io/v1", "CustomResourceDefinition"),)


# -- on a cluster that isn't ours -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1.6.0", "v1.7.2"])
def test_somebody_elses_that_fit_are_used_and_left(cluster, release, version):
    cluster.put(definition("HTTPRoute", version))
    ctx, heard = context(cluster, release, BorrowedProvider), Heard()
    ctx.emit = heard.append
    assert up(ctx) == "unchanged"
    assert set(heard.progress) == {f"the Gateway API {version} is somebody else's, and fits: it is used as it is"}
    assert STAGE.health(ctx) is None
    left = [Removal(f"the Gateway API {version}", "left", "somebody else installed it")]
    assert STAGE.removals(ctx) == STAGE.remove(ctx) == left
    assert cluster.writes == []


@pytest.mark.parametrize("version", ["v1.5.1", "v0.8.0", "main"])
def test_somebody_elses_of_an_earlier_release_are_a_conflict(cluster, release, version):
    cluster.put(definition("HTTPRoute", "v1.6.0"))
    cluster.put(definition("Gateway", version))
    with pytest.raises(ConflictError) as caught:
        STAGE.observe(context(cluster, release, BorrowedProvider))
    assert re.search(rf"gateways\.{GROUP} .*{version}; .*1\.6\.0", caught.value.why)


def test_definitions_of_other_groups_are_none_of_it(cluster, release):
    cluster.put(definition("Gateway", group="networking.istio.io"))
    ctx = context(cluster, release, BorrowedProvider)
    assert (up(ctx), up(ctx)) == ("changed", "unchanged")


def outcomes(removals):
    return {removal.subject.rpartition(" ")[2].partition(".")[0]: removal.outcome for removal in removals}


@pytest.mark.parametrize("owner", ["unit-test", "nobody's"])
def test_classes_that_our_istio_made_for_itself_go_with_their_definition(cluster, release, owner):
    ctx = context(cluster, release, BorrowedProvider)
    up(ctx)
    cluster.put(gateway_class())
    if owner == "unit-test":
        cluster.put(istiod(owner))
    assert outcomes(STAGE.removals(ctx)) == outcomes(STAGE.remove(ctx))
    assert set(outcomes(STAGE.removals(ctx)).values()) <= {"removed"}
    assert not [key for key in cluster.objects if key[1] == "CustomResourceDefinition"]


@pytest.mark.parametrize(
    ("others", "controller"), [([istiod("")], "istio.io/gateway-controller"), ([], "example.org/controller")]
)
def test_classes_of_others_keep_their_definition(cluster, release, others, controller):
    ctx = context(cluster, release, BorrowedProvider)
    up(ctx)
    for obj in (*others, gateway_class(controller)):
        cluster.put(obj)
    removals = STAGE.remove(ctx)
    assert outcomes(removals) == {"gatewayclasss": "left", "httproutes": "removed", "safe-upgrades": "removed"}
    assert "GatewayClass istio" in next(removal.reason for removal in removals if removal.outcome == "left")
