"""The contract of a stage, for every kind that is discovered: the same tests for all of them."""

from __future__ import annotations

import copy
import inspect
import json
import re
from contextlib import suppress
from typing import Any, get_args

import pytest
from support.stage_samples import KINDS, SAMPLES

from canarylab.contract.playbook import StageHead
from canarylab.contract.stage import Action, Change, Stage
from canarylab.engine import bring_up
from canarylab.errors import NotYetObservableError
from canarylab.kube.watch import Watch
from canarylab.removal import Removal

pytestmark = pytest.mark.usefixtures("isolated_home")


@pytest.fixture(params=sorted(KINDS))
def cls(request):
    return KINDS[request.param]


@pytest.fixture
def sample(cls, tmp_path):
    assert cls.kind in SAMPLES, f"add a sample of kind {cls.kind} to tests/support/stage_samples.py"
    return SAMPLES[cls.kind](tmp_path)


@pytest.fixture
def stage(cls, sample):
    return sample.stage(cls)


def up(sample, stage):
    return bring_up.up(sample.context(stage), [stage]).outcomes[stage.name]


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def is_absence(changes):
    return bool(changes) and all(change.action in ("create", "build", "start") for change in changes)


# -- what a kind says of itself ---------------------------------------------------------------------------------------


def test_it_is_named_as_playbooks_name_things_and_its_file_says_what_it_is(cls):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cls.kind)
    about = inspect.getmodule(cls).__doc__ or ""
    assert about.startswith(f"Kind `{cls.kind}`: "), "the first line stands in the schema of playbooks"


def test_it_sets_what_the_contract_asks_for(cls, stage):
    assert cls.default_deadline > 0
    assert isinstance(cls.default_retries, int)
    assert cls.default_retries >= 0
    assert isinstance(cls.in_cluster, bool)
    assert all(isinstance(watch, Watch) for watch in stage.watches())


def test_its_options_hold_none_of_the_keys_that_every_stage_has(cls):
    assert not set(StageHead.model_fields) & set(cls.Options.model_fields)


# -- pure -------------------------------------------------------------------------------------------------------------


def test_what_would_change_follows_from_what_was_observed_alone(sample, stage):
    for _ in range(2):  # with nothing there, and with everything
        observed = stage.observe(sample.context(stage))
        before = copy.deepcopy(observed)
        first, second = stage.changes(observed), stage.changes(copy.deepcopy(observed))
        assert first == second == stage.changes(observed)
        assert observed == before
        up(sample, stage)


def test_every_change_says_what_happens_to_what_and_why(sample, stage):
    for change in stage.changes(stage.observe(sample.context(stage))):
        assert change.action in get_args(Action)
        assert change.subject
        assert change.reason


def test_observing_and_looking_at_health_write_nothing(sample, stage, isolated_home):
    before = files(sample.base) | files(isolated_home)
    ctx = sample.context(stage)
    stage.observe(ctx)
    stage.health(ctx)
    stage.facts(ctx)
    assert sample.provider.there.writes == []
    assert sample.provider.loaded == []
    assert set(sample.runner.commands) <= set(sample.reads)
    assert files(sample.base) | files(isolated_home) == before


def test_a_stage_holds_no_state(sample, stage):
    before = copy.deepcopy(vars(stage))
    up(sample, stage)
    stage.remove(sample.context(stage))
    assert {key: vars(stage)[key] for key in before} == before
    assert set(vars(stage)) == set(before)


def test_apply_is_handed_what_was_observed_and_observes_nothing_again(sample, stage, monkeypatch):
    cls = type(stage)
    observed: list[Any] = []
    handed: list[Any] = []
    applying: list[Any] = []

    def observe(self, ctx, real=cls.observe):
        assert not applying, "apply asked for another observation"
        observed.append(real(self, ctx))
        return observed[-1]

    def apply(self, ctx, given, real=cls.apply):
        handed.append(given)
        applying.append(True)
        real(self, ctx, given)
        applying.clear()

    monkeypatch.setattr(cls, "observe", observe)
    monkeypatch.setattr(cls, "apply", apply)
    first = up(sample, stage)
    assert first.state == "changed", first.reason
    assert len(handed) == 1
    assert handed[0] is observed[0]


def test_apply_reads_nothing_into_what_a_person_is_told(sample, stage, monkeypatch):
    cls = type(stage)

    def changes(self, observed, real=cls.changes):
        return [Change("repair", f"thing {number}", "because") for number, _ in enumerate(real(self, observed))]

    monkeypatch.setattr(cls, "changes", changes)
    first = up(sample, stage)
    assert first.state == "changed", first.reason
    assert stage.health(sample.context(stage)) is None


# -- from nothing to everything and back ------------------------------------------------------------------------------


def test_without_a_cluster_it_cannot_be_observed_or_is_absent(sample, stage):
    try:
        changes = stage.changes(stage.observe(sample.without_cluster(stage)))
    except NotYetObservableError:
        return
    assert is_absence(changes)


def test_without_a_cluster_a_plan_says_that_all_of_it_would_be_made(sample, stage):
    run = bring_up.plan(sample.without_cluster(stage), [stage])
    assert run.outcomes[stage.name].state == "planned"


def test_what_is_not_there_is_absent_and_what_is_up_is_not(sample, stage):
    ctx = sample.context(stage)
    observed = stage.observe(ctx)
    assert is_absence(stage.changes(observed))
    assert stage.is_absent(observed)
    up(sample, stage)
    assert not stage.is_absent(stage.observe(ctx))


def test_it_comes_up_and_a_second_time_there_is_nothing_to_do(sample, stage):
    first = up(sample, stage)
    assert first.state == "changed", first.reason
    assert stage.health(sample.context(stage)) is None
    assert up(sample, stage).state == "unchanged"


def test_its_facts_are_data(sample, stage):
    up(sample, stage)
    json.dumps(stage.facts(sample.context(stage)))


def test_removing_nothing_finds_nothing(sample, stage):
    assert stage.remove(sample.context(stage)) == []


def test_removing_without_a_cluster_finds_nothing(sample, stage):
    removals: list[Removal] = []
    with suppress(NotYetObservableError):
        removals = stage.remove(sample.without_cluster(stage))
    assert removals == []


def test_what_was_made_is_removed_and_reported(sample, stage):
    up(sample, stage)
    removals = stage.remove(sample.context(stage))
    assert removals
    assert {removal.outcome for removal in removals} == {"removed"}
    assert all(removal.subject for removal in removals)
    assert stage.remove(sample.context(stage)) == []


def test_what_a_removal_would_do_is_reported_without_doing_it(sample, stage):
    up(sample, stage)
    writes, commands = list(sample.provider.there.writes), list(sample.runner.commands)
    planned = stage.removals(sample.context(stage))
    assert sample.provider.there.writes == writes
    assert set(sample.runner.commands[len(commands) :]) <= set(sample.reads)
    assert planned
    if type(stage).removals is not Stage.removals:  # a kind that only comes with a cluster of our own need not say more
        done = stage.remove(sample.context(stage))
        assert {(each.subject, each.outcome) for each in planned} == {(each.subject, each.outcome) for each in done}


def test_after_it_was_removed_it_can_come_up_again(sample, stage):
    up(sample, stage)
    stage.remove(sample.context(stage))
    again: Any = up(sample, stage)
    assert again.state == "changed", again.reason
