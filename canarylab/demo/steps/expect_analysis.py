"""The step `expect-analysis`: Argo's analysis measures the canary, judges it, and nobody else decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.playbook import Seconds
from canarylab.contract.step import Claim, RolloutOptions, Session, Step, StepOptions
from canarylab.demo import claims
from canarylab.demo.traffic.background import note
from canarylab.demo.waiting import wait_for
from canarylab.kube.objects import Object
from canarylab.rollouts import analysis as analysis_run
from canarylab.rollouts.analysis import AnalysisRunView, MetricView, Purpose
from canarylab.rollouts.causes import analyses
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.causes.remedies import plugin
from canarylab.rollouts.strategy import INCONCLUSIVE, steps_done
from canarylab.rollouts.view import RolloutView, get_rollout, read_rollout, view_of, watches

Phase = Literal["Pending", "Running", "Successful", "Failed", "Error", "Inconclusive"]
"""All that an AnalysisRun and its metrics may be in (argo-rollouts, pkg/apis/rollouts/v1alpha1/analysis_types.go)."""

_ABORTING = ("Failed", "Error")
_BY_HAND = re.compile(r"Rollout aborted update to revision \d+$")
"""Of an abort that Argo's controller has no reason for (rollout/sync.go; RolloutAbortedMessage in utils/conditions)."""
_ABORTED_FOR = "analysis phase error/failed"
"""What Argo's controller says of an update that an analysis has aborted (rollout/analysis.go)."""


class ExpectAnalysisOptions(RolloutOptions):
    """What should become of the analysis of a Rollout's newest revision."""

    phase: Phase = Field(description="how the AnalysisRun of the newest revision ends, or that it is under way")
    kind: Purpose | None = Field(None, description="which, if the Rollout has several; else one of a step comes first")
    metrics: dict[str, Phase] = Field({}, description="how each metric ends; those left out may end in any way")
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
            rollout = get_rollout(ctx, options.namespace, options.rollout)
            view = view_of(ctx, rollout)
            newest = view.revisions[0].number if view.revisions else 0
            run = analysis_run.read_latest(ctx, options.namespace, options.rollout, newest, options.kind)
            return expected(options, view, run) if run else iter([_missing(options, rollout, view)])

        watched = [*watches(options.namespace), analysis_run.watch(options.namespace)]
        name = (options.namespace, options.rollout)
        seen = wait_for(ctx, watched, look, options.timeout, lambda: causes.standstill(ctx, *name))
        if run is None and not seen[0].remedy:  # then the Rollout doesn't get as far as that
            seen = causes.explained(ctx, *name, seen)
        if run is not None and run.phase == "Inconclusive" != options.phase:
            remedy = _decide(ctx, read_rollout(ctx, *name))
            seen = tuple(claim if claim.holds else replace(claim, remedy=remedy) for claim in seen)
        if run is not None and (found := analyses.no_answer(ctx, *name, run.name)):
            seen = tuple(one if one.holds else replace(one, cause=found.why, remedy=found.remedy) for one in seen)
        if options.phase in _ABORTING:
            note(session, "the analysis aborted")
        self.report(ctx, seen)


def expected(options: ExpectAnalysisOptions, view: RolloutView, run: AnalysisRunView) -> Iterator[Claim]:
    """The run's phase; once it has ended, each metric, and what the Rollout decided."""
    yield from _unknown(options, run)
    yield _ended(options, run)
    for metric in run.metrics:
        wanted = options.metrics.get(metric.name)
        if run.ended or wanted:
            yield _metric(metric, wanted, _why(run), over=run.ended)
    if run.phase == options.phase and run.ended:
        yield _decided(view, run)


def _decided(view: RolloutView, run: AnalysisRunView) -> Claim:
    if run.phase == "Successful":
        return _went_on(view, run)
    return _paused(view) if run.phase == "Inconclusive" else _aborted(view, run)


def _decide(ctx: Context, view: RolloutView) -> str:
    promote, abort = (plugin(ctx, view, f"{verb} {view.name}") for verb in ("promote", "abort"))
    return f"decide: `{promote}` goes on with the update, `{abort}` sends everybody back to stable"


def _missing(options: ExpectAnalysisOptions, rollout: Object, view: RolloutView) -> Claim:
    """There may be one yet, as long as an update goes on and the Rollout has such an analysis."""
    has, kind = analysis_run.purposes(rollout), options.kind
    first, over, remedy = analysis_run.starting_step(rollout), True, ""
    if not has:
        cause = "it has no `analysis` among its steps, none beside them, and none around a promotion"
        remedy = "give the Rollout one, or take this step out of the demonstration"
    elif kind and kind not in has:
        cause, remedy = f"its analyses are: {', '.join(has)}", f"write `kind: {has[0]}`, or leave it out"
    elif not view.updating:
        cause = "it was promoted past its analysis, or no update has begun"
    elif has == ["background"] and steps_done(rollout) < first and view.standstill:
        cause = f"it begins once {first} steps are done (startingStep), and {view.standstill}"
        remedy = "let the demonstration promote it before this step, or give the analysis an earlier startingStep"
    else:
        over = view.phase == "Degraded"
        cause = f"the Rollout is {view}" if over else claims.cause(view)
    seen = f"no AnalysisRun of the newest revision{f' for {kind}' if kind else ''}"
    return Claim("analysis", options.phase, seen, holds=False, cause=cause, permanent=over, remedy=remedy)


def _ended(options: ExpectAnalysisOptions, run: AnalysisRunView) -> Claim:
    holds = run.phase == options.phase
    kind = "" if run.purpose == "step" else f"{run.purpose} "
    text = f"{kind}analysis of revision {run.revision}, {run.name}"
    return Claim(text, options.phase, str(run), holds, _why(run), permanent=run.ended and not holds)


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
        yield Claim(f"metric {name}", options.metrics[name], "no such metric", holds=False, cause=cause, permanent=True)


def _metric(metric: MetricView, wanted: Phase | None, cause: str, *, over: bool) -> Claim:
    """Without a phase expected, the fact is that there was a value to judge by."""
    holds = metric.phase == wanted if wanted else any(one.phase != "Error" for one in metric.measured)
    text = f"metric {metric.name}, {metric.condition}"
    return Claim(text, wanted or "measured", str(metric), holds, cause, permanent=over and not holds)


def _went_on(view: RolloutView, run: AnalysisRunView) -> Claim:
    expected, has_gone_on = _AFTER[run.purpose]
    # What runs in the background is cut short by the end of the update: that is how it ends.
    cut_short = run.cut_short and (run.purpose != "background" or view.updating)
    cause = _cut_short(view) if cut_short else claims.cause(view)
    seen = f"{view}{', the analysis cut short' if cut_short else ''}"
    holds = has_gone_on(view, run) and not cut_short
    return Claim("decision of the Rollout", expected, seen, holds, cause, cut_short or view.phase == "Degraded")


def _cut_short(view: RolloutView) -> str:
    if view.aborted:
        return f"the update was aborted while the analysis went on: {view.message}"
    return "it was ended early: most likely somebody promoted the Rollout past it, or ended the AnalysisRun by hand"


_AFTER: Mapping[str, tuple[str, Callable[[RolloutView, AnalysisRunView], bool]]] = {
    "step": (
        "past its step `analysis` by itself",
        lambda view, run: not view.updating or (run.step is not None and _steps_done(view) > run.step),
    ),
    "background": ("not aborted", lambda view, _: not view.aborted),
    "pre-promotion": (
        "its users on the new revision, or paused for somebody to promote it",
        lambda view, _: not view.updating or view.actual_weight > 0 or bool(view.standstill),
    ),
    "post-promotion": ("the new revision stable", lambda view, _: not view.updating),
}
"""What a Rollout does once an analysis has succeeded: in words, and whether it has."""


def _paused(view: RolloutView) -> Claim:
    expected = f"paused until somebody decides ({INCONCLUSIVE})"
    holds = INCONCLUSIVE in view.standstill
    return Claim("decision of the Rollout", expected, view.standstill or str(view), holds, claims.cause(view))


def _aborted(view: RolloutView, run: AnalysisRunView) -> Claim:
    reason = run.message or _ABORTED_FOR
    holds = view.aborted and reason in view.message
    by_hand = "it was aborted by hand: the analysis isn't its reason"
    otherwise = f"it was aborted for another reason: {view.message}"
    cause = (by_hand if _BY_HAND.search(view.message) else otherwise) if view.aborted else claims.cause(view)
    expected = f"aborted for: {reason}"
    return Claim("decision of the Rollout", expected, str(view), holds, cause, permanent=not view.updating)


def _steps_done(view: RolloutView) -> int:
    return int((view.step or "0").partition("/")[0])
