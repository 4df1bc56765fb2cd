"""The step `expect-analysis`: what an AnalysisRun measured, what became of it, and who decided."""

from __future__ import annotations

from typing import Any

import pytest
from demo_world import IMAGE, STEPS, Stage, WorldCluster, step
from pydantic import ValidationError

from canarylab.contract.step import Session
from canarylab.demo.steps.expect_analysis import ExpectAnalysis
from canarylab.demo.traffic.background import NAME, Background
from canarylab.demo.traffic.timeline import Timeline
from canarylab.errors import ExpectationError
from canarylab.rollouts.analysis import AnalysisRunView, latest

BEGAN = "2026-01-01T12:00:00Z"
FAILED = 'Metric "success-rate" assessed Failed due to failed (2) > failureLimit (1)'
NO_HOST = 'Get "http://nowhere.analysis.svc/stats": dial tcp: lookup nowhere.analysis.svc: no such host'


def measurement(seconds: int, value: str, phase: str = "Successful", message: str = "") -> dict[str, Any]:
    time = f"2026-01-01T12:00:{seconds:02}Z"
    return {"startedAt": time, "finishedAt": time, "phase": phase, "value": value, "message": message}


def result(name: str, phase: str, *measurements: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "phase": phase, "measurements": list(measurements)}


GOOD_RATE = result("success-rate", "Successful", measurement(8, "100"), measurement(10, "99.5"))
GOOD_LATENCY = result("latency-p95", "Successful", measurement(8, "0.108"))
BAD_RATE = result(
    "success-rate", "Failed", measurement(8, "84.61538461538461", "Failed"), measurement(10, "86.4", "Failed")
)


def analysis_run(phase: str = "Running", *results: dict[str, Any], message: str = "", **of: Any) -> dict[str, Any]:
    """An AnalysisRun as Argo's controller writes it, of revision 2's second step unless `of` says otherwise."""
    revision, rollout = of.get("revision", 2), of.get("rollout", "rollouts-demo")
    return {
        "metadata": {
            "name": of.get("name", f"{rollout}-6877dff844-{revision}-1"),
            "creationTimestamp": of.get("created", BEGAN),
            "annotations": {"rollout.argoproj.io/revision": str(revision)},
            "labels": of.get("labels", {"rollout-type": "Step", "step-index": "1"}),
            "ownerReferences": [{"kind": "Rollout", "name": rollout, "uid": "ro"}],
        },
        "spec": {
            "terminate": of.get("terminate", False),
            "metrics": [
                {"name": "success-rate", "successCondition": "result >= 95"},
                {"name": "latency-p95", "failureCondition": "result > 500"},
            ],
        },
        "status": {"phase": phase, "message": message, "startedAt": BEGAN, "metricResults": list(results)},
    }


class Cluster(WorldCluster):
    """The world's API, with AnalysisRuns."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.world)
        self.kinds.add(("argoproj.io/v1alpha1", "AnalysisRun"))
        self.runs: list[dict[str, Any]] = []
        self.strategy: dict[str, Any] = {
            "canary": {"steps": [STEPS[0], {"analysis": {"templates": [{"templateName": "success"}]}}]}
        }
        """What the Rollout's says of its analyses."""

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Any:
        found = super().get(api_version, kind, name, namespace)
        if kind == "Rollout" and found:
            return {**found, "spec": {**found["spec"], "strategy": self.strategy}}
        return found

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, labels: Any = None, fields: Any = None
    ) -> Any:
        if (api_version, kind) == ("argoproj.io/v1alpha1", "AnalysisRun"):
            assert namespace == "default"
            return self.runs
        return super().list(api_version, kind, namespace, labels, fields)


class Analysed(Stage):
    """A Rollout whose update to yellow is at its step `analysis`."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster: Cluster = Cluster(self)
        self.provider.there = self.cluster
        self.world.steps = [{"setWeight": 5}, {"analysis": {}}]
        self.world.set_image("yellow")
        self.let_everything_happen()

    def let_everything_happen(self) -> None:
        while self.world.pending:
            self.world.pending.popleft()()

    def becomes(self, run: dict[str, Any]) -> None:
        self.cluster.runs = [run]

    def succeeds(self) -> None:
        self.becomes(analysis_run("Successful", GOOD_RATE, GOOD_LATENCY))

    def fails(self) -> None:
        self.becomes(analysis_run("Failed", BAD_RATE, GOOD_LATENCY, message=FAILED))

    def aborts(self) -> None:
        self.world.analysis_failed(FAILED)


@pytest.fixture
def stage() -> Analysed:
    return Analysed()


def expect(stage: Analysed, phase: str, **options: Any) -> str:
    """What was reported."""
    step(ExpectAnalysis, rollout="rollouts-demo", phase=phase, **options).run(stage.ctx, Session())
    return stage.said


def disappointment(stage: Analysed, phase: str, **options: Any) -> str:
    with pytest.raises(ExpectationError) as raised:
        expect(stage, phase, **options)
    return str(raised.value)


class TestSuccess:
    def test_the_measurements_and_the_decision_are_facts(self, stage: Analysed):
        stage.world.pending += [stage.succeeds, stage.world._finish]
        said = expect(stage, "Successful", metrics={"success-rate": "Successful"})
        assert "analysis of revision 2, rollouts-demo-6877dff844-2-1: Successful | Successful | True" in said
        rate = "metric success-rate, result >= 95: Successful | Successful: 100 after 8 s, 99.5 after 10 s | True"
        assert rate in said
        assert "metric latency-p95, not result > 500: measured | Successful: 0.108 after 8 s | True" in said
        assert "decision of the Rollout: past its step `analysis` by itself | Healthy, step 2/2" in said

    def test_while_it_goes_on_it_tells_what_was_measured_so_far(self, stage: Analysed):
        running = result("success-rate", "Running", measurement(8, "100"))
        stage.world.pending += [lambda: stage.becomes(analysis_run("Running", running)), stage.succeeds]
        stage.world.pending += [stage.world._finish]
        expect(stage, "Successful")
        told = [event.message for event in stage.events if event.event == "stage-progress"]  # type: ignore[attr-defined]
        assert any("saw Running, success-rate Running: 100 after 8 s" in message for message in told)

    def test_a_promotion_in_the_middle_is_somebody_elses_decision(self, stage: Analysed):
        stage.becomes(analysis_run("Successful", GOOD_RATE, GOOD_LATENCY, message="Run Terminated", terminate=True))
        stage.world._finish()
        said = disappointment(stage, "Successful")
        assert [fact.text for fact in stage.unmet] == ["decision of the Rollout"]
        assert "it was ended early: most likely somebody promoted the Rollout past it" in said

    def test_one_before_the_first_measurement_is_the_reason_why_there_is_none(self, stage: Analysed):
        stage.becomes(analysis_run("Successful", message="Run Terminated", terminate=True))
        stage.world._finish()
        said = disappointment(stage, "Successful")
        assert "metric success-rate, result >= 95: expected measured, saw Pending: nothing measured" in said
        assert "it was ended early: by a promotion" in said

    def test_a_rollout_that_does_not_go_on_is_a_failure(self, stage: Analysed):
        stage.succeeds()
        disappointment(stage, "Successful")
        [fact] = stage.unmet
        assert (fact.text, fact.seen.split()[0]) == ("decision of the Rollout", "Progressing")


class TestFailure:
    def test_the_metric_that_failed_and_the_abort_for_it_are_facts(self, stage: Analysed):
        stage.world.pending += [stage.fails, stage.aborts]
        said = expect(stage, "Failed", metrics={"success-rate": "Failed", "latency-p95": "Successful"})
        assert "Failed | Failed: 84.62 (Failed) after 8 s, 86.4 (Failed) after 10 s | True" in said
        assert f"decision of the Rollout: aborted for: {FAILED} | Degraded" in said
        assert "False" not in said

    def test_an_abort_by_hand_is_somebody_elses_decision(self, stage: Analysed):
        stage.fails()
        stage.world.aborted()
        assert "aborted by hand: the analysis isn't its reason" in disappointment(stage, "Failed")

    def test_an_abort_for_something_else_is_told_in_argos_words(self, stage: Analysed):
        stage.fails()
        stage.world.aborted()
        stage.world.message += ": ReplicaSet has timed out progressing"
        said = disappointment(stage, "Failed")
        assert "it was aborted for another reason: RolloutAborted: Rollout aborted update to revision" in said
        assert "by hand" not in said

    def test_the_background_traffic_learns_of_the_moment(self, stage: Analysed):
        stage.fails()
        stage.aborts()
        session, background = Session(), Background.__new__(Background)
        background.timeline = Timeline()
        session.leave(NAME, background)
        step(ExpectAnalysis, rollout="rollouts-demo", phase="Failed").run(stage.ctx, session)
        moment = background.timeline.so_far().moment
        assert moment is not None
        assert moment.name == "the analysis aborted"

    def test_the_wrong_metric_is_not_taken_for_the_right_one(self, stage: Analysed):
        stage.fails()
        stage.aborts()
        said = disappointment(stage, "Failed", metrics={"latency-p95": "Failed"})
        assert "metric latency-p95, not result > 500: expected Failed, saw Successful: 0.108 after 8 s" in said


class TestAnotherEnd:
    def test_a_canary_that_fails_unexpectedly_says_by_which_metric(self, stage: Analysed):
        stage.fails()
        said = disappointment(stage, "Successful")
        assert "expected Successful, saw Failed" in said
        assert FAILED in said

    def test_one_that_passes_unexpectedly_is_not_waited_on(self, stage: Analysed):
        stage.succeeds()
        stage.world.pending.append(lambda: pytest.fail("waited on"))
        assert "every metric stayed within its failureLimit" in disappointment(stage, "Failed")

    def test_a_provider_that_is_not_reachable_is_named(self, stage: Analysed):
        error = result("success-rate", "Error", measurement(8, "", "Error", NO_HOST))
        stage.becomes(analysis_run("Error", error, message="consecutiveErrors (2) > consecutiveErrorLimit (1)"))
        said = disappointment(stage, "Successful")
        assert f"the measurement failed: {NO_HOST}; look at the metric's `provider`" in said
        assert f"Error: {NO_HOST} after 8 s" in stage.said
        assert "decision" not in stage.said

    def test_an_analysis_that_cannot_tell_says_so(self, stage: Analysed):
        unclear = result("success-rate", "Inconclusive", measurement(8, "93", "Inconclusive"))
        stage.becomes(analysis_run("Inconclusive", unclear, message="inconclusive (1) > inconclusiveLimit (0)"))
        assert "neither successCondition nor failureCondition" in disappointment(stage, "Successful")
        assert "Inconclusive: 93 (Inconclusive) after 8 s" in stage.said

    def test_one_that_goes_on_for_too_long_says_so(self, stage: Analysed):
        stage.becomes(analysis_run("Running"))
        assert "longer than this step's `timeout`" in disappointment(stage, "Successful")


class TestNoRun:
    def test_it_is_waited_for_while_the_canary_starts(self, stage: Analysed):
        stage.world.pending += [stage.succeeds, stage.world._finish]
        expect(stage, "Successful")

    def test_a_canary_that_never_starts_is_the_cause(self, stage: Analysed):
        assert "the Rollout is Progressing" in disappointment(stage, "Successful")

    def test_a_rollout_that_went_to_its_end_without_one_has_no_such_step(self, stage: Analysed):
        stage.world._finish()
        stage.world.pending.append(lambda: pytest.fail("waited on"))
        said = disappointment(stage, "Successful")
        assert "saw no AnalysisRun of the newest revision" in said
        assert "it was promoted past its analysis, or no update has begun" in said

    def test_a_rollout_that_has_none_is_not_waited_for(self, stage: Analysed):
        stage.cluster.strategy = {"canary": {"steps": STEPS}}
        stage.world.pending.append(lambda: pytest.fail("waited on"))
        assert "it has no `analysis` among its steps, none beside them" in disappointment(stage, "Successful")

    def test_a_rollout_that_has_none_of_the_kind_says_which_it_has(self, stage: Analysed):
        stage.world.pending.append(lambda: pytest.fail("waited on"))
        said = disappointment(stage, "Successful", kind="pre-promotion")
        assert "no AnalysisRun of the newest revision for pre-promotion" in said
        assert "its analyses are: step" in said

    def test_one_in_the_background_that_begins_at_a_later_step_is_not_waited_for_in_a_pause(self, stage: Analysed):
        stage.cluster.strategy = {"canary": {"steps": STEPS, "analysis": {"startingStep": 2}}}
        stage.world.steps = [{"setWeight": 5}, {"pause": {}}]
        stage.world._go_on()
        stage.world.pending.append(lambda: pytest.fail("waited on"))
        said = disappointment(stage, "Successful")
        assert "it begins once 2 steps are done (startingStep), and it is paused at step 1/2" in said

    def test_a_template_that_is_not_there_is_in_the_rollouts_words(self, stage: Analysed):
        stage.world.refused("AnalysisTemplate 'x' not found")
        stage.world.pending.append(lambda: pytest.fail("waited on"))
        assert "AnalysisTemplate 'x' not found" in disappointment(stage, "Failed")

    def test_another_revisions_run_is_none(self, stage: Analysed):
        stage.becomes(analysis_run("Failed", BAD_RATE, revision=1))
        assert "no AnalysisRun" in disappointment(stage, "Failed")


UNSURE = result("success-rate", "Inconclusive", measurement(8, "93", "Inconclusive"))
UNSURE_FOR = 'Metric "success-rate" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)'
LABELS = {
    "step": {"rollout-type": "Step", "step-index": "1"},
    "background": {"rollout-type": "Background"},
    "pre-promotion": {"rollout-type": "PrePromotion"},
    "post-promotion": {"rollout-type": "PostPromotion"},
}
STRATEGIES: dict[str, dict[str, Any]] = {
    "step": {"canary": {"steps": [STEPS[0], {"analysis": {"templates": [{"templateName": "a"}]}}]}},
    "background": {"canary": {"steps": STEPS, "analysis": {"templates": [{"templateName": "a"}]}}},
    "pre-promotion": {"blueGreen": {"prePromotionAnalysis": {"templates": [{"templateName": "a"}]}}},
    "post-promotion": {"blueGreen": {"postPromotionAnalysis": {"templates": [{"templateName": "a"}]}}},
}
KINDS = sorted(LABELS)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, stage: Analysed) -> str:
    stage.cluster.strategy = STRATEGIES[request.param]
    return str(request.param)


class TestEveryKind:
    def test_one_that_succeeds_lets_the_rollout_go_on(self, stage: Analysed, kind: str):
        stage.becomes(analysis_run("Successful", GOOD_RATE, GOOD_LATENCY, labels=LABELS[kind]))
        stage.world._finish()
        said = expect(stage, "Successful")
        assert f"{'' if kind == 'step' else kind + ' '}analysis of revision 2" in said
        assert "decision of the Rollout" in said
        assert "False" not in said

    @pytest.mark.parametrize("phase", ["Failed", "Error"])
    def test_one_that_fails_aborts_the_update(self, stage: Analysed, kind: str, phase: str):
        bad = result("success-rate", phase, measurement(8, "80", phase))
        stage.becomes(analysis_run(phase, bad, GOOD_LATENCY, message=FAILED, labels=LABELS[kind]))
        stage.aborts()
        said = expect(stage, phase, metrics={"success-rate": phase})
        assert f"decision of the Rollout: aborted for: {FAILED}" in said
        assert "False" not in said

    def test_one_that_can_not_decide_pauses_the_rollout(self, stage: Analysed, kind: str):
        stage.becomes(analysis_run("Inconclusive", UNSURE, GOOD_LATENCY, message=UNSURE_FOR, labels=LABELS[kind]))
        stage.world._go_on()
        stage.world.pause.append({"reason": "InconclusiveAnalysisRun"})
        said = expect(stage, "Inconclusive", metrics={"success-rate": "Inconclusive"})
        assert "decision of the Rollout: paused until somebody decides (InconclusiveAnalysisRun)" in said
        assert "False" not in said

    def test_that_it_can_not_decide_is_told_with_both_ways_to_decide(self, stage: Analysed, kind: str):
        stage.becomes(analysis_run("Inconclusive", UNSURE, GOOD_LATENCY, message=UNSURE_FOR, labels=LABELS[kind]))
        stage.world._go_on()
        stage.world.pending.append(lambda: pytest.fail("waited on"))
        said = disappointment(stage, "Successful")
        assert f"somebody has to decide: {UNSURE_FOR}" in said
        assert "Inconclusive: 93 (Inconclusive) after 8 s" in stage.said
        assert "`kubectl argo rollouts promote rollouts-demo --context" in said
        assert "`kubectl argo rollouts abort rollouts-demo --context" in said

    @pytest.mark.parametrize("phase", ["Pending", "Running"])
    def test_one_that_is_under_way_may_be_expected(self, stage: Analysed, kind: str, phase: str):
        stage.becomes(analysis_run(phase, result("success-rate", "Running"), labels=LABELS[kind]))
        said = expect(stage, phase, metrics={"success-rate": "Running"})
        assert "decision" not in said

    def test_one_that_has_ended_is_under_way_no_more(self, stage: Analysed, kind: str):
        stage.becomes(analysis_run("Successful", GOOD_RATE, GOOD_LATENCY, labels=LABELS[kind]))
        stage.world.pending.append(lambda: pytest.fail("waited on"))
        assert "expected Running, saw Successful" in disappointment(stage, "Running")

    def test_it_can_be_chosen_among_others(self, stage: Analysed, kind: str):
        stage.cluster.strategy = {"canary": STRATEGIES["step"]["canary"] | STRATEGIES["background"]["canary"]}
        stage.cluster.strategy["blueGreen"] = {
            key: value for each in KINDS for key, value in STRATEGIES[each].get("blueGreen", {}).items()
        }
        stage.cluster.runs = [analysis_run("Running", name=each, labels=LABELS[each]) for each in KINDS]
        assert f"analysis of revision 2, {kind}: Running" in expect(stage, "Running", kind=kind)


class TestBackground:
    def test_the_end_of_the_update_is_its_end_too(self, stage: Analysed):
        stage.cluster.strategy = STRATEGIES["background"]
        ended = {"message": "Run Terminated", "terminate": True, "labels": LABELS["background"]}
        stage.becomes(analysis_run("Successful", GOOD_RATE, GOOD_LATENCY, **ended))
        stage.world._finish()
        assert "decision of the Rollout: not aborted" in expect(stage, "Successful")

    def test_an_abort_by_hand_ends_it_too_early(self, stage: Analysed):
        stage.cluster.strategy = STRATEGIES["background"]
        ended = {"message": "Run Terminated", "terminate": True, "labels": LABELS["background"]}
        stage.becomes(analysis_run("Successful", GOOD_RATE, GOOD_LATENCY, **ended))
        stage.world.aborted()
        assert "expected not aborted" in disappointment(stage, "Successful")

    def test_while_a_step_has_one_that_comes_first(self):
        later = analysis_run("Running", labels=LABELS["background"], created="2026-01-01T12:05:00Z")
        found = latest([later, analysis_run("Failed")], "rollouts-demo", 2)
        assert found is not None
        assert found.purpose == "step"


def test_a_metric_that_the_run_does_not_have_is_not_waited_for(stage: Analysed):
    stage.becomes(analysis_run("Running"))
    stage.world.pending.append(lambda: pytest.fail("waited on"))
    said = disappointment(stage, "Successful", metrics={"errors": "Successful"})
    assert "metric errors" in stage.said
    assert "metric errors: expected Successful, saw no such metric" in said
    assert "the run's metrics: success-rate, latency-p95" in said


def test_of_several_runs_of_a_revision_the_last_one_counts():
    again = analysis_run("Running", name="again", created="2026-01-01T12:05:00Z")
    found = latest([again, analysis_run("Failed")], "rollouts-demo", 2)
    assert found is not None
    assert found.name == "again"


@pytest.mark.parametrize("other", [{"rollout": "other"}, {"revision": 3}, {"labels": {}}])
def test_a_run_of_another_rollout_revision_or_kind_is_not_taken(other: dict[str, Any]):
    assert latest([analysis_run("Failed", **other)], "rollouts-demo", 2) is None


def test_a_run_that_has_just_begun_has_measured_nothing():
    run = analysis_run()
    run["status"] = {}
    view = AnalysisRunView.of(run)
    assert (view.phase, view.ended, [str(metric) for metric in view.metrics]) == (
        "Pending",
        False,
        ["Pending: nothing measured"] * 2,
    )


def test_a_value_that_is_not_a_number_is_reported_as_it_is():
    run = analysis_run("Successful", result("success-rate", "Successful", measurement(8, '{"ok":true}')))
    assert str(AnalysisRunView.of(run).metrics[0]) == 'Successful: {"ok":true} after 8 s'


def test_an_image_is_named_by_the_revision(stage: Analysed):
    stage.succeeds()
    stage.world._finish()
    assert f"revision 2 ({IMAGE}:yellow) is stable" in expect(stage, "Successful")


@pytest.mark.parametrize(
    "wrong", [{"phase": "Fine"}, {"phase": "Failed", "kind": "hourly"}, {"phase": "Failed", "metrics": {"a": "Fine"}}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        step(ExpectAnalysis, rollout="x", **wrong)
