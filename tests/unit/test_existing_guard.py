"""Where the tool asks before it acts: in namespaces with others' pods, and on what looks like production."""

from __future__ import annotations

import dataclasses

import pytest
from support.borrowed import BorrowedProvider
from support.fake_cluster import FakeCluster
from support.runs import context_of

from canarylab.contract.context import Consent
from canarylab.errors import CancelledError, UsageError
from canarylab.kube.objects import OWNER_LABEL
from canarylab.providers.existing import guard
from canarylab.stages.kinds.namespace import NamespaceOptions, NamespaceStage


def named(kind, count, **meta):
    return [
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": f"{kind}-{n}".lower(), **meta}} for n in range(count)
    ]


def namespace(name="default", **labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(name="shop", **meta):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", **meta}}


def context(*objects, labels=None, yes=False):
    wanted = NamespaceOptions(namespace="default", labels={"istio-injection": "enabled"} if labels is None else labels)
    ctx = context_of(NamespaceStage("injection", wanted), provider=BorrowedProvider(FakeCluster(*objects)))
    return dataclasses.replace(ctx, consent=Consent(yes=yes))


# -- what looks like production ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "sign"),
    [
        (named("Node", guard.MANY_NODES + 1), "6 nodes"),
        (named("Namespace", guard.MANY_NAMESPACES + 1), "11 namespaces of others"),
        ([namespace("shop"), *named("Pod", guard.MANY_PODS + 1, namespace="shop")], "51 pods of others"),
    ],
)
def test_many_nodes_namespaces_or_pods_of_others_are_signs_of_production(objects, sign):
    assert guard.production_signs(FakeCluster(*objects), "unit-test") == [sign]


@pytest.mark.parametrize(
    "objects",
    [
        [],
        named("Node", guard.MANY_NODES),
        named("Namespace", guard.MANY_NAMESPACES),
        [namespace("shop"), *named("Pod", guard.MANY_PODS, namespace="shop")],
        named("Namespace", guard.MANY_NAMESPACES + 1, labels={OWNER_LABEL: "unit-test"}),
        [namespace("kube-system"), *named("Pod", guard.MANY_PODS + 1, namespace="kube-system")],
        [namespace("default"), *named("Pod", guard.MANY_PODS + 1, namespace="default")],
    ],
)
def test_a_small_cluster_is_none_nor_is_what_is_ours_or_kubernetes_own(objects):
    assert guard.production_signs(FakeCluster(*objects), "unit-test") == []


# -- injection --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["istio-injection", "istio.io/rev"])
def test_others_pods_in_a_namespace_that_would_be_injected_are_named(label):
    ctx = context(namespace(), pod("shop"), pod("till"), labels={label: "x"})
    assert guard.namespaces_to_inject(ctx) == [
        f"namespace default would get {label}=x, and others' pods are in it: shop, till"
    ]


@pytest.mark.parametrize(
    "objects",
    [
        [],
        [namespace()],
        [namespace(**{"istio-injection": "enabled"}), pod()],
        [namespace(), pod(labels={OWNER_LABEL: "unit-test"})],
    ],
)
def test_a_namespace_without_others_pods_or_with_the_label_already_is_no_question(objects):
    assert guard.namespaces_to_inject(context(*objects)) == []


def test_another_label_is_no_question():
    assert guard.namespaces_to_inject(context(namespace(), pod(), labels={"team": "a"})) == []


def test_a_pod_is_ours_through_what_it_was_made_by():
    def owned(kind, name):
        return {"ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": True}]}

    def made(kind, **meta):
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x", "namespace": "default", **meta}}

    top = made("Deployment", labels={OWNER_LABEL: "unit-test"})
    middle = made("ReplicaSet", **owned("Deployment", "x"))
    assert guard.namespaces_to_inject(context(namespace(), pod(**owned("ReplicaSet", "x")), middle, top)) == []
    assert guard.namespaces_to_inject(context(namespace(), pod(**owned("ReplicaSet", "x")), middle)) != []


# -- asking -----------------------------------------------------------------------------------------------------------

MANY = named("Node", 6)


@pytest.mark.parametrize("command", ["up", "demo", "teardown"])
def test_without_a_terminal_the_error_names_the_reason_and_the_flag(command):
    with pytest.raises(UsageError) as caught:
        guard.require_consent(context(*MANY), command)
    assert "6 nodes" in str(caught.value)
    assert "--yes" in str(caught.value)


def test_all_reasons_are_asked_about_at_once():
    asked = []
    guard.require_consent(context(*MANY, namespace(), pod()), "up", lambda question: asked.append(question) or True)
    assert len(asked) == 1
    assert "6 nodes" in asked[0]
    assert "shop" in asked[0]


def test_a_no_ends_it():
    with pytest.raises(CancelledError):
        guard.require_consent(context(*MANY), "up", lambda _: False)


def test_said_beforehand_nothing_is_asked():
    guard.require_consent(context(*MANY, namespace(), pod(), yes=True), "up", lambda _: pytest.fail("asked"))


def test_where_nothing_is_at_stake_nothing_is_asked():
    guard.require_consent(context(namespace()), "up", lambda _: pytest.fail("asked"))
    guard.require_consent(context(namespace(), pod()), "teardown", lambda _: pytest.fail("asked"))
