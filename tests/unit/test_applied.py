from __future__ import annotations

import dataclasses

import pytest
from support.borrowed import BorrowedProvider
from support.fake_cluster import FakeCluster
from support.runs import Scripted, context_of

import canarylab
from canarylab.applied import Applied, others, read, remove, write
from canarylab.errors import CanarylabError
from canarylab.kube.objects import OWNER_LABEL
from canarylab.removal import Removal

KEY = ("v1", "ConfigMap", "kube-system", "canarylab")
EXISTING = ("v1", "ConfigMap", "kube-system", "canarylab-unit-test")


def playbook(ctx, name, *stages):
    made = tuple(Scripted(stage) for stage in stages)
    return dataclasses.replace(ctx.playbook, name=name, digest=f"digest of {name}", stages=made)


def somebody_elses():
    return context_of(provider=BorrowedProvider(FakeCluster()))


def test_what_was_applied_is_written_down_in_the_cluster():
    ctx = context_of(Scripted("app"), cluster=(cluster := FakeCluster()))
    assert read(ctx) == {}
    write(ctx, [ctx.playbook])
    assert read(ctx) == {"test": Applied("0123abcd", ("app",))}
    assert cluster.objects[KEY]["metadata"]["labels"] == {OWNER_LABEL: "unit-test"}
    assert cluster.objects[KEY]["data"].items() >= {"provider": "fake", "version": canarylab.__version__}.items()


def test_the_same_again_writes_nothing():
    ctx = context_of(cluster=(cluster := FakeCluster()))
    write(ctx, [ctx.playbook])
    write(ctx, [ctx.playbook])
    assert len(cluster.writes) == 1


def test_another_digest_is_written_down():
    ctx = context_of(cluster=(cluster := FakeCluster()))
    write(ctx, [dataclasses.replace(ctx.playbook, digest="older")])
    write(ctx, [ctx.playbook])
    assert read(ctx)["test"].digest == "0123abcd"
    assert len(cluster.writes) == 2


@pytest.mark.parametrize("value", ["{", "[]", "{}", '{"digest": "x"}'])
def test_a_record_that_somebody_changed_is_reported_with_its_place_and_the_way_out(value):
    ctx = context_of(cluster=(cluster := FakeCluster()))
    write(ctx, [ctx.playbook])
    cluster.objects[KEY]["data"]["playbook.test"] = value
    with pytest.raises(CanarylabError, match=r"^ConfigMap kube-system/canarylab, playbook\.test: ") as caught:
        read(ctx)
    assert "remove that key; `invoke up` writes it again" in str(caught.value)
    write(ctx, [ctx.playbook])
    assert set(read(ctx)) == {"test"}


def test_without_a_cluster_nothing_was_applied():
    assert read(context_of()) == {}


def test_playbooks_that_share_the_cluster_are_recorded_side_by_side():
    ctx = context_of(cluster=FakeCluster())
    write(ctx, [playbook(ctx, "a", "istio"), playbook(ctx, "b", "istio", "app")])
    write(ctx, [playbook(ctx, "c")])
    assert {name: applied.stages for name, applied in read(ctx).items()} == {
        "a": ("istio",),
        "b": ("istio", "app"),
        "c": (),
    }


def test_others_are_those_that_a_run_is_not_about():
    ctx = context_of(cluster=FakeCluster())
    members = tuple(playbook(ctx, name) for name in "ab")
    write(ctx, [*members, playbook(ctx, "c")])
    assert set(others(dataclasses.replace(ctx, playbook=members[0]))) == {"b", "c"}
    union = dataclasses.replace(ctx.playbook, members=members)
    assert set(others(dataclasses.replace(ctx, playbook=union))) == {"c"}


def test_the_record_of_a_playbook_goes_and_that_of_others_stays():
    ctx = somebody_elses()
    a, b = (dataclasses.replace(ctx, playbook=playbook(ctx, name)) for name in "ab")
    write(ctx, [a.playbook, b.playbook])
    assert remove(a) == [Removal("ConfigMap kube-system/canarylab-unit-test", "left", "it also records b")]
    assert set(read(ctx)) == {"b"}
    assert remove(b) == [Removal("ConfigMap kube-system/canarylab-unit-test", "removed")]
    assert ctx.cluster.objects == {}
    assert remove(b) == []
