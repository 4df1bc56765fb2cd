"""The commands on a playbook of small stages and a provider in memory."""

from __future__ import annotations

import dataclasses
import errno
import json
from contextlib import contextmanager

import pytest
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import Scripted, context_of

from canarylab import applied
from canarylab.commands import run as runs
from canarylab.commands.demo import demo
from canarylab.commands.doctor import doctor
from canarylab.commands.env import env
from canarylab.commands.images import images
from canarylab.commands.run import Options
from canarylab.commands.status import status
from canarylab.commands.teardown import teardown
from canarylab.commands.tunnel import tunnel
from canarylab.commands.up import plan, up
from canarylab.contract.provider import Finding
from canarylab.contract.step import Claim, Step, StepOptions
from canarylab.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_LOCKED,
    EXIT_MACHINE,
    EXIT_USAGE,
    MachineError,
    NotYetObservableError,
    StageError,
)
from canarylab.images.image import Image
from canarylab.kube.client import ApiError
from canarylab.lock import locked
from canarylab.ownership.policy import GuestCluster
from canarylab.paths import ProfilePaths
from canarylab.removal import Removal

JSON = Options(output="json")
TEXT = Options(output="text")


def blocked(playbook: str) -> str:
    shows = f"`invoke status --playbook {playbook} --profile lab` shows how it is now"
    return f"stage app failed: no memory\nnext: see to stage app first: {shows}"


def fails(error):
    def hook(_ctx):
        raise error

    return hook


class World:
    """A playbook of `cluster` (the provider's) and what a test puts on it; `log` has what was called."""

    def __init__(self):
        self.log: list[str] = []
        self.cluster = FakeCluster()
        self.provider = FakeProvider(self.cluster)
        self.stages = [Infrastructure("cluster", log=self.log)]

    def add(self, name, needs=("cluster",), cls=Scripted, **options):
        self.stages.append(cls(name, needs, log=self.log, **options))

    def context(self, _options, bus, cancel):
        return context_of(*self.stages, provider=self.provider, emit=bus, cancel=cancel)


class Infrastructure(Scripted):
    in_cluster = False


@pytest.fixture
def world(monkeypatch):
    made = World()
    monkeypatch.setattr(runs, "_context", made.context)
    return made


@pytest.fixture
def events(capsys):
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def hold_lock():
    return locked(ProfilePaths("unit-test").lock, "up")


def of(events, name):
    return [event for event in events if event["event"] == name]


# -- up, plan ---------------------------------------------------------------------------------------------------------


def test_up_ends_with_a_summary_and_a_record_in_the_cluster(world, events):
    world.add("app")
    assert up(JSON, [], None) == EXIT_DONE
    printed = events()
    assert printed[-1]["event"] == "run-finished"
    assert printed[-1]["changed"] == ["cluster", "app"]
    assert world.cluster.get("v1", "ConfigMap", "canarylab", applied.NAMESPACE)


def test_up_a_second_time_changes_nothing(world, events):
    world.add("app")
    up(JSON, [], None)
    events()
    assert up(JSON, [], None) == EXIT_DONE
    assert events()[-1]["changed"] == []


def test_up_whose_record_cannot_be_written_says_that_all_is_up_and_still_ends_with_a_summary(world, events):
    world.cluster.refused["apply ConfigMap canarylab"] = ApiError("forbidden", 403, where="PATCH /api")
    assert up(JSON, [], None) == EXIT_FAILED
    *_, failure, summary = events()
    assert "everything is up, but what was applied couldn't be recorded" in failure["message"]
    assert (summary["event"], summary["ok"], summary["failed"]) == ("run-finished", False, [])


def test_up_of_a_failed_stage_leaves_no_record(world, events):
    world.add("app", on_apply=fails(StageError("broken")))
    assert up(JSON, [], None) == EXIT_FAILED
    assert events()[-1]["failed"] == ["app"]
    assert world.cluster.objects == {}


def test_up_without_the_cluster_leaves_no_record(world):
    world.stages.insert(0, Infrastructure("programs", log=world.log))
    world.provider.there = None
    assert up(JSON, ["programs"], None) == EXIT_DONE


def test_up_keeps_the_traceback_of_every_bug_also_behind_another_failure(world, events, isolated_home):
    world.add("bad", on_apply=fails(StageError("broken")))
    world.add("bug", on_apply=fails(ZeroDivisionError("one")))
    world.add("worse", on_apply=fails(SystemExit("two")))
    assert up(JSON, [], None) in (EXIT_FAILED, EXIT_BUG)
    printed = events()
    assert [event["exit_code"] for event in of(printed, "failure")] == [EXIT_BUG, EXIT_BUG]
    assert printed[-1]["event"] == "run-finished"
    assert len(list((isolated_home / "state" / "canarylab").glob("bug-*.txt"))) == 2


def test_up_of_a_held_profile_is_refused(world):
    with hold_lock():
        assert up(JSON, [], None) == EXIT_LOCKED
    assert world.log == []


def test_up_of_an_unknown_stage_is_refused(world, events):
    assert up(JSON, ["clutser"], None) == EXIT_USAGE
    assert "did you mean cluster?" in events()[0]["message"]
    assert world.log == []


@pytest.mark.parametrize("command", [up, plan])
def test_what_a_stage_refuses_is_refused_before_a_password_is_asked_for(world, events, monkeypatch, command):
    @contextmanager
    def session(_ctx, command):
        world.log.append(f"session {command}")
        yield

    def refuse(_ctx):
        raise StageError("not on this machine", remedy="elsewhere")

    monkeypatch.setattr(world.provider, "session", session)
    world.add("a")
    world.add("b")
    monkeypatch.setattr(world.stages[-1], "preflight", refuse)
    assert command(JSON, [], None) == EXIT_FAILED
    assert [event["message"] for event in events()] == ["not on this machine\nnext: elsewhere"]
    assert world.log == []
    assert command(JSON, ["a"], None) == EXIT_DONE


@pytest.mark.parametrize("command", [up, plan])
def test_what_is_wrong_by_itself_is_said_before_what_does_not_fit_the_rest(world, events, monkeypatch, command):
    def raises(what):
        def refuse(*_):
            raise StageError(what, remedy="another")

        return refuse

    world.add("a")
    monkeypatch.setattr(world.stages[-1], "preflight", raises("it doesn't fit"))
    world.add("b")
    monkeypatch.setattr(world.stages[-1], "check", raises("it is wrong by itself"))
    assert command(JSON, [], None) == EXIT_FAILED
    assert [event["message"] for event in events()] == ["it is wrong by itself\nnext: another"]


def test_plan_changes_nothing_and_needs_no_lock(world, events):
    world.add("app")
    with hold_lock():
        assert plan(JSON, [], None) == EXIT_DONE
    assert not [line for line in world.log if line.startswith(("apply", "health"))]
    printed = events()
    assert len(of(printed, "stage-change")) == 2
    assert world.cluster.writes == []


def test_a_plan_without_changes_says_so(world, events):
    world.stages[0].done = True
    assert plan(JSON, [], None) == EXIT_DONE
    assert "no changes" in of(events(), "notice")[0]["message"]


# -- teardown ---------------------------------------------------------------------------------------------------------


def test_teardown_of_our_own_cluster_takes_what_is_in_it_along(world, events):
    world.add("app")
    world.add("tunnel", cls=Infrastructure)
    assert teardown(JSON, [], purge=False) == EXIT_DONE
    assert world.log == ["remove tunnel", "remove cluster"]
    printed = events()
    assert [event["subject"] for event in of(printed, "removed")] == ["thing tunnel", "thing cluster"]
    assert printed[-1]["event"] == "run-finished"


def test_teardown_of_somebody_elses_cluster_removes_stage_by_stage_last_first(world):
    world.provider.ownership = GuestCluster()
    world.add("a")
    world.add("b", ["a"])
    teardown(JSON, [], purge=False)
    assert world.log == ["remove b", "remove a", "remove cluster"]


def test_teardown_of_somebody_elses_cluster_shows_all_of_it_before_the_first_of_it_goes(world, events):
    world.provider.ownership = GuestCluster()
    world.add("a")
    world.add("gone", on_observe=None)
    world.stages[2].removals = fails(NotYetObservableError("its kind isn't there"))
    world.stages[1].removals = lambda _ctx: [Removal("thing a", "removed"), Removal("theirs", "left", "not ours")]
    teardown(JSON, [], purge=False)
    printed = events()
    shown = [(event["stage"], event["action"], event["subject"]) for event in of(printed, "stage-change")]
    assert ("a", "remove", "thing a") in shown
    assert "theirs" not in {subject for _, _, subject in shown}
    names = [event["event"] for event in printed]
    assert max(place for place, name in enumerate(names) if name == "stage-change") < names.index("stage-started")


def test_the_record_goes_from_a_cluster_that_stays(world, events):
    world.provider.ownership = GuestCluster()
    up(JSON, [], None)
    name = "canarylab-unit-test"
    assert world.cluster.get("v1", "ConfigMap", name, applied.NAMESPACE), "others may have profiles there, too"
    events()
    teardown(JSON, [], purge=False)
    assert f"ConfigMap kube-system/{name}" in {event["subject"] for event in of(events(), "removed")}
    assert world.cluster.objects == {}


def test_teardown_of_one_stage_removes_what_needs_it_too_and_nothing_more(world):
    world.add("a")
    world.add("b", ["a"])
    world.add("c")
    assert teardown(JSON, ["a"], purge=False) == EXIT_DONE
    assert world.log == ["remove b", "remove a"]


def test_teardown_of_an_unknown_stage_is_refused(world, capsys):
    assert teardown(TEXT, ["nobody"], purge=False) == EXIT_USAGE
    printed = capsys.readouterr().out
    assert "no stage 'nobody'" in printed
    assert "nothing there" not in printed
    assert world.log == []


def test_teardown_of_nothing_is_done_and_says_so(world, capsys):
    world.stages[0].remove = lambda _ctx: []
    assert teardown(TEXT, [], purge=False) == EXIT_DONE
    assert "nothing there" in capsys.readouterr().out


def test_teardown_of_a_held_profile_does_not_claim_that_nothing_is_there(world, capsys):
    with hold_lock():
        assert teardown(TEXT, [], purge=False) == EXIT_LOCKED
    assert "nothing there" not in capsys.readouterr().out
    assert world.log == []


def test_what_cannot_be_removed_is_reported_and_the_rest_is_removed(world, events):
    world.add("tunnel", cls=Infrastructure)
    world.stages[1].remove = fails(StageError("it clings"))
    assert teardown(JSON, [], purge=False) == EXIT_FAILED
    assert world.log == ["remove cluster"]
    printed = events()
    assert printed[-1]["failed"] == ["tunnel"]
    first = of(printed, "removed")[0]
    assert (first["outcome"], first["reason"]) == ("failed", "it clings")


def test_what_the_system_refuses_to_remove_is_on_the_receipt_too(world, events):
    world.add("tunnel", cls=Infrastructure)
    world.stages[1].remove = fails(OSError(28, "No space left on device", "/some/file"))
    assert teardown(JSON, [], purge=False) == EXIT_FAILED
    assert world.log == ["remove cluster"]
    [failed] = [removed for removed in of(events(), "removed") if removed["outcome"] == "failed"]
    assert "/some/file" in failed["reason"]


def test_what_was_in_a_cluster_that_is_gone_is_gone(world, events):
    world.provider.ownership = GuestCluster()
    world.add("app")
    world.stages[1].remove = fails(NotYetObservableError("there is no cluster yet"))
    assert teardown(JSON, [], purge=False) == EXIT_DONE
    assert events()[-1]["unchanged"] == ["app"]


def test_an_interrupted_teardown_ends_with_a_summary_too(world, events):
    world.add("tunnel", cls=Infrastructure)
    world.stages[1].remove = lambda ctx: ctx.cancel.set() or [Removal("tunnel", "removed")]
    assert teardown(JSON, [], purge=False) == EXIT_INTERRUPTED
    printed = events()
    assert world.log == []
    assert (printed[-1]["event"], printed[-1]["ok"], printed[-1]["changed"]) == ("run-finished", False, ["tunnel"])
    assert printed[-2]["event"] == "failure"


@pytest.mark.parametrize(
    ("only", "purge", "asked"), [([], False, ["rest"]), ([], True, ["rest", "cache"]), (["cluster"], False, ["rest"])]
)
def test_what_belongs_to_no_stage_goes_with_the_whole(world, only, purge, asked):
    seen = []
    world.provider.infrastructure.leftovers = lambda _ctx: seen.append("rest") or []
    world.provider.infrastructure.purge = lambda _ctx: seen.append("cache") or []
    teardown(JSON, only, purge=purge)
    assert seen == asked


def applied_too(world, name, *stages):
    """Another playbook was applied to the same cluster."""
    ctx = context_of(*(Scripted(stage) for stage in stages), provider=world.provider)
    applied.write(ctx, [dataclasses.replace(ctx.playbook, name=name)])


def test_what_another_applied_playbook_needs_is_left_with_the_reason(world, events):
    world.provider.ownership = GuestCluster()
    world.add("istiod")
    world.add("app", ["istiod"])
    applied_too(world, "mirror", "cluster", "istiod")
    leftovers = []
    world.provider.infrastructure.leftovers = lambda _ctx: leftovers.append(1) or []
    assert teardown(JSON, [], purge=False) == EXIT_DONE
    assert world.log == ["remove app"]
    printed = events()
    left = {event["subject"]: event["reason"] for event in of(printed, "removed") if event["outcome"] == "left"}
    assert "playbook mirror needs it, too" in left["stage istiod"]
    assert left["ConfigMap kube-system/canarylab-unit-test"] == "it also records mirror"
    assert leftovers == [], "the profile is still in use"
    assert "istiod" not in {event["stage"] for event in of(printed, "stage-change")}, "it isn't shown as going either"


def test_one_stage_that_another_playbook_needs_is_left_in_our_own_cluster_too(world, events):
    world.add("istiod")
    applied_too(world, "mirror", "istiod")
    assert teardown(JSON, ["istiod"], purge=False) == EXIT_DONE
    assert world.log == []
    assert of(events(), "removed")[0]["outcome"] == "left"


def test_our_own_cluster_goes_whole_whoever_was_applied_to_it(world):
    applied_too(world, "mirror", "cluster")
    assert teardown(JSON, [], purge=False) == EXIT_DONE
    assert world.log == ["remove cluster"]


# -- status -----------------------------------------------------------------------------------------------------------


def look(events, code):
    assert status(JSON) == code
    [printed] = events()
    return printed, {stage["name"]: stage for stage in printed["stages"]}


def test_status_of_what_is_up_is_well(world, events, isolated_home):
    world.stages[0].done = True
    printed, stages = look(events, EXIT_DONE)
    assert stages["cluster"].items() >= {"state": "present", "healthy": True, "drifted": False}.items()
    assert printed["context"] == "unit-test"
    assert printed["kubeconfig"] == str(isolated_home / "state" / "canarylab" / "unit-test" / "kubeconfig")


def test_status_of_nothing_is_absent(world, events):
    world.add("app", on_observe=fails(NotYetObservableError("there is no cluster yet")))
    _, stages = look(events, EXIT_FAILED)
    assert [(stage["state"], stage["healthy"]) for stage in stages.values()] == [("absent", False)] * 2
    assert stages["app"]["reason"] == "there is no cluster yet"


def test_status_says_what_is_ill_and_what_cannot_be_seen(world, events):
    world.stages[0].done = True
    world.add("ill", up_to_date=True, ill=["0 of 1 pods available"])
    world.add("unseen", on_observe=fails(StageError("no answer")))
    _, stages = look(events, EXIT_FAILED)
    assert (stages["ill"]["state"], stages["ill"]["reason"]) == ("present", "0 of 1 pods available")
    assert (stages["unseen"]["state"], stages["unseen"]["reason"]) == ("unknown", "no answer")


class InParts(Scripted):
    """Observes how much of it is there, and lacks one part."""

    def is_absent(self, _observed):
        return False


def test_status_of_what_is_there_in_part_is_drifted_and_what_is_absent_is_not(world, events):
    world.add("part", cls=InParts)
    world.add("none")
    _, stages = look(events, EXIT_FAILED)
    assert (stages["part"]["state"], stages["part"]["drifted"]) == ("present", True)
    assert "thing part: it isn't there" in stages["part"]["reason"]
    assert (stages["none"]["state"], stages["none"]["drifted"]) == ("absent", False)


def test_status_of_what_cannot_be_asked_for_its_health_is_present_and_ill(world, events):
    world.add("app", up_to_date=True, on_health=fails(NotYetObservableError("the machine isn't running")))
    _, stages = look(events, EXIT_FAILED)
    app = stages["app"]
    assert (app["state"], app["healthy"], app["reason"]) == ("present", False, "the machine isn't running")


def test_status_without_the_plugin_shows_the_stages_and_says_what_is_missing(world, events, monkeypatch):
    def missing(_ctx, _argv):
        raise MachineError("kubectl-argo-rollouts isn't on this machine", remedy="`invoke doctor` says how")

    monkeypatch.setattr("canarylab.demo.plugin.run", missing)
    world.stages[0].done = True
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    world.cluster.kinds.add(("argoproj.io/v1alpha1", "Rollout"))
    world.cluster.put({**rollout, "metadata": {"name": "web", "namespace": "shop"}})
    printed, stages = look(events, EXIT_DONE)
    assert stages["cluster"]["healthy"]
    assert printed["rollout"] is None
    told = "the tree of Rollout shop/web can't be shown: kubectl-argo-rollouts isn't on this machine\nnext: "
    assert printed["rollout_problem"].startswith(told)


def test_status_shows_the_gateways_address(world, events):
    world.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "gateway", "namespace": "ns"},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}]}},
        }
    )
    assert look(events, EXIT_FAILED)[0]["gateway"] == "10.0.0.9"


def rollout(name, *managers):
    managed = [{"manager": manager} for manager in managers]
    meta = {"name": name, "namespace": "shop", "managedFields": managed}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": meta}


def test_status_shows_the_rollouts_of_the_playbook_and_of_the_user_but_not_other_playbooks(world, events, monkeypatch):
    monkeypatch.setattr("canarylab.demo.plugin.run", lambda _ctx, argv: next(word for word in argv if "-app" in word))
    world.cluster.kinds.add(("argoproj.io/v1alpha1", "Rollout"))
    world.add("app", up_to_date=True)
    world.cluster.put(rollout("own-app", "canarylab/app", "rollouts-controller"))
    world.cluster.put(rollout("users-app", "kubectl-client-side-apply"))
    world.cluster.put(rollout("mirrors-app", "canarylab/mirror"))
    assert look(events, EXIT_FAILED)[0]["rollout"] == "own-app\nusers-app"


# -- demo -------------------------------------------------------------------------------------------------------------


class Interrupted(Step):
    kind = "interrupted"
    Options = StepOptions

    def run(self, ctx, _session):
        ctx.cancel.set()
        ctx.cancel.check()


class Says(Step):
    """Reports one fact of the playbook that it is performed for."""

    kind = "says"
    Options = StepOptions

    def run(self, ctx, _session):
        self.report(ctx, [Claim("status", "Healthy", "Healthy", holds=True)])


class Disappoints(Says):
    def run(self, ctx, _session):
        self.report(ctx, [Claim("status", "Healthy", "Degraded", holds=False)])


@pytest.fixture
def perform(world, monkeypatch):
    """Gives the playbook a demonstration, or with several of them members that have one each."""

    def give(*steps, **members):
        def context(options, bus, cancel):
            made = world.context(options, bus, cancel)
            playbook = dataclasses.replace(made.playbook, demo=steps, members=_members(made.playbook, members))
            return dataclasses.replace(made, playbook=playbook, flags=options.flags)

        monkeypatch.setattr(runs, "_context", context)

    world.provider.below = world.stages[:1]
    return give


def _members(playbook, members):
    """By name: its steps, and the names of its stages."""
    return tuple(
        dataclasses.replace(
            playbook,
            name=name,
            path=playbook.path.with_name(f"{name}.yaml"),
            demo=tuple(steps),
            stages=tuple(stage for stage in playbook.stages if stage.name in ("cluster", *stages)),
        )
        for name, (steps, *stages) in members.items()
    )


LAB = Options(output="json", profile="lab")
ALL = Options(output="json", profile="lab", everything=True)


def test_an_interrupted_demonstration_names_the_way_back(perform, events):
    perform(Interrupted(StepOptions()))
    assert demo(LAB, start_over=False) == EXIT_INTERRUPTED
    [failure] = of(events(), "failure")
    assert failure["message"].startswith(
        "interrupted\nnext: `invoke demo --reset --profile lab` brings the Rollout back"
    )


def test_a_reset_of_a_demonstration_without_a_rollout_says_so(perform, events):
    perform(Interrupted(StepOptions()))
    assert demo(JSON, start_over=True) == EXIT_USAGE
    [failure] = of(events(), "failure")
    assert "nothing to reset" in failure["message"]


def test_a_reset_without_a_demonstration_says_so(world, events):
    assert demo(JSON, start_over=True) == EXIT_USAGE
    assert "has no demo, so there is nothing to reset" in events()[0]["message"]
    assert world.log == []


def test_a_demonstration_brings_up_what_its_playbook_lacks_and_touches_nothing_else(world, perform, events):
    perform(Says(StepOptions()))
    world.add("there", up_to_date=True)
    world.add("app", ["there"])
    assert demo(JSON, start_over=False) == EXIT_DONE
    assert world.log == ["observe there", "observe app", "observe app", "apply app", "health app", "observe app"]
    printed = events()
    assert [stage["name"] for stage in printed[0]["stages"]] == ["app"]
    assert (printed[0]["command"], printed[0]["demos"]) == ("demo", [])
    assert (printed[-1]["changed"], printed[-1]["ok"]) == (["app"], True)
    [fact] = of(printed, "fact")
    assert fact["playbook"] == "test"
    assert set(applied.read(context_of(provider=world.provider))) == {"test"}


def test_what_up_asks_before_is_asked_where_something_is_brought_up(world, perform, monkeypatch):
    @contextmanager
    def session(_ctx, command):
        world.log.append(f"session {command}")
        yield

    monkeypatch.setattr(world.provider, "session", session)
    perform(Says(StepOptions()))
    assert demo(JSON, start_over=False) == EXIT_DONE
    assert world.log == ["session demo"]
    world.add("app")
    assert demo(JSON, start_over=False) == EXIT_DONE
    assert "session up" in world.log


def test_what_cannot_be_brought_up_is_not_performed(world, perform, events):
    perform(Says(StepOptions()))
    world.add("app", on_apply=fails(StageError("broken")))
    assert demo(JSON, start_over=False) == EXIT_FAILED
    printed = events()
    assert not of(printed, "fact")
    assert (printed[-1]["event"], printed[-1]["failed"]) == ("run-finished", ["app"])
    assert world.cluster.objects == {}, "it isn't recorded as applied"


def test_without_a_cluster_nothing_is_brought_up(world, perform, events):
    class NeedsTheCluster(Says):
        def run(self, ctx, _session):
            ctx.cluster.get("v1", "Pod", "x", "default")

    perform(NeedsTheCluster(StepOptions()))
    world.add("app")
    world.provider.there = None
    assert demo(JSON, start_over=False) == EXIT_FAILED
    assert [event["message"].splitlines()[0] for event in of(events(), "failure")] == ["there is no cluster yet"]
    assert world.log == []


def test_all_demonstrations_are_performed_and_end_with_what_came_of_each(world, perform, events):
    world.add("app")
    perform(good=([Says(StepOptions())], "app"), bad=([Disappoints(StepOptions())],))
    assert demo(ALL, start_over=False) == EXIT_FAILED
    printed = events()
    assert printed[0]["demos"] == [{"playbook": "good", "steps": 1}, {"playbook": "bad", "steps": 1}]
    ended = {event["playbook"]: event for event in of(printed, "demo-finished")}
    assert (ended["good"]["state"], ended["good"]["held"], ended["good"]["facts"]) == ("passed", 1, 1)
    assert (ended["bad"]["state"], ended["bad"]["held"], ended["bad"]["facts"]) == ("failed", 0, 1)
    assert "`invoke demo --reset --playbook bad --profile lab` brings it back" in ended["bad"]["reason"]
    assert printed[-1]["demos"] == {"bad": "failed", "good": "passed"}
    assert (printed[-1]["changed"], printed[-1]["ok"]) == (["app"], False)


def test_a_demonstration_whose_stage_failed_is_failed_with_the_reason_and_others_go_on(world, perform, events):
    world.add("app", on_apply=fails(MachineError("no memory")))
    world.add("web", ["app"])
    perform(
        first=([Says(StepOptions())], "app"),
        second=([Says(StepOptions())], "app", "web"),
        third=([Says(StepOptions())],),
    )
    assert demo(ALL, start_over=False) == EXIT_MACHINE
    ended = {event["playbook"]: (event["state"], event["reason"]) for event in of(events(), "demo-finished")}
    assert ended == {
        "first": ("failed", blocked("first")),
        "second": ("failed", blocked("second")),
        "third": ("passed", ""),
    }


def test_an_interruption_of_all_names_the_way_back_for_all(perform, events):
    perform(one=([Interrupted(StepOptions())],), other=([Interrupted(StepOptions())],))
    assert demo(ALL, start_over=False) == EXIT_INTERRUPTED
    [failure] = of(printed := events(), "failure")
    assert failure["message"].startswith("interrupted\nnext: `invoke demo --reset --all --profile lab` brings all")
    assert printed[-1]["event"] == "run-finished"


def test_a_bug_in_one_demonstration_keeps_its_traceback_and_the_run_its_summary(perform, events, isolated_home):
    class Buggy(Says):
        def run(self, _ctx, _session):
            raise ZeroDivisionError("oh")

    perform(one=([Buggy(StepOptions())],), other=([Says(StepOptions())],))
    assert demo(ALL, start_over=False) == EXIT_BUG
    printed = events()
    assert "this is a bug: ZeroDivisionError: oh" in of(printed, "failure")[0]["message"]
    assert printed[-1]["demos"] == {"one": "failed", "other": "passed"}
    assert len(list((isolated_home / "state" / "canarylab").glob("bug-*.txt"))) == 1


def test_a_reset_of_all_leaves_out_what_is_not_up_and_says_so(world, perform, events, monkeypatch):
    world.add("app", up_to_date=True)
    world.add("web")
    perform(up=([Says(StepOptions())], "app"), down=([Says(StepOptions())], "web"))
    monkeypatch.setattr("canarylab.commands.demo.reset", lambda ctx, _steps: world.log.append(ctx.playbook.name))
    assert demo(ALL, start_over=True) == EXIT_DONE
    printed = events()
    assert [event["message"] for event in of(printed, "notice")] == [
        "nothing to reset, since not all of it is up: down"
    ]
    assert printed[-1]["demos"] == {"up": "passed"}
    assert "apply web" not in world.log
    assert world.log[-1] == "up"


# -- the rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (Finding("memory", True, "8 GiB"), EXIT_DONE),
        (Finding("memory", False, "1 GiB", "close something"), EXIT_MACHINE),
        (Finding("packages", False, "will be installed", "apt-get", fatal=False), EXIT_DONE),
    ],
)
def test_doctor_ends_with_whether_the_machine_can_do_it(world, capsys, finding, code):
    world.provider.infrastructure.findings = lambda _ctx: [finding]
    assert doctor(TEXT, fix=False) == code
    printed = capsys.readouterr().out
    assert finding.seen in printed
    assert finding.ok or finding.remedy in printed


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/home/x"), "next: free some there; `invoke teardown` needs"),
        (OSError(errno.EROFS, "Read-only file system", "/home/x"), "next: have it mounted for writing"),
        (MachineError("unshare isn't on this machine", remedy="`invoke doctor` says how"), "unshare isn't on this"),
    ],
)
def test_doctor_tells_what_keeps_it_from_looking_and_does_not_send_one_to_itself(world, capsys, error, words):
    world.provider.infrastructure.findings = fails(error)
    assert doctor(TEXT, fix=False) == EXIT_MACHINE
    printed = capsys.readouterr().out
    assert words in printed
    assert "invoke doctor" not in printed


def test_doctor_tells_what_up_would_refuse_of_the_playbook_s_files(world, capsys):
    world.add("app")
    error = StageError("Rollout app: 101 isn't a weight", where="app.yaml:7", why="Argo takes none", remedy="write 100")
    world.stages[-1].preflight = fails(error)
    assert doctor(TEXT, fix=False) == EXIT_DONE  # the machine can do it
    printed = " ".join(capsys.readouterr().out.split())
    assert "app.yaml:7: Rollout app: 101 isn't a weight; Argo takes none" in printed
    assert "write 100" in printed


def test_doctor_asks_nothing_of_a_cluster_that_does_not_answer(world, capsys):
    world.add("app")
    world.stages[-1].preflight = lambda _ctx: pytest.fail("the cluster was asked")
    world.cluster.unready = "it is silent"
    assert doctor(TEXT, fix=False) == EXIT_DONE
    world.stages[-1].check = lambda: fails(StageError("there is no manifest in m", remedy="put one there"))(None)
    doctor(TEXT, fix=False)
    assert "there is no manifest in m" in capsys.readouterr().out


@pytest.mark.parametrize(("hook", "purge"), [("leftovers", False), ("purge", True)])
def test_what_cannot_be_deleted_in_the_end_is_a_line_of_the_receipt(world, events, hook, purge):
    setattr(world.provider, hook, fails(OSError(errno.EROFS, "Read-only file system", "/home/x")))
    assert teardown(JSON, [], purge=purge) == EXIT_FAILED
    printed = events()
    last = of(printed, "removed")[-1]
    assert (last["outcome"], last["reason"].splitlines()[0]) == ("failed", "Read-only file system: /home/x")
    assert printed[-1]["event"] == "run-finished"


def test_status_of_a_silent_cluster_asks_it_for_nothing_and_says_what_is_below(world, capsys):
    paths = ProfilePaths("unit-test")
    paths.create()
    paths.kubeconfig.touch()
    world.cluster.unready = "the API server doesn't answer"
    world.stages[0].is_absent = lambda _observed: False
    world.stages[0].health = lambda _ctx: "the API server doesn't answer; /x: its filesystem is full"
    world.add("app", on_observe=lambda _ctx: pytest.fail("it would be waited for"))
    assert status(TEXT) == EXIT_FAILED
    printed = capsys.readouterr().out
    assert "its filesystem is full" in printed
    assert "unknown: the cluster doesn't answer" in printed


def test_the_tunnel_is_started_shown_and_stopped(world, events):
    assert tunnel(JSON, "status") == EXIT_FAILED
    assert tunnel(JSON, "start") == EXIT_DONE
    assert tunnel(JSON, "status") == EXIT_DONE
    assert tunnel(JSON, "stop") == EXIT_DONE
    printed = events()
    assert [event["running"] for event in printed] == [False, True, True, False]
    assert printed[0].keys() == {"running", "pid", "route", "addresses", "problems", "note", "lasting"}
    assert world.log == []


def test_the_tunnels_status_needs_no_lock_but_its_start_does(world):
    with hold_lock():
        assert tunnel(JSON, "start") == EXIT_LOCKED
        assert tunnel(JSON, "status") == EXIT_FAILED
    assert not world.provider.tunnel.running


def test_an_unknown_action_is_refused_with_the_known_ones(world, events):
    assert tunnel(JSON, "open") == EXIT_USAGE
    assert "start, stop, status" in events()[0]["message"]
    assert world.log == []


def test_images_are_listed_with_what_they_and_their_programs_are(world, capsys):
    world.provider.held["x:blue"] = Image("x:blue", "amd64", {}, "amd64")
    assert images(TEXT, build=False, platform=None) == EXIT_DONE
    assert "x:blue  amd64  (its program: amd64)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("platform", "said"), [("linux/riscv64", "images can't be built for"), (None, "builds no image")]
)
def test_images_that_cannot_be_built_are_refused(world, events, platform, said):
    if platform:
        from canarylab.stages.kinds.image import ImageOptions, ImageStage

        world.stages.append(ImageStage("i", ImageOptions(path="p", image="x"), ["cluster"]))
    assert images(JSON, build=True, platform=platform) == EXIT_USAGE
    assert said in events()[0]["message"]


def test_env_prints_what_a_shell_can_evaluate(world, capsys):
    assert env(TEXT) == EXIT_DONE
    assert 'export PATH=/programs:"$PATH"' in capsys.readouterr().out
    assert world.log == []
