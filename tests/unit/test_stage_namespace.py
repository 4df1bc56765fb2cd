from __future__ import annotations

import pytest
from support.fake_cluster import FakeCluster
from support.runs import context_of

from canarylab.engine import bring_up
from canarylab.kube.objects import OWNER_LABEL
from canarylab.stages.kinds.namespace import NamespaceOptions, NamespaceStage

INJECTION = {"istio-injection": "enabled"}


def stage(**options):
    return NamespaceStage("injection", NamespaceOptions(namespace="default", **{"labels": INJECTION, **options}))


def namespace(**labels):
    meta = {"name": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta, "status": {"phase": "Active"}}


def labels(cluster):
    return cluster.objects[("v1", "Namespace", "", "default")]["metadata"]["labels"]


def up(cluster, wanted):
    return bring_up.up(context_of(wanted, cluster=cluster), [wanted]).outcomes["injection"]


def test_a_namespace_that_is_not_there_is_created_as_ours():
    cluster = FakeCluster()
    assert up(cluster, stage()).state == "changed"
    assert labels(cluster) == {**INJECTION, OWNER_LABEL: "unit-test"}
    assert up(cluster, stage()).state == "unchanged"


def test_a_namespace_of_others_gets_our_labels_and_stays_theirs():
    cluster = FakeCluster(namespace(team="a"))
    assert up(cluster, stage()).state == "changed"
    assert labels(cluster) == {"team": "a", **INJECTION}
    assert up(cluster, stage()).state == "unchanged"


def test_a_label_that_was_changed_is_put_back():
    cluster = FakeCluster(namespace(**{"istio-injection": "disabled"}))
    assert up(cluster, stage()).state == "changed"
    assert labels(cluster) == INJECTION


def test_a_label_that_is_no_longer_wanted_is_taken_back():
    cluster = FakeCluster(namespace())
    up(cluster, stage())
    assert up(cluster, stage(labels={"other": "x"})).state == "changed"
    assert labels(cluster) == {"other": "x"}


@pytest.mark.parametrize(
    ("obj", "reason"),
    [
        (None, "Namespace default is not there"),
        ({**namespace(), "status": {"phase": "Terminating"}}, "Namespace default is Terminating"),
        (namespace(), None),
    ],
)
def test_only_an_active_namespace_is_healthy(obj, reason):
    cluster = FakeCluster(*([obj] if obj else []))
    assert stage().health(context_of(cluster=cluster)) == reason


def test_a_namespace_that_we_made_is_deleted():
    cluster = FakeCluster()
    up(cluster, stage())
    [removal] = stage().remove(context_of(cluster=cluster))
    assert (removal.subject, removal.outcome) == ("Namespace default", "removed")
    assert cluster.objects == {}
    assert stage().remove(context_of(cluster=cluster)) == []


def test_a_namespace_of_others_loses_our_labels_only():
    cluster = FakeCluster(namespace(team="a"))
    up(cluster, stage())
    removals = stage().remove(context_of(cluster=cluster))
    assert [removal.outcome for removal in removals] == ["removed", "left"]
    assert labels(cluster) == {"team": "a"}


def test_a_namespace_of_another_profile_is_left():
    cluster = FakeCluster(namespace(**{OWNER_LABEL: "another"}))
    assert stage().remove(context_of(cluster=cluster))[-1].outcome == "left"
    assert ("v1", "Namespace", "", "default") in cluster.objects
