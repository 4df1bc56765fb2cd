"""What makes a LoadBalancer Service is healthy once that has an address, where there is a tunnel to give it one."""

from __future__ import annotations

import pytest
import yaml
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.helm_records import record
from support.runs import context_of

from canarylab.contract.provider import TunnelStatus
from canarylab.contract.stage import StageOptions
from canarylab.kube.watch import Watch
from canarylab.stages.kinds.helm_release import HelmReleaseOptions, HelmReleaseStage
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage
from canarylab.stages.kinds.tunnel import TunnelStage

TUNNEL = TunnelStage("tunnel", StageOptions())
PENDING = {"mine/gateway": "pending"}


def service(*, address=None, kind="LoadBalancer"):
    ingress = [{"ip": address}] if address else []
    meta = {"name": "gateway", "namespace": "mine"}
    status = {"loadBalancer": {"ingress": ingress}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"type": kind}, "status": status}


def health(tmp_path, live, tunnel, *others):
    (tmp_path / "m.yaml").write_text(yaml.safe_dump({**live, "status": {}}))
    stage = ManifestsStage("app", ManifestsOptions(path="m.yaml"), base=tmp_path)
    provider = FakeProvider(FakeCluster(live))
    provider.tunnel = tunnel
    return stage.health(context_of(stage, *others, provider=provider, base=tmp_path))


def running(addresses, *problems):
    return TunnelStatus(True, 7, "", addresses, problems)


def test_it_waits_for_the_address_that_a_running_tunnel_will_give(tmp_path):
    assert health(tmp_path, service(), running(PENDING), TUNNEL) == "no address yet for mine/gateway"


def test_a_load_balancers_own_explanation_is_reported(tmp_path):
    why = "Service mine/gateway has no address yet: MetalLB has none left"
    assert health(tmp_path, service(), running(PENDING, "another", why), TUNNEL) == why


@pytest.mark.parametrize(
    ("live", "tunnel", "others"),
    [
        (service(address="10.0.0.9"), running({"mine/gateway": "10.0.0.9"}), [TUNNEL]),
        (service(), running({"mine/gateway": "10.0.1.2:30080"}), [TUNNEL]),
        (service(), TunnelStatus(False, None, "", PENDING), [TUNNEL]),
        (service(), running(PENDING), []),
        (service(kind="ClusterIP"), running({}), [TUNNEL]),
    ],
    ids=["it has one", "a port of the machine", "the tunnel waits itself", "no tunnel wanted", "none needed"],
)
def test_else_it_does_not_wait(tmp_path, live, tunnel, others):
    assert health(tmp_path, live, tunnel, *others) is None


@pytest.mark.parametrize(("name", "reason"), [("gateway", "no address yet for mine/gateway"), ("another", None)])
def test_the_service_that_is_made_for_a_gateway_of_the_gateway_api_is_waited_for(tmp_path, name, reason):
    kind = ("gateway.networking.k8s.io/v1", "Gateway")
    conditions = [{"type": "Accepted", "status": "True"}, {"type": "Programmed", "reason": "AddressNotAssigned"}]
    meta, status = {"name": name, "namespace": "mine"}, {"conditions": conditions}
    live = {"apiVersion": kind[0], "kind": kind[1], "metadata": meta, "spec": {}, "status": status}
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(live))
    stage = ManifestsStage("app", ManifestsOptions(path="m.yaml"), base=tmp_path)
    made = service()
    made["metadata"]["labels"] = {"gateway.networking.k8s.io/gateway-name": "gateway"}
    provider = FakeProvider(FakeCluster(live, made, kinds=[kind]))
    provider.tunnel = running(PENDING)
    assert stage.health(context_of(stage, TUNNEL, provider=provider, base=tmp_path)) == reason


def test_a_release_waits_for_the_addresses_of_its_services():
    manifest = yaml.safe_dump(service())
    provider = FakeProvider(FakeCluster(service(), record(manifest=manifest)))
    provider.tunnel = running(PENDING)
    stage = HelmReleaseStage("gateway", HelmReleaseOptions(chart="istio/gateway", version="1.31.0", namespace="ns"))
    assert stage.health(context_of(stage, TUNNEL, provider=provider)) == "no address yet for mine/gateway"
    assert Watch("v1", "Service", "ns") in stage.watches()
