from __future__ import annotations

import threading

import pytest
from support.borrowed import BorrowedProvider
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import Scripted, context_of

from canarylab.applied import write
from canarylab.engine.look import absent_stages
from canarylab.errors import NotYetObservableError, StageError


class Below(Scripted):
    in_cluster = False


def fails(error):
    def hook(_ctx):
        raise error

    return hook


def names(*stages, cluster=None, **world):
    ctx = context_of(*stages, cluster=cluster or FakeCluster(), **world)
    return [stage.name for stage in absent_stages(ctx)]


def test_what_is_not_there_is_lacking_in_the_playbooks_order():
    assert names(Scripted("b"), Scripted("there", up_to_date=True), Scripted("a", ["b"])) == ["b", "a"]


def test_what_cannot_be_observed_yet_is_lacking():
    assert names(Scripted("a", on_observe=fails(NotYetObservableError("its kind isn't there")))) == ["a"]


def test_what_cannot_be_looked_at_is_left_to_up():
    assert names(Scripted("a", on_observe=fails(StageError("somebody else's")))) == []


def test_what_is_there_in_part_is_left_to_up():
    class InParts(Scripted):
        def is_absent(self, _observed):
            return False

    assert names(InParts("a")) == []


def test_the_providers_own_stages_are_not_looked_at():
    cluster = Below("cluster")
    provider = FakeProvider(FakeCluster())
    provider.below = [cluster]
    ctx = context_of(cluster, Scripted("a"), provider=provider)
    assert [stage.name for stage in absent_stages(ctx)] == ["a"]
    assert cluster.log == []


def test_without_a_cluster_nothing_is_looked_at():
    stage = Scripted("a")
    assert absent_stages(context_of(stage)) == []
    cluster = FakeCluster()
    cluster.unready = "the API server doesn't answer"
    assert names(stage, cluster=cluster) == []
    assert stage.log == []


def test_stages_are_looked_at_side_by_side():
    both = threading.Barrier(2, timeout=10)
    assert names(Scripted("a", on_observe=lambda _: both.wait()), Scripted("b", on_observe=lambda _: both.wait()))


@pytest.mark.parametrize("was_up", [True, False])
def test_somebody_elses_cluster_counts_only_once_up_has_been_there(was_up):
    ctx = context_of(Scripted("a"), provider=BorrowedProvider(FakeCluster()))
    ctx.paths.create()
    ctx.paths.kubeconfig.touch()
    if was_up:
        write(ctx, [ctx.playbook])
    assert bool(absent_stages(ctx)) is was_up
