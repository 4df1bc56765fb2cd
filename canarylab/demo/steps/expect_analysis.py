"""The step `expect-analysis`: Argo's analysis measures the canary, judges it, and nobody else decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.playbook import Seconds
from canarylab.contract.step import Claim, RolloutOptions, Session, Step, StepOptions
from canarylab.demo import claims
from canarylab.demo.traffic.background import note
from canarylab.demo.waiting import wait_for
from canarylab.rollouts import analysis as analysis_run
from canarylab.rollouts.analysis import AnalysisRunView, MetricView
from canarylab.rollouts.causes import analyses
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import RolloutView, read_rollout, watches

Verdict = Literal["Successful", "Failed"]


class ExpectAnalysisOptions(RolloutOptions):
    """How the analysis of a Rollout's newest revision should end."""

    phase: Verdict = Field(description="how the AnalysisRun of the newest revision ends")
    metrics: dict[str, Verdict] = Field({}, description="how each metric ends; those left out may end either way")
    timeout: Seconds = Field(120, description="how long the canary's start and the analysis may take together")


class ExpectAnalysis(Step):
    """Waits for the analysis of the newest revision and for what the Rollout makes of it, then reports both.

    Each metric is a fact with the values that led to its verdict. That the Rollout decided by itself is one, too: a
    promotion ends an AnalysisRun before its time, and an abort by hand doesn't name the metric as its reason.
    """

    kind: ClassVar[str] = "expect-analysis"
    Options: ClassVar[type[StepOptions]] = ExpectAnalysisOptions
    options: ExpectAnalysisOptions

    def run(self, ctx: Context, session: Session) -> None:
        options, run = self.options, None

        def look() -> Iterator[Claim]:
            nonlocal run
            view = read_rollout(ctx, options.namespace, options.rollout)
            newest = view.revisions[0].number if view.revisions else 0
            run = analysis_run.read_latest(ctx, options.namespace, options.rollout, newest)
            return expected(options, view, run)

        watched = [*watches(options.namespace), analysis_run.watch(options.namespace)]
        name = (options.namespace, options.rollout)
        seen = wait_for(ctx, watched, look, options.timeout, lambda: causes.standstill(ctx, *name))
        if run is None:  # then the Rollout doesn't get as far as that
            seen = causes.explained(ctx, *name, seen)
        elif found := analyses.no_answer(ctx, *name, run.name):
            seen = tuple(one if one.holds else replace(one, cause=found.why, remedy=found.remedy) for one in seen)
        if options.phase == "Failed":
            note(session, "the analysis aborted")
        self.report(ctx, seen)


def expected(options: ExpectAnalysisOptions, view: RolloutView, run: AnalysisRunView | None) -> Iterator[Claim]:
    """The run's phase; once it has ended, each metric, and what the Rollout decided."""
    if run is None:
        yield _missing(options, view)
        return
    yield from _unknown(options, run)
    yield _ended(options, run)
    if run.ended:
        yield from (_metric(metric, options.metrics.get(metric.name), _why(run)) for metric in run.metrics)
    if run.phase == options.phase:
        yield _went_on(view, run) if options.phase == "Successful" else _aborted(view, run)


def _missing(options: ExpectAnalysisOptions, view: RolloutView) -> Claim:
    """There may be one yet, as long as an update goes on."""
    over = not view.updating or view.phase == "Degraded"
    cause = f"the Rollout is {view}"
    if not view.updating:
        cause += "; it has no `analysis` among its steps, or was promoted past it, or no update has begun"
    elif view.phase != "Degraded":
        cause = claims.cause(view)
    seen = "no AnalysisRun of the newest revision"
    return Claim("analysis", options.phase, seen, holds=False, cause=cause, hopeless=over)


def _ended(options: ExpectAnalysisOptions, run: AnalysisRunView) -> Claim:
    holds = run.phase == options.phase
    text = f"analysis of revision {run.revision}, {run.name}"
    return Claim(text, options.phase, str(run), holds, _why(run), hopeless=run.ended and not holds)


def _why(run: AnalysisRunView) -> str:
    """What lies behind a run's phase, in Argo's words and by the measurement that speaks for it."""
    if not run.ended:
        return "it hasn't finished: `count` times `interval` of a metric may take longer than this step's `timeout`"
    if run.phase == "Error":
        failed = next((one.message for metric in run.metrics for one in metric.measured if one.phase == "Error"), "")
        where = "look at the metric's `provider` in the AnalysisTemplate, and whether requests reach the canary"
        return f"the measurement failed: {failed or run.message}; {where}"
    if run.phase == "Inconclusive":
        return f"values met neither successCondition nor failureCondition, so somebody has to decide: {run.message}"
    if run.cut_short:
        return "it was ended early: by a promotion, an abort or another image"
    return run.message or "every metric stayed within its failureLimit"


def _unknown(options: ExpectAnalysisOptions, run: AnalysisRunView) -> Iterator[Claim]:
    known = [metric.name for metric in run.metrics]
    cause = f"the run's metrics: {', '.join(known)}"
    for name in options.metrics.keys() - set(known):
        yield Claim(f"metric {name}", options.metrics[name], "no such metric", holds=False, cause=cause, hopeless=True)


def _metric(metric: MetricView, verdict: Verdict | None, cause: str) -> Claim:
    """Without a verdict expected, the fact is that there was a value to judge by."""
    holds = metric.phase == verdict if verdict else any(one.phase != "Error" for one in metric.measured)
    text = f"metric {metric.name}, {metric.condition}"
    return Claim(text, verdict or "measured", str(metric), holds, cause, hopeless=not holds)


def _went_on(view: RolloutView, run: AnalysisRunView) -> Claim:
    past = not view.updating or (run.step is not None and _steps_done(view) > run.step)
    cause = "somebody promoted it while the analysis went on" if run.cut_short else claims.cause(view)
    seen = f"{view}{', the analysis cut short' if run.cut_short else ''}"
    hopeless = run.cut_short or view.phase == "Degraded"
    expected = "past its step `analysis` by itself"
    return Claim("decision of the Rollout", expected, seen, past and not run.cut_short, cause, hopeless)


def _aborted(view: RolloutView, run: AnalysisRunView) -> Claim:
    holds = view.aborted and bool(run.message) and run.message in view.message
    cause = "it was aborted by hand: the analysis isn't its reason" if view.aborted else claims.cause(view)
    expected = f"aborted for: {run.message}"
    return Claim("decision of the Rollout", expected, str(view), holds, cause, hopeless=not view.updating)


def _steps_done(view: RolloutView) -> int:
    return int((view.step or "0").partition("/")[0])
