"""What is looked at while a run waits: a disk that is full ends it, a cluster that is silent is explained."""

from __future__ import annotations

import time

import pytest
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.fake_time import FakeTime
from support.runs import context_of

from canarylab import disks
from canarylab.disks import Fault
from canarylab.engine import sentinel as sentinels
from canarylab.engine.sentinel import Sentinel, explained, guarded
from canarylab.errors import EXIT_DONE, EXIT_MACHINE, CommandError, StageError
from canarylab.events import Event
from canarylab.kube.client import ApiError


@pytest.fixture
def world(tmp_path):
    class World:
        def __init__(self):
            self.cluster = FakeCluster()
            self.events: list[Event] = []
            self.provider = FakeProvider(self.cluster)
            self.ctx = context_of(provider=self.provider, emit=self.events.append)
            self.ctx.paths.create()
            self.ctx.paths.kubeconfig.touch()
            self.full = Fault(tmp_path, "its filesystem of 3.4 GiB is full: 0 KiB are left", "free some there")

        def said(self):
            return [getattr(event, "message", "") for event in self.events]

    return World()


def test_a_disk_that_stays_full_ends_the_run_with_its_name_and_the_remedy(world):
    sentinel = Sentinel(world.ctx, answered=False)
    world.provider.faults = lambda _ctx: [world.full]
    sentinel.look()
    assert not world.ctx.cancel.is_set, "it may be a moment's"
    assert sentinel.code(EXIT_DONE) == EXIT_DONE
    sentinel.look()
    sentinel.look()
    assert world.ctx.cancel.is_set
    assert sentinel.code(EXIT_DONE) == EXIT_MACHINE
    [said] = world.said()
    assert said.startswith(f"{world.full.folder}: its filesystem of 3.4 GiB is full: 0 KiB are left")
    assert said.endswith("next: free some there")


def test_a_disk_that_was_full_for_a_moment_does_not(world):
    sentinel = Sentinel(world.ctx, answered=False)
    for faults in ([world.full], [], [world.full], []):
        world.provider.faults = lambda _ctx, faults=faults: faults
        sentinel.look()
    assert not world.ctx.cancel.is_set
    assert world.said() == []


def test_a_cluster_that_became_silent_is_explained_once(world):
    sentinel = Sentinel(world.ctx, answered=False)
    world.provider.silence = lambda _ctx: ["etcd isn't running in the node"]
    sentinel.look()
    world.cluster.unready = "the API server doesn't answer"
    for _ in range(4):
        sentinel.look()
    assert world.said() == ["the cluster doesn't answer: etcd isn't running in the node"]
    assert not world.ctx.cancel.is_set, "what is restarted comes back"


@pytest.mark.parametrize(("answered", "told"), [(False, 0), (True, 1)])
def test_a_cluster_that_never_answered_is_only_explained_where_it_should_be_up(world, answered, told):
    sentinel = Sentinel(world.ctx, answered=answered)
    world.provider.silence = lambda _ctx: ["its machine isn't running"]
    world.cluster.unready = "the API server doesn't answer"
    for _ in range(3):
        sentinel.look()
    assert len(world.said()) == told


def test_it_looks_for_as_long_as_the_run_lasts(world):
    world.ctx.cancel = FakeTime()
    world.provider.faults = lambda _ctx: [world.full]
    with guarded(world.ctx) as sentinel:
        deadline = time.monotonic() + 10
        while not world.ctx.cancel.is_set:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert sentinel.code(EXIT_DONE) == EXIT_MACHINE


def test_it_is_told_within_ten_seconds():
    slowest = sentinels._IN_A_ROW * (sentinels._PAUSE + sentinels._ANSWER_SECONDS)
    assert slowest + sentinels._PAUSE < 10


def test_an_error_for_want_of_an_answer_is_explained_and_no_other(world):
    world.provider.silence = lambda _ctx: ["etcd isn't running in the node", "/x: its filesystem is full"]
    silent = ApiError("no answer from the cluster: The read operation timed out", None, where="GET /api")
    assert str(explained(world.ctx, silent)) == (
        "GET /api: no answer from the cluster: The read operation timed out\n"
        "why: etcd isn't running in the node; /x: its filesystem is full"
    )
    for other in (ApiError("forbidden", 403, where="GET /api"), StageError("x"), None):
        assert explained(world.ctx, other) is other
        assert getattr(other, "why", None) is None


def test_a_program_that_found_no_room_is_told_with_what_to_do(world, monkeypatch):
    monkeypatch.setattr(disks, "faults", lambda: [world.full])
    failed = CommandError("cp --archive a b", 1, "cp: error writing 'b/x': No space left on device")
    explained(world.ctx, failed)
    assert f"next: {world.full}; free some there; `invoke teardown` needs no room" in str(failed)
    other = CommandError("cp --archive a b", 1, "cp: cannot stat 'a': No such file or directory")
    explained(world.ctx, other)
    assert other.remedy is None
    known = CommandError("x", 1, "No space left on device", remedy="as it was")
    explained(world.ctx, known)
    assert known.remedy == "as it was"


def test_where_nothing_is_found_no_cause_is_made_up(world):
    silent = ApiError("no answer from the cluster", None, where="GET /api")
    explained(world.ctx, silent)
    assert silent.why is None
