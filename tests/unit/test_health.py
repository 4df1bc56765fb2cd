"""What is healthy, as `kubectl rollout status` and `kubectl wait` say, and the cause that is named where it isn't."""

from __future__ import annotations

import pytest
from support.fake_cluster import FakeCluster

from canarylab.kube.client import ApiError
from canarylab.kube.health import (
    daemon_set_health,
    deployment_health,
    gateway_health,
    http_route_health,
    job_health,
    pod_health,
    rollout_health,
    stateful_set_health,
)
from canarylab.kube.watch import Watch
from canarylab.kube.workloads import watches, workload_health

UNSEEN = "kube-controller-manager hasn't acted on its newest spec yet"


def deployment(wanted=2, generation=2, **status):
    """A healthy one; `status` says what isn't as it should be."""
    healthy = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {"metadata": {"generation": generation}, "spec": {"replicas": wanted}, "status": {**healthy, **status}}


def stateful_set(strategy=None, **status):
    healthy = {"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 3}
    revisions = {"currentRevision": "w-1", "updateRevision": "w-1"}
    spec = {"replicas": 3, **({"updateStrategy": strategy} if strategy else {})}
    return {"metadata": {"generation": 2}, "spec": spec, "status": {**healthy, **revisions, **status}}


def daemon_set(strategy="RollingUpdate", **status):
    healthy = {"observedGeneration": 1, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}
    spec = {"updateStrategy": {"type": strategy}}
    return {"metadata": {"generation": 1}, "spec": spec, "status": {**healthy, **status}}


def job(kind="", **spec):
    told = [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}] if kind else []
    return {"metadata": {}, "spec": spec, "status": {"conditions": told, "succeeded": 1}}


def pod(phase="Running", *, ready=False):
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"name": "p"}, "status": {"phase": phase, "conditions": conditions}}


def rollout(phase="Healthy", generation=1, observed="1", **status):
    told = {"observedGeneration": observed, "phase": phase, **status}
    return {"metadata": {"generation": generation}, "status": told}


def conditions(generation=2, reason="R", **status):
    """True for the newest spec, but for what `status` says of a type."""
    return [
        {
            "type": kind,
            "status": status.get(kind, "True"),
            "observedGeneration": generation,
            "reason": reason,
            "message": "m",
        }
        for kind in ("Accepted", "Programmed", "ResolvedRefs")
    ]


def gateway(generation=2, **status):
    return {"metadata": {"generation": 2}, "status": {"conditions": conditions(generation, **status)}}


def with_listener(**status):
    """As istiod reports it: the Gateway itself is well, whatever is wrong with a listener's certificate."""
    found = gateway()
    found["status"]["listeners"] = [{"name": "https", "conditions": conditions(2, **status)}]
    return found


def http_route(parents=1, generation=2, **status):
    told = {"parentRef": {"name": "gw"}, "conditions": conditions(generation, **status)}
    spec = {"parentRefs": [{"name": "gw"}]}
    return {"metadata": {"generation": 2}, "spec": spec, "status": {"parents": [told] * parents}}


ROLLING = {"updateRevision": "w-2"}


@pytest.mark.parametrize(
    ("health", "found", "reason"),
    [
        (deployment_health, deployment(), None),
        (deployment_health, deployment(0, updatedReplicas=0, availableReplicas=0, replicas=0), None),
        (deployment_health, deployment(observedGeneration=1), f"Deployment w: {UNSEEN}"),
        (deployment_health, deployment(availableReplicas=1), "Deployment w: 1 of 2 pods available"),
        (deployment_health, deployment(updatedReplicas=1), "Deployment w: 2 of 2 pods available"),
        (deployment_health, deployment(wanted=3), "Deployment w: 2 of 3 pods available"),
        (deployment_health, deployment(replicas=3), "Deployment w: 1 old pod still runs"),
        (deployment_health, deployment(replicas=4), "Deployment w: 2 old pods still run"),
        (deployment_health, {"metadata": {}, "spec": {}}, "Deployment w: 0 of 1 pods available"),
        (stateful_set_health, stateful_set(), None),
        (stateful_set_health, stateful_set(observedGeneration=1), f"StatefulSet w: {UNSEEN}"),
        (stateful_set_health, stateful_set(readyReplicas=2), "StatefulSet w: 2 of 3 pods ready"),
        (stateful_set_health, stateful_set(updatedReplicas=1, **ROLLING), "StatefulSet w: 1 of 3 pods updated"),
        (stateful_set_health, stateful_set({"type": "OnDelete"}, updatedReplicas=0, **ROLLING), None),
        (
            stateful_set_health,
            stateful_set({"rollingUpdate": {"partition": 2}}, updatedReplicas=1, **ROLLING),
            None,
        ),
        (
            stateful_set_health,
            stateful_set({"rollingUpdate": {"partition": 1}}, updatedReplicas=1, **ROLLING),
            "StatefulSet w: 1 of 2 pods updated",
        ),
        (daemon_set_health, daemon_set(), None),
        (daemon_set_health, daemon_set(observedGeneration=0), f"DaemonSet w: {UNSEEN}"),
        (daemon_set_health, daemon_set(updatedNumberScheduled=1), "DaemonSet w: 1 of 2 pods updated"),
        (daemon_set_health, daemon_set("OnDelete", updatedNumberScheduled=1), None),
        (daemon_set_health, daemon_set(numberAvailable=1), "DaemonSet w: 1 of 2 pods available"),
        (daemon_set_health, daemon_set(desiredNumberScheduled=0, updatedNumberScheduled=0, numberAvailable=0), None),
        (job_health, job("Complete"), None),
        (job_health, job(suspend=True), None),
        (job_health, job(completions=3), "Job w: 1 of 3 completions"),
        (job_health, job("Failed"), "Job w failed: BackoffLimitExceeded: too often"),
        (pod_health, pod(ready=True), None),
        (pod_health, pod("Succeeded"), None),
        (pod_health, pod("Pending"), "Pod w isn't ready: Pending"),
        (pod_health, pod("Failed"), "Pod p failed: no reason: no message"),
        (gateway_health, gateway(), None),
        (gateway_health, gateway(Accepted="False"), "Gateway w isn't Accepted: R: m"),
        (gateway_health, gateway(Programmed="Unknown"), "Gateway w isn't Programmed: R: m"),
        (gateway_health, gateway(generation=1), "Gateway w isn't Accepted with its newest spec yet"),
        (gateway_health, gateway(Programmed="False", reason="AddressNotAssigned"), None),
        (
            gateway_health,
            gateway(Programmed="False", reason="AddressNotUsable"),
            "Gateway w isn't Programmed: AddressNotUsable: m",
        ),
        (
            gateway_health,
            gateway(generation=1, reason="AddressNotAssigned"),
            "Gateway w isn't Accepted with its newest spec yet",
        ),
        (
            gateway_health,
            {"metadata": {"generation": 1}},
            "Gateway w isn't Accepted: nothing is said of it: no message",
        ),
        (gateway_health, with_listener(), None),
        (
            gateway_health,
            with_listener(ResolvedRefs="False", reason="InvalidCertificateRef"),
            "Gateway w, listener https isn't ResolvedRefs: InvalidCertificateRef: m",
        ),
        (http_route_health, http_route(), None),
        (http_route_health, http_route(parents=2), None),
        (
            http_route_health,
            http_route(parents=0),
            "HTTPRoute w: no controller has taken it for each of its Gateways yet",
        ),
        (http_route_health, http_route(Accepted="False"), "HTTPRoute w for Gateway gw isn't Accepted: R: m"),
        (http_route_health, http_route(ResolvedRefs="False"), "HTTPRoute w for Gateway gw isn't ResolvedRefs: R: m"),
        (
            http_route_health,
            http_route(generation=1),
            "HTTPRoute w for Gateway gw isn't Accepted with its newest spec yet",
        ),
        (rollout_health, rollout(), None),
        (rollout_health, rollout("Paused"), None),
        (rollout_health, rollout("Degraded", message="RolloutAborted"), "Rollout w is Degraded: RolloutAborted"),
        (rollout_health, rollout("Progressing"), "Rollout w is Progressing: no message"),
        *(
            (rollout_health, found, "Rollout w: Argo's controller (argo-rollouts) hasn't acted on its newest spec yet")
            for found in (rollout(observed="1", generation=2), {"metadata": {"generation": 1}})
        ),
    ],
)
def test_a_workload_is_healthy_or_says_why_not(health, found, reason):
    assert health(found, "w") == reason


def test_a_deployment_that_gave_up_says_so_in_the_controllers_words():
    stuck = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "timed out progressing"}
    given_up = deployment(conditions=[stuck], availableReplicas=0)
    assert deployment_health(given_up, "d") == "Deployment d: timed out progressing"


# -- in a cluster -----------------------------------------------------------------------------------------------------

LABELS = {"app": "w"}
KINDS = {
    "Deployment": ("apps/v1", {"updatedReplicas": 1, "availableReplicas": 1}),
    "StatefulSet": ("apps/v1", {"readyReplicas": 1, "updatedReplicas": 1}),
    "DaemonSet": ("apps/v1", {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}),
    "Rollout": ("argoproj.io/v1alpha1", {"phase": "Healthy", "observedGeneration": "None"}),
}


def workload(kind, api_version, **status):
    meta = {"name": "w", "namespace": "default"}
    spec = {"selector": {"matchLabels": LABELS}}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec, "status": status}


def event(kind, name, message, *, reason="FailedMount", time="2026-01-01T00:00:00Z", level="Warning"):
    meta = {"name": f"{name}-{message}", "namespace": "default"}
    about = {"kind": kind, "name": name}
    told = {"reason": reason, "message": message, "type": level, "lastTimestamp": time}
    return {"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": about, **told}


@pytest.fixture
def cluster():
    return FakeCluster(kinds=[("argoproj.io/v1alpha1", "Rollout")])


def put_waiting(cluster, reason, message=""):
    waiting = {"waiting": {"reason": reason, "message": message}}
    cluster.put_pod("default", LABELS, ready=False, containerStatuses=[{"name": "c", "state": waiting}])


@pytest.mark.parametrize(
    ("kind", "api_version"),
    [
        *((kind, api_version) for kind, (api_version, _) in KINDS.items()),
        ("Job", "batch/v1"),
        ("Pod", "v1"),
        ("Gateway", "gateway.networking.k8s.io/v1"),
        ("HTTPRoute", "gateway.networking.k8s.io/v1"),
    ],
)
def test_what_is_not_there_is_not_healthy(kind, api_version):
    cluster = FakeCluster(kinds=[(api_version, kind)])
    assert workload_health(cluster, workload(kind, api_version)) == f"{kind} w isn't there"


@pytest.mark.parametrize("kind", KINDS)
def test_its_pods_count_whatever_its_controller_says(cluster, kind):
    api_version, well = KINDS[kind]
    found = workload(kind, api_version, **well)
    cluster.put(found)
    assert workload_health(cluster, found) == f"{kind} w: 0 of 1 pods ready", "the controller hasn't noticed yet"
    cluster.put_pod("default", LABELS)
    assert workload_health(cluster, found) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_pod_in_trouble_is_named(cluster, kind):
    found = workload(kind, KINDS[kind][0], desiredNumberScheduled=1)
    cluster.put(found)
    put_waiting(cluster, "ErrImageNeverPull", "no such image")
    assert str(workload_health(cluster, found)).endswith(
        "; Pod default-pod, container c: ErrImageNeverPull: no such image"
    )


def test_a_job_names_the_pod_it_waits_for(cluster):
    found = workload("Job", "batch/v1")
    cluster.put(found)
    put_waiting(cluster, "ImagePullBackOff")
    said = "Job w: 0 of 1 completions; Pod default-pod, container c: ImagePullBackOff: "
    assert workload_health(cluster, found) == said


def test_the_pods_of_a_complete_job_need_not_be_ready(cluster):
    found = workload("Job", "batch/v1", conditions=[{"type": "Complete", "status": "True"}])
    cluster.put(found)
    assert workload_health(cluster, found) is None


def test_a_job_that_is_cleared_away_after_its_end_need_not_be_there(cluster):
    found = workload("Job", "batch/v1")
    assert workload_health(cluster, found) == "Job w isn't there"
    found["spec"]["ttlSecondsAfterFinished"] = 60
    assert workload_health(cluster, found) is None


def test_a_pod_of_its_own_says_its_trouble_once(cluster):
    cluster.put_pod("default", {}, ready=False, phase="Pending", containerStatuses=[])
    bare = cluster.get("v1", "Pod", "default-pod", "default")
    assert workload_health(cluster, bare) == "Pod default-pod isn't ready: Pending"
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    cluster.put_pod("default", {}, ready=False, containerStatuses=[{"name": "c", "state": waiting}])
    assert workload_health(cluster, bare) == "Pod default-pod, container c: ErrImagePull: not found"


def test_of_a_pod_that_is_being_set_up_its_newest_warning_is_reported(cluster):
    found = workload("StatefulSet", "apps/v1")
    cluster.put(found)
    put_waiting(cluster, "ContainerCreating")
    cluster.put(event("Pod", "default-pod", "an old one", time="2025-12-31T00:00:00Z"))
    cluster.put(event("Pod", "default-pod", "Error: ErrImagePull", reason="Failed"))
    cluster.put(event("Pod", "default-pod", "Failed to pull image x: ErrImagePull", reason="Failed"))
    cluster.put(event("Pod", "default-pod", "Pulling image", time="2026-01-02T00:00:00Z", level="Normal"))
    cluster.put(event("Pod", "another", "not this one", time="2026-01-02T00:00:00Z"))
    said = "StatefulSet w: 0 of 1 pods ready; Pod default-pod: Failed: Failed to pull image x: ErrImagePull"
    assert workload_health(cluster, found) == said


def test_where_no_pod_can_be_created_its_controllers_words_are_reported(cluster):
    found = workload("DaemonSet", "apps/v1", desiredNumberScheduled=1)
    cluster.put(found)
    cluster.put(event("DaemonSet", "w", "exceeded quota", reason="FailedCreate"))
    assert str(workload_health(cluster, found)).endswith("; DaemonSet w: FailedCreate: exceeded quota")
    failure = {"type": "ReplicaFailure", "status": "True", "message": "forbidden by policy"}
    refused = workload("Deployment", "apps/v1", conditions=[failure])
    cluster.put(refused)
    assert workload_health(cluster, refused) == "Deployment w: 0 of 1 pods available; forbidden by policy"


def test_without_the_right_to_read_events_the_reason_stands_alone(cluster):
    found = workload("StatefulSet", "apps/v1")
    cluster.put(found)
    put_waiting(cluster, "ContainerCreating")
    cluster.refused["list Event"] = ApiError("forbidden", 403, where="GET")
    assert workload_health(cluster, found) == "StatefulSet w: 0 of 1 pods ready"


def test_a_pod_of_an_earlier_try_is_not_the_trouble(cluster):
    found = workload("Deployment", "apps/v1")
    cluster.put(found)
    old = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default", "labels": LABELS}}
    cluster.put({**old, "status": {"phase": "Failed", "reason": "Evicted"}})
    put_waiting(cluster, "ErrImagePull", "not found")
    assert str(workload_health(cluster, found)).endswith("container c: ErrImagePull: not found")


@pytest.mark.parametrize(
    "other",
    [{"apiVersion": "v1", "kind": "ConfigMap"}, {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job"}],
)
def test_what_is_no_workload_has_no_health(cluster, other):
    assert workload_health(cluster, {**other, "metadata": {"name": "x"}}) is None


def test_every_kind_whose_health_is_known_is_watched():
    kinds = {"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "Rollout"}
    assert {watch.kind for watch in watches("ns")} == kinds
    assert {watch.namespace for watch in watches("ns")} == {"ns"}


def test_a_kind_that_not_every_cluster_has_is_watched_where_there_is_one_to_wait_for():
    gateways, istios = "gateway.networking.k8s.io/v1", "networking.istio.io/v1"
    wanted = [{"apiVersion": gateways, "kind": "HTTPRoute"}, {"apiVersion": istios, "kind": "Gateway"}]
    assert set(watches("ns", wanted)) - set(watches("ns")) == {Watch(gateways, "HTTPRoute", "ns")}


def test_a_gateway_is_as_healthy_as_what_was_deployed_for_it():
    kind = ("gateway.networking.k8s.io/v1", "Gateway")
    meta = {"name": "g", "namespace": "default", "generation": 2}
    found = {**gateway(), "apiVersion": kind[0], "kind": kind[1], "metadata": meta, "spec": {}}
    cluster = FakeCluster(found, kinds=[kind])
    assert workload_health(cluster, found) is None
    for name, owner in (("g-istio", "g"), ("other", "h")):
        labels = {"gateway.networking.k8s.io/gateway-name": owner}
        carrier = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1}}
        cluster.put({**carrier, "metadata": {"name": name, "namespace": "default", "labels": labels}})
    assert workload_health(cluster, found) == "Deployment g-istio: 0 of 1 pods available"


@pytest.mark.parametrize("api_version", ["gateway.networking.k8s.io/v1", "networking.istio.io/v1"])
def test_a_gateway_has_health_if_it_is_one_of_the_gateway_api(api_version):
    kind = (api_version, "Gateway")
    found = {
        "apiVersion": api_version,
        "kind": "Gateway",
        "metadata": {"name": "g", "namespace": "default"},
        "spec": {},
    }
    said = workload_health(FakeCluster(found, kinds=[kind]), found)
    assert bool(said) == api_version.startswith("gateway.")
