"""What is taken away from a cluster that isn't ours: what is ours, all of it, and nothing that others rely on."""

from __future__ import annotations

import pytest
import yaml
from support.borrowed import BorrowedProvider
from support.fake_cluster import FakeCluster
from support.fake_time import FakeTime
from support.helm_records import record
from support.helm_world import HelmWorld
from support.runs import context_of

from canarylab.errors import StageError
from canarylab.kube.client import ApiError
from canarylab.kube.objects import OWNER_LABEL
from canarylab.ownership import crds, namespaces
from canarylab.ownership.helm_removal import found_label
from canarylab.stages.kinds.helm_release import HelmReleaseOptions, HelmReleaseStage
from canarylab.stages.kinds.namespace import NamespaceOptions, NamespaceStage

OURS = {OWNER_LABEL: "unit-test"}
MARKS = {"meta.helm.sh/release-name": "gateway", "meta.helm.sh/release-namespace": "ns"}
THING = ("example.org/v1", "Thing")
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.org", "annotations": MARKS, "labels": dict(OURS)},
    "spec": {"group": "example.org", "names": {"kind": "Thing"}, "versions": [{"name": "v1", "served": True}]},
}


def obj(kind, name="x", namespace=None, api_version="v1", managers=(), **meta):
    fields = {"managedFields": [{"manager": manager} for manager in managers]} if managers else {}
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **place, **fields, **meta}}


def space(**meta):
    return {**obj("Namespace", "ns", **meta), "status": {"phase": "Active"}}


def borrowed(*objects, kinds=()):
    cluster = FakeCluster(*objects, kinds=kinds)
    return context_of(provider=BorrowedProvider(cluster), cancel=FakeTime()), cluster


def has_namespace(cluster):
    return cluster.get("v1", "Namespace", "ns") is not None


# -- namespaces -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside",
    [
        obj("ConfigMap", "kube-root-ca.crt", "ns", managers=["kube-controller-manager"]),
        obj("ServiceAccount", "default", "ns"),
        obj("ConfigMap", "istio-ca-root-cert", "ns", managers=["pilot-discovery"]),
        obj("ConfigMap", "ours", "ns", labels=OURS, managers=["kubectl"]),
        obj("Pod", "p", "ns", ownerReferences=[{"kind": "ReplicaSet"}], managers=["kubelet"]),
        obj("Pod", "p", "ns", deletionTimestamp="now"),
        obj("ConfigMap", "elsewhere", "another", managers=["kubectl"]),
        obj("Lease", "l", "ns", "coordination.k8s.io/v1", managers=["somebody"]),
    ],
)
def test_a_namespace_of_ours_goes_with_what_comes_by_itself(inside):
    ctx, cluster = borrowed(space(labels=OURS), inside)
    assert [removal.outcome for removal in namespaces.remove(ctx, "ns")] == ["removed"]
    assert not has_namespace(cluster)


@pytest.mark.parametrize(
    "inside",
    [
        obj("ConfigMap", "theirs", "ns", managers=["kubectl-create"]),
        obj("ConfigMap", "theirs", "ns", managers=["kube-controller-manager", "somebody"]),
        obj("Secret", "theirs", "ns"),
        obj("Pod", "theirs", "ns", managers=["helm"]),
        obj("Service", "theirs", "ns", labels={OWNER_LABEL: "another"}),
    ],
)
def test_a_namespace_of_ours_stays_for_what_others_put_into_it(inside):
    ctx, cluster = borrowed(space(labels=OURS), inside)
    [removal] = namespaces.remove(ctx, "ns")
    assert removal.outcome == "left"
    assert f"{inside['kind']} theirs is in it" in removal.reason
    assert has_namespace(cluster)


def test_what_cannot_be_looked_at_keeps_a_namespace(monkeypatch):
    ctx, cluster = borrowed(space(labels=OURS))
    listed = cluster.list

    def refuse(api_version, kind, *rest, **named):
        if kind == "Secret":
            raise ApiError("forbidden", 403, where="GET")
        return listed(api_version, kind, *rest, **named)

    monkeypatch.setattr(cluster, "list", refuse)
    assert [removal.outcome for removal in namespaces.remove(ctx, "ns")] == ["left"]
    assert has_namespace(cluster)


@pytest.mark.parametrize("labels", [{}, {OWNER_LABEL: "another"}])
def test_a_namespace_that_is_not_ours_is_not_even_reported(labels):
    ctx, cluster = borrowed(space(labels=labels))
    assert namespaces.remove(ctx, "ns") == []
    assert has_namespace(cluster)


def test_a_namespace_that_is_being_deleted_is_waited_for_before_it_is_made_again():
    ctx, cluster = borrowed(space(labels=OURS, deletionTimestamp="now"))
    cluster.pending.append(cluster.objects.clear)
    namespaces.ensure(ctx, "ns")
    assert "deletionTimestamp" not in cluster.get("v1", "Namespace", "ns")["metadata"]


def test_a_namespace_that_does_not_go_away_is_reported_with_what_holds_it():
    held = space(deletionTimestamp="now")
    held["status"]["conditions"] = [
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "a finalizer"}
    ]
    ctx, _ = borrowed(held)
    with pytest.raises(StageError) as caught:
        namespaces.ensure(ctx, "ns")
    assert "a finalizer" in str(caught.value)


def test_a_namespace_that_is_there_is_left_as_it_is():
    ctx, cluster = borrowed(space(labels={"team": "a"}))
    namespaces.ensure(ctx, "ns")
    assert cluster.writes == []


def test_the_stage_takes_back_its_labels_and_says_nothing_where_it_gave_none():
    stage = NamespaceStage("injection", NamespaceOptions(namespace="ns", labels={"istio-injection": "enabled"}))
    ctx, cluster = borrowed(space(labels={"team": "a", "istio-injection": "enabled"}))
    assert stage.removals(ctx) == []
    assert stage.remove(ctx) == []
    assert cluster.writes == []


def test_the_stage_makes_a_namespace_again_that_is_being_deleted():
    stage = NamespaceStage("injection", NamespaceOptions(namespace="ns", labels={"a": "b"}))
    ctx, cluster = borrowed(space(labels=OURS, deletionTimestamp="now"))
    observed = stage.observe(ctx)
    assert [change.action for change in stage.changes(observed)] == ["create"]
    cluster.pending.append(cluster.objects.clear)
    stage.apply(ctx, observed)
    assert cluster.get("v1", "Namespace", "ns")["metadata"]["labels"] == {"a": "b", **OURS}


# -- definitions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("things", "outcome"),
    [
        ([], "removed"),
        ([obj("Thing", api_version=THING[0], labels=OURS)], "removed"),
        ([obj("Thing", api_version=THING[0], ownerReferences=[{}])], "removed"),
        ([obj("Thing", "theirs", "team", THING[0])], "left"),
    ],
)
def test_a_definition_goes_unless_others_have_objects_of_it(things, outcome):
    ctx, _ = borrowed(DEFINITION, *things, kinds=[THING]) if things else borrowed(DEFINITION)
    removal = crds.removal(ctx, DEFINITION)
    assert removal.outcome == outcome
    assert outcome == "removed" or "Thing team/theirs" in removal.reason


def test_a_definition_that_was_changed_a_moment_ago_is_asked_about_again(monkeypatch):
    ctx, cluster = borrowed(DEFINITION, obj("Thing", "theirs", "team", THING[0]), kinds=[THING])
    listed, busy = cluster.list, [ApiError("storage is (re)initializing", 429, where="GET")] * 2

    def initializing(*words, **named):
        if busy:
            raise busy.pop()
        return listed(*words, **named)

    monkeypatch.setattr(cluster, "list", initializing)
    assert crds.removal(ctx, DEFINITION).outcome == "left"


# -- releases ---------------------------------------------------------------------------------------------------------


class Borrowed(HelmWorld):
    """A release of ours, with the definition that its chart tells Helm to keep."""

    def __init__(self, base, *objects, chart="gateway", **labels):
        self.manifest = "\n---\n".join([yaml.safe_dump(DEFINITION)])
        secret = record(manifest=self.manifest, chart={"metadata": {"name": chart, "version": "1.31.0"}})
        secret["metadata"]["labels"] |= {**OURS, **labels}
        super().__init__(base, secret, DEFINITION, space(labels=OURS), *objects)
        charts = self.provider.charts
        self.provider = BorrowedProvider(self.cluster)
        self.provider.charts = charts

    def stage(self):
        return HelmReleaseStage("gateway", HelmReleaseOptions(chart="istio/gateway", version="1.31.0", namespace="ns"))

    def remove(self):
        planned = self.stage().removals(self.context())
        done = self.stage().remove(self.context())
        assert {each.subject for each in done} == {each.subject for each in planned}, "it was shown first"
        return {each.subject: each.outcome for each in done}


def test_what_helm_would_leave_of_a_release_goes_too(tmp_path):
    world = Borrowed(tmp_path)
    assert world.remove() == {
        "CustomResourceDefinition things.example.org": "removed",
        "release ns/gateway with 1 objects": "removed",
        "Namespace ns": "removed",
    }
    assert world.cluster.objects == {}


def test_definitions_that_were_there_before_the_release_stay(tmp_path):
    world = Borrowed(tmp_path, **{found_label("things.example.org"): "true"})
    assert world.remove()["CustomResourceDefinition things.example.org"] == "left"


def test_definitions_that_the_release_made_go_though_others_were_there_before(tmp_path):
    world = Borrowed(tmp_path, **{found_label("others.example.org"): "true"})
    assert world.remove()["CustomResourceDefinition things.example.org"] == "removed"


@pytest.mark.parametrize("name", ["a.example.org", "a" * 80, "a" * 62 + ".org"])
def test_every_definition_has_a_label_that_kubernetes_takes(name):
    prefix, _, word = found_label(name).partition("/")
    assert prefix == "found.canarylab.dev"
    assert 0 < len(word) <= 63
    assert word[-1].isalnum()


def test_the_namespace_goes_with_the_last_release_in_it(tmp_path):
    other = record(name="other")
    other["metadata"]["labels"] |= OURS
    world = Borrowed(tmp_path, other)
    done = world.stage().remove(world.context())
    assert "Namespace ns" not in {removal.subject for removal in done}
    assert has_namespace(world.cluster)


def test_a_teardown_that_was_killed_behind_the_last_release_is_finished(tmp_path):
    world = Borrowed(tmp_path)
    for key in [key for key in world.cluster.objects if key[1] == "Secret"]:
        del world.cluster.objects[key]
    assert [removal.subject for removal in world.stage().remove(world.context())] == ["Namespace ns"]


def root_certificate(namespace, managers=("pilot-discovery",)):
    labels = {"istio.io/config": "true"}
    return obj("ConfigMap", "istio-ca-root-cert", namespace, managers=managers, labels=labels)


def test_what_our_istio_wrote_into_others_namespaces_goes_with_it(tmp_path):
    mixed = root_certificate("mixed", ("pilot-discovery", "somebody"))
    authority = obj("Secret", "istio-ca-secret", "ns", managers=["pilot-discovery"])
    world = Borrowed(tmp_path, root_certificate("team-a"), mixed, authority, chart="istiod")
    removed = world.remove()
    assert removed["ConfigMap team-a/istio-ca-root-cert"] == removed["Secret ns/istio-ca-secret"] == "removed"
    assert "ConfigMap mixed/istio-ca-root-cert" not in removed


def test_what_another_istio_still_needs_stays(tmp_path):
    other = obj("Deployment", "istiod-canary", "mesh", "apps/v1", labels={"app": "istiod"})
    world = Borrowed(tmp_path, root_certificate("team-a"), other, chart="istiod")
    assert "ConfigMap team-a/istio-ca-root-cert" not in world.remove()
