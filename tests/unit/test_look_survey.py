"""Before the first change on a cluster that isn't ours, every stage has looked."""

from __future__ import annotations

import pytest
from support.borrowed import BorrowedProvider
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import Heard, Scripted, context_of

from canarylab.engine import bring_up
from canarylab.errors import EXIT_DONE, CanarylabError, NotYetObservableError, StageError, UsageError


def fails(error):
    def hook(_ctx):
        raise error

    return hook


def up(*stages, provider=BorrowedProvider):
    heard = Heard()
    return bring_up.up(context_of(*stages, provider=provider(FakeCluster()), emit=heard.append), stages), heard


def test_one_stage_that_cannot_work_with_what_is_there_stops_all_before_any_is_begun():
    log: list[str] = []
    stages = [Scripted("a", log=log), Scripted("b", ["a"], log=log, on_observe=fails(StageError("taken")))]
    with pytest.raises(StageError, match="taken"):
        up(*stages)
    assert sorted(log) == ["observe a", "observe b"]


def test_the_error_of_one_stage_keeps_its_own_class():
    with pytest.raises(UsageError, match="no registry"):
        up(Scripted("a"), Scripted("b", on_observe=fails(UsageError("no registry"))))


def test_all_that_is_in_the_way_is_reported_at_once():
    with pytest.raises(CanarylabError) as caught:
        up(*(Scripted(name, on_observe=fails(StageError(f"{name} is taken"))) for name in "abc"))
    assert "3 stages" in str(caught.value)
    assert all(f"{name} is taken" in str(caught.value) for name in "abc")


def test_what_cannot_be_seen_yet_is_not_in_the_way():
    seen = []

    def not_yet(_ctx):
        seen.append(1)
        if len(seen) == 1:
            raise NotYetObservableError("its kind comes with another stage")

    run, _ = up(Scripted("a", on_observe=not_yet))
    assert run.exit_code == EXIT_DONE


def test_a_cluster_of_our_own_is_not_surveyed():
    log: list[str] = []
    run, _ = up(Scripted("a", log=log), provider=FakeProvider)
    assert run.exit_code == EXIT_DONE
    assert log[:2] == ["observe a", "apply a"]
