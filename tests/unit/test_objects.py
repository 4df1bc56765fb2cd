from __future__ import annotations

import pytest

from canarylab.kube.objects import (
    OWNER_LABEL,
    annotations_of,
    condition,
    identity,
    is_terminating,
    labels_of,
    load_balancer_address,
    managers_of,
    owned,
    owner_of,
    pod_trouble,
)


def pod(**status):
    return {"metadata": {"name": "p"}, "status": status}


def container(name="app", *, ready=False, last=None, **state):
    return {"name": name, "ready": ready, "state": state, "lastState": {"terminated": last} if last else {}}


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
        (
            pod(containerStatuses=[container(terminated={"exitCode": 3, "reason": "Error"})]),
            "Pod p, container app: ended with 3 (Error)",
        ),
        (pod(containerStatuses=[container(terminated={"exitCode": 0, "reason": "Completed"})]), None),
        (
            pod(phase="Failed", reason="Evicted", message="low on memory"),
            "Pod p failed: Evicted: low on memory",
        ),
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


@pytest.mark.parametrize("obj", [None, {}, {"metadata": {}}, {"metadata": {"labels": None, "annotations": None}}])
def test_what_is_not_there_or_says_nothing_has_no_marks(obj):
    assert (labels_of(obj), annotations_of(obj), managers_of(obj), owner_of(obj)) == ({}, {}, set(), None)
    assert not is_terminating(obj)


def test_the_marks_of_an_object_say_whose_it_is():
    meta = {"name": "x", "labels": {OWNER_LABEL: "mine"}, "annotations": {"a": "b"}, "deletionTimestamp": "now"}
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "managedFields": [{"manager": "kubelet"}]}}
    assert (owner_of(obj), annotations_of(obj), managers_of(obj)) == ("mine", {"a": "b"}, {"kubelet"})
    assert is_terminating(obj)
    assert identity(obj) == ("v1", "Pod", "x")


def test_the_label_of_a_profile_is_put_beside_others_and_read_again():
    meta = {"name": "x", "labels": {"app": "x"}}
    made = owned(meta, "mine")
    assert made == {"name": "x", "labels": {"app": "x", OWNER_LABEL: "mine"}}
    assert owner_of({"metadata": made}) == "mine"
    assert meta == {"name": "x", "labels": {"app": "x"}}, "what was handed over stays as it was"
    assert owned({"name": "y"}, "mine") == {"name": "y", "labels": {OWNER_LABEL: "mine"}}
