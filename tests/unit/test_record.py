from __future__ import annotations

from support.fake_cluster import FakeCluster
from support.runs import context_of

import canarylab
from canarylab.kube.client import OWNER_LABEL
from canarylab.record import read, record

KEY = ("v1", "ConfigMap", "kube-system", "canarylab")


def test_what_was_applied_is_written_down_in_the_cluster():
    ctx = context_of(cluster=(cluster := FakeCluster()))
    assert read(ctx) is None
    record(ctx)
    assert read(ctx) == {"playbook": "test", "digest": "0123abcd", "provider": "fake", "version": canarylab.__version__}
    assert cluster.objects[KEY]["metadata"]["labels"] == {OWNER_LABEL: "unit-test"}


def test_the_same_again_writes_nothing():
    ctx = context_of(cluster=(cluster := FakeCluster()))
    record(ctx)
    record(ctx)
    assert len(cluster.writes) == 1


def test_another_digest_is_written_down():
    ctx = context_of(cluster=(cluster := FakeCluster()))
    record(ctx)
    cluster.objects[KEY]["data"]["digest"] = "older"
    record(ctx)
    assert read(ctx)["digest"] == "0123abcd"
    assert len(cluster.writes) == 2
