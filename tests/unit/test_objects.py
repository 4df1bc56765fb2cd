from __future__ import annotations

import pytest

from canarylab.kube.objects import condition, deployment_health, load_balancer_address, pod_trouble


def deployment(wanted=2, generation=2, **status):
    """A healthy one; `status` says what isn't as it should be."""
    healthy = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {"metadata": {"generation": generation}, "spec": {"replicas": wanted}, "status": {**healthy, **status}}


def pod(**status):
    return {"metadata": {"name": "p"}, "status": status}


def container(name="app", *, ready=False, last=None, **state):
    return {"name": name, "ready": ready, "state": state, "lastState": {"terminated": last} if last else {}}


def test_a_deployment_with_all_of_its_replicas_is_healthy():
    assert deployment_health(deployment(), "d") is None


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "Deployment d isn't there"),
        (deployment(observedGeneration=1), "Deployment d wasn't looked at yet"),
        (deployment(availableReplicas=1), "Deployment d: 1 of 2 pods available"),
        (deployment(updatedReplicas=1), "Deployment d: 2 of 2 pods available"),
        (deployment(wanted=3), "Deployment d: 2 of 3 pods available"),
        (deployment(replicas=3), "Deployment d: 1 old pods still run"),
        ({"metadata": {}, "spec": {}}, "Deployment d: 0 of 1 pods available"),
    ],
)
def test_a_deployment_says_why_it_is_not_healthy(found, reason):
    assert deployment_health(found, "d") == reason


def test_a_deployment_that_gave_up_says_so_in_the_controllers_words():
    stuck = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "timed out progressing"}
    assert (
        deployment_health(deployment(conditions=[stuck], availableReplicas=0), "d")
        == "Deployment d: timed out progressing"
    )


def test_a_deployment_of_no_replicas_is_healthy():
    assert deployment_health(deployment(0, updatedReplicas=0, availableReplicas=0, replicas=0), "d") is None


@pytest.mark.parametrize(
    ("found", "trouble"),
    [
        (pod(), None),
        (pod(containerStatuses=[container(ready=True, running={})]), None),
        (pod(containerStatuses=[container(waiting={"reason": "ContainerCreating"})]), None),
        (pod(initContainerStatuses=[container("init", waiting={"reason": "PodInitializing"})]), None),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory."}]),
            "Pod p: 0/1 nodes: Insufficient memory.",
        ),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]),
            "Pod p: Unschedulable",
        ),
        (
            pod(containerStatuses=[container(waiting={"reason": "ErrImageNeverPull", "message": "not present"})]),
            "Pod p, container app: ErrImageNeverPull: not present",
        ),
        (
            pod(initContainerStatuses=[container("init", waiting={"reason": "CrashLoopBackOff"})]),
            "Pod p, container init: CrashLoopBackOff: ",
        ),
        (
            pod(containerStatuses=[container(last={"exitCode": 1, "reason": "Error"}, running={})]),
            "Pod p, container app: ended with 1 (Error)",
        ),
        (pod(containerStatuses=[container(ready=True, last={"exitCode": 1}, running={})]), None),
        (pod(containerStatuses=[container(last={"exitCode": 0}, running={})]), None),
    ],
)
def test_a_pod_says_what_keeps_it_from_getting_ready(found, trouble):
    assert pod_trouble(found) == trouble


def test_a_condition_is_found_by_its_type():
    obj = {"status": {"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "False"}]}}
    assert condition(obj, "B") == {"type": "B", "status": "False"}
    assert condition(obj, "C") == condition({}, "A") == {}


@pytest.mark.parametrize(
    ("ingress", "address"),
    [([{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "10.0.0.1"), ([{"hostname": "lb.example"}], "lb.example"), ([], None)],
)
def test_a_load_balancers_address_is_its_first(ingress, address):
    assert load_balancer_address({"status": {"loadBalancer": {"ingress": ingress}}}) == address


def test_a_service_without_status_has_no_address():
    assert load_balancer_address({}) is None
