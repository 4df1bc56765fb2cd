"""A load balancer's address that is pending, isn't resolvable, or leads nowhere: the cause as it is found (case 30)."""

from __future__ import annotations

import socket
import time

import pytest
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import Heard, context_of
from support.there import there

from canarylab.contract.provider import TunnelStatus
from canarylab.contract.stage import StageOptions
from canarylab.errors import ExpectationError, StageError
from canarylab.kube.client import ApiError
from canarylab.kube.times import timestamp
from canarylab.providers.existing import balancer, reachability
from canarylab.providers.existing.access import ContextAccess
from canarylab.stages.kinds.tunnel import TunnelStage

NO_PORTS = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
LONG_AGO = "2026-01-01T00:00:00Z"


def now():
    return timestamp(time.time())


def service(name="gateway", address=None, *, namespace="mesh", ports=(80,), since=LONG_AGO, **spec):
    ingress = [{"hostname" if address.count(".") != 3 or "example" in address else "ip": address}] if address else []
    meta = {"name": name, "namespace": namespace, "creationTimestamp": since, "labels": OURS}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": name},
            "ports": [{"port": each} for each in ports],
            **spec,
        },
        "status": {"loadBalancer": {"ingress": ingress}},
    }


OURS = {"canarylab.dev/profile": "unit-test"}


def pod(name="gateway-1", labels=None, *, namespace="mesh", ready=True, conditions=(), **spec):
    meta = {"name": name, "namespace": namespace, "labels": labels or {"app": "gateway"}}
    conditions = [{"type": "Ready", "status": str(ready)}, *conditions]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"conditions": conditions}}


def servicelb(message=NO_PORTS, *, scheduled=False):
    labels = {"svccontroller.k3s.cattle.io/svcname": "gateway", "svccontroller.k3s.cattle.io/svcnamespace": "mesh"}
    condition = {"type": "PodScheduled", "status": str(scheduled), "message": message}
    return pod("svclb-gateway-x", labels, namespace="kube-system", ready=scheduled, conditions=[condition])


def node(provider_id, name="node-1", address="172.18.0.2"):
    meta = {"name": name}
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"providerID": provider_id}, "status": status}


def event(reason, message, kind="Warning"):
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": reason.lower(), "namespace": "mesh"},
        "involvedObject": {"kind": "Service", "name": "gateway"},
        "type": kind,
        "reason": reason,
        "message": message,
        "lastTimestamp": now(),
    }


def pending(*objects):
    return balancer.pending(FakeCluster(*objects), service())


# -- pending ----------------------------------------------------------------------------------------------------------


def test_a_port_that_traefik_has_on_every_node_is_told_with_who_has_it():
    """k3d-io/k3d#104: k3s brings traefik along, and servicelb gives a port on the nodes to one Service."""
    traefik = service("traefik", "172.19.0.3", namespace="kube-system", ports=(80, 443))
    found = pending(servicelb(), traefik, node("k3s://k3d-lab-server-0", "k3d-lab-server-0"))
    assert found.what == "Service mesh/gateway has no address yet"
    assert "Service kube-system/traefik has port 80 there already" in found.why
    assert "didn't have free ports" in found.why
    assert "--disable=traefik@server:0" in found.remedy
    assert found.permanent


def test_a_port_that_a_pod_has_on_the_nodes_is_told_with_the_pod():
    nginx = pod("nginx", nodeName="node-1", containers=[{"ports": [{"hostPort": 80, "containerPort": 8080}]}])
    found = pending(servicelb(), nginx)
    assert "Pod mesh/nginx has port 80 there already" in found.why
    assert found.remedy == "give one of the two another port"


def test_where_nobody_is_found_who_has_the_port_nobody_is_named():
    found = pending(servicelb(), pod("pending", containers=[{"ports": [{"hostPort": 80}]}]))
    assert found.why == f"its pod of k3s' servicelb doesn't start: Pod svclb-gateway-x: {NO_PORTS}"
    assert "kubectl -n kube-system describe pod svclb-gateway-x" in found.remedy
    assert not found.permanent


def test_servicelbs_pods_that_start_are_no_trouble_yet():
    starting = servicelb(scheduled=True)
    starting["status"]["conditions"][0]["status"] = "False"
    assert "are being started" in pending(starting).why
    assert "hasn't given the address yet" in pending(servicelb(scheduled=True)).why


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("AllocationFailed", 'Failed to allocate IP for "mesh/gateway": no available IPs'),
        ("SyncLoadBalancerFailed", "Error syncing load balancer: quota exceeded"),
    ],
)
def test_what_the_load_balancer_itself_says_is_told(reason, message):
    found = pending(event(reason, message), node("aws:///eu-central-1a/i-1"))
    assert found.why == f"{reason}: {message}"
    assert "kubectl -n mesh describe service gateway" in found.remedy


def test_a_cloud_that_is_at_work_is_waited_for():
    found = pending(event("EnsuringLoadBalancer", "Ensuring load balancer", "Normal"))
    assert "is making its load balancer, which takes minutes" in found.why


@pytest.mark.parametrize(
    ("provider_id", "name", "why"),
    [
        (
            "kind://docker/lab/lab-control-plane",
            "lab-control-plane",
            "no event says that cloud-provider-kind is at work",
        ),
        ("k3s://lab", "lab", "k3s' servicelb has made no pod for the Service"),
        ("k3s://k3d-lab-server-0", "k3d-lab-server-0", "k3s' servicelb has made no pod for the Service"),
        ("gce://project/zone/vm", "vm", "nodes of Google Cloud"),
        ("", "bare", "nothing in the cluster has said that it makes one"),
    ],
)
def test_where_nothing_was_said_the_nodes_tell_what_kind_of_cluster_it_is(provider_id, name, why):
    assert why in pending(node(provider_id, name)).why


def test_a_class_that_nothing_serves_is_named():
    found = balancer.pending(FakeCluster(), service(loadBalancerClass="service.k8s.aws/nlb"))
    assert "class service.k8s.aws/nlb" in found.why


def test_who_may_see_neither_nodes_nor_events_gets_what_can_be_said():
    cluster = FakeCluster(node("kind://docker/lab/x"))
    cluster.refused = {f"list {kind} ": ApiError("forbidden", 403, where="GET") for kind in ("Event", "Node", "Pod")}
    assert balancer.pending(cluster, service()).what == "Service mesh/gateway has no address yet"


def test_no_tunnel_is_blamed_that_is_not_there():
    for found in (pending(servicelb()), pending(), pending(node("kind://docker/lab/x"))):
        assert "tunnel" not in str(found)


# -- the tunnel's status and its stage --------------------------------------------------------------------------------


def status(*objects):
    provider = FakeProvider(FakeCluster(*objects))
    return ContextAccess(None).tunnel_status(context_of(provider=provider))


def test_what_stays_until_somebody_acts_is_not_waited_for():
    seen = status(service(), servicelb(), service("traefik", "172.19.0.3", namespace="kube-system", ports=(80,)))
    assert seen.permanent
    provider = FakeProvider()
    provider.tunnel = seen
    with pytest.raises(StageError) as caught:
        TunnelStage("tunnel", StageOptions()).health(context_of(provider=provider))
    assert "kube-system/traefik has port 80" in caught.value.what
    assert "--disable=traefik" in str(caught.value.remedy)


def test_what_may_come_is_waited_for():
    seen = status(service(), node("kind://docker/lab/x"))
    assert isinstance(seen, TunnelStatus)
    assert not seen.permanent
    provider = FakeProvider()
    provider.tunnel = seen
    assert "cloud-provider-kind" in str(TunnelStage("tunnel", StageOptions()).health(context_of(provider=provider)))


def test_a_name_that_is_not_resolvable_is_a_problem_of_the_way(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    [problem] = status(service(address="not-yet.elb.example.test")).problems
    assert "not-yet.elb.example.test, the address of Service mesh/gateway, isn't resolvable on this machine" in problem


# -- resolvable, and answering ----------------------------------------------------------------------------------------


def unknown(*_):
    raise socket.gaierror(-2, "Name or service not known")


def reach(live, *objects, port=80):
    cluster = FakeCluster(live, *objects)
    return reachability.await_answer(context_of(provider=FakeProvider(cluster)), live, port)


def refused(live, *objects, port=80):
    with pytest.raises(ExpectationError) as caught:
        reach(live, *objects, port=port)
    assert "tunnel" not in str(caught.value)
    return caught.value


@pytest.fixture
def listening():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def closed():
    """A port of the loopback on which nobody listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def test_an_address_that_answers_is_the_way(listening):
    assert reach(service(address="127.0.0.1", ports=(listening,)), pod(), port=listening) == ("127.0.0.1", listening)


def test_a_name_that_never_is_resolvable_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = refused(service(address="not-yet.elb.example.invalid", since=now()))
    assert "not-yet.elb.example.invalid" in error.what
    assert "isn't resolvable on this machine" in error.what
    assert "Name or service not known" in error.why


def test_a_name_that_may_come_is_waited_for(monkeypatch, listening):
    left = [unknown, unknown]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: left.pop()() if left else [])
    monkeypatch.setattr(socket, "create_connection", lambda *_: socket.socket())
    live = service(address="lb.elb.example.test", ports=(listening,), since=now())
    cluster = FakeCluster(live, pod())
    cluster.pending.extend([lambda: None] * 3)
    heard = Heard()
    ctx = context_of(provider=FakeProvider(cluster), emit=heard.append)
    assert reachability.await_answer(ctx, live, listening) == ("lb.elb.example.test", listening)
    assert ["isn't resolvable" in message for message in heard.progress] == [True]


def test_a_name_of_long_ago_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = refused(service(address="lb.elb.example.test"))
    assert "before DNS knows it" in error.why
    assert "`nslookup lb.elb.example.test`" in error.remedy


def test_a_loopback_address_that_nobody_serves_is_told_as_this_machines_own(closed):
    """Case 30: kind on a Mac gives addresses that lead nowhere; here the loopback stands in for one."""
    error = refused(service(address="127.0.0.77", ports=(closed,)), pod(), port=closed)
    assert error.what == (
        f"nothing answers at 127.0.0.77:{closed}, the address of Service mesh/gateway (Connection refused)"
    )
    assert "the pods behind it are ready, and it has that port" in error.why
    assert "127.0.0.77 is this machine's own" in error.why
    assert "port-forward service/gateway" in error.remedy


def test_a_port_that_the_service_has_not_is_the_cause(closed):
    assert (
        f"the Service has no port {closed}, but 443"
        in refused(service(address="127.0.0.1", ports=(443,)), pod(), port=closed).why
    )


@pytest.mark.parametrize(
    ("pods", "why"),
    [
        ([], "no ready pod stands behind it: its selector finds none"),
        ([pod(ready=False)], "no ready pod stands behind it: none is ready"),
    ],
)
def test_a_gateway_without_a_ready_pod_is_the_cause(closed, pods, why):
    error = refused(service(address="127.0.0.1", ports=(closed,)), *pods, port=closed)
    assert error.why == why
    assert "kubectl -n mesh get pods -l app=gateway" in error.remedy


def silent(monkeypatch):
    def time_out(*_):
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", time_out)


@pytest.mark.parametrize(
    ("provider_id", "name", "remedy"),
    [
        ("kind://docker/lab/lab-control-plane", "lab-control-plane", "cloud-provider-kind"),
        ("k3s://k3d-lab-server-0", "k3d-lab-server-0", "80:80@loadbalancer"),
    ],
)
def test_on_a_mac_the_network_of_containers_is_not_open(monkeypatch, provider_id, name, remedy):
    """kubernetes-sigs/kind#3482."""
    silent(monkeypatch)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    error = refused(service(address="172.18.255.200", since=now()), pod(), node(provider_id, name))
    assert "which Docker on a Mac doesn't open to the Mac" in error.why
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("system", "provider_id", "address"),
    [
        ("Linux", "kind://docker/lab/x", "172.18.255.200"),
        ("Darwin", "kind://docker/lab/x", "203.0.113.9"),
        ("Darwin", "aws:///eu-central-1a/i-1", "172.18.255.200"),
    ],
)
def test_elsewhere_what_lies_between_is_all_that_can_be_said(monkeypatch, system, provider_id, address):
    silent(monkeypatch)
    monkeypatch.setattr("platform.system", lambda: system)
    error = refused(service(address=address), pod(), node(provider_id))
    assert "what is between this machine and the load balancer lets nothing through" in error.why
    assert "Docker" not in error.why


def test_a_new_address_gets_a_minute_to_be_served(closed, listening):
    live = service(address="127.0.0.1", ports=(closed, listening))
    live["metadata"]["managedFields"] = [{"subresource": "status", "time": now()}]
    found = there(reachability._trouble(FakeCluster(live, pod()), live, closed))
    assert not found.is_final
    assert 50 < found.until - time.time() <= 60
