"""The AnalysisRuns of a Rollout: what each metric measured, and what came of it. Pure, but for what reads.

Argo explains them at https://argo-rollouts.readthedocs.io/en/stable/features/analysis/.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from canarylab.kube.objects import Object, dig, listed
from canarylab.kube.times import epoch
from canarylab.kube.watch import Watch
from canarylab.rollouts.strategy import steps_of
from canarylab.rollouts.traffic_routing import CANARY
from canarylab.rollouts.view import API_VERSION

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster

_KIND = "AnalysisRun"
_REVISION = "rollout.argoproj.io/revision"
_STEP_INDEX = "step-index"
_TYPE = "rollout-type"
_BLUE_GREEN = ("spec", "strategy", "blueGreen")

Purpose = Literal["step", "background", "pre-promotion", "post-promotion"]
"""What a Rollout has an analysis for: one of its steps, beside them, or around a promotion with blueGreen."""

_PURPOSES: dict[str, Purpose] = {each.title().replace("-", ""): each for each in get_args(Purpose)}
"""By the label of a run (argo-rollouts, pkg/apis/rollouts/v1alpha1/types.go: Step, Background, PrePromotion, ...)."""
_CURRENT: tuple[tuple[Purpose, tuple[str, str]], ...] = (
    ("step", ("canary", "currentStepAnalysisRunStatus")),
    ("background", ("canary", "currentBackgroundAnalysisRunStatus")),
    ("pre-promotion", ("blueGreen", "prePromotionAnalysisRunStatus")),
    ("post-promotion", ("blueGreen", "postPromotionAnalysisRunStatus")),
)
"""Where a Rollout's status names the AnalysisRuns that it looks at."""
_NOT_BEGUN = "Pending"
_ENDED = ("Successful", "Failed", "Error", "Inconclusive")


@dataclass(frozen=True)
class Measured:
    """One measurement. `after` is in seconds since the run began; `message` says why there is no value."""

    phase: str
    value: str
    message: str
    after: float

    def __str__(self) -> str:
        said = self.message if self.phase == "Error" else f"{self.value}{'' if self.good else f' ({self.phase})'}"
        return f"{said} after {self.after:g} s"

    @property
    def good(self) -> bool:
        """Whether the value met the metric's condition."""
        return self.phase == "Successful"


@dataclass(frozen=True)
class MetricView:
    """A metric of a run. `condition` is what its template asks of a value; `measured` has the last ten at most.

    `good` of `count` measurements met the condition, `errors` had no answer. `value` is the last one's, as the metric's
    provider wrote it, and `message` what the controller says of the metric or of that measurement.
    """

    name: str
    condition: str
    phase: str
    measured: tuple[Measured, ...]
    good: int
    count: int
    errors: int
    value: str
    message: str

    def __str__(self) -> str:
        return f"{self.phase}: {', '.join(map(str, self.measured)) or 'nothing measured'}"

    @property
    def tally(self) -> str:
        """How often its condition was met, and what it measured last."""
        words = [f"{self.name} {self.good} of {self.count} good"]
        words += [f"last {self.value}"] if self.value else []
        why = f" ({self.message})" if self.message else ""
        words += [f"{self.errors} without an answer{why}"] if self.errors else []
        return ", ".join(words)


@dataclass(frozen=True)
class AnalysisRunView:
    """A run of a Rollout. `step` is the index, from 0, of the step `analysis` that began it; None where none did."""

    name: str
    purpose: Purpose
    revision: int
    step: int | None
    phase: str
    message: str
    cut_short: bool
    """Whether it was ended before it had measured all that its template wants, as a promotion does."""
    metrics: tuple[MetricView, ...]

    @classmethod
    def of(cls, run: Object) -> AnalysisRunView:
        """From an AnalysisRun as the API returns it."""
        meta, status = run["metadata"], run.get("status", {})
        results = {result["name"]: result for result in status.get("metricResults", ())}
        began, index = status.get("startedAt"), dig(meta, "labels", _STEP_INDEX)
        metrics = listed(run, "spec", "metrics")
        return cls(
            name=meta["name"],
            purpose=_purpose(run) or "step",
            revision=_revision(run),
            step=None if index is None else int(index),
            phase=status.get("phase") or _NOT_BEGUN,
            message=status.get("message", ""),
            cut_short=bool(dig(run, "spec", "terminate")),
            metrics=tuple(_metric(metric, results.get(metric["name"], {}), began) for metric in metrics),
        )

    @property
    def ended(self) -> bool:
        """Whether the run is over, whatever its verdict."""
        return self.phase in _ENDED

    @property
    def begun(self) -> Sequence[MetricView]:
        """The metrics that have been measured, or are being measured."""
        return [metric for metric in self.metrics if metric.phase != _NOT_BEGUN]

    @property
    def tally(self) -> str:
        """Of each metric that has begun, in a few words."""
        return "; ".join(metric.tally for metric in self.begun) or self.message or "nothing measured yet"

    def __str__(self) -> str:
        measured = "; ".join(f"{metric.name} {metric}" for metric in self.metrics if metric.measured)
        return f"{self.phase}, {measured}" if measured and not self.ended else self.phase


def read_latest(
    ctx: Context, namespace: str, rollout: str, revision: int, purpose: Purpose | None = None
) -> AnalysisRunView | None:
    """The run for that purpose that began last for that revision, as it is now."""
    return latest(ctx.cluster.list(API_VERSION, _KIND, namespace), rollout, revision, purpose)


def current(cluster: Cluster, rollout: Object) -> list[tuple[Purpose, Object]]:
    """The runs that the Rollout's status names, by what it has them for. Raises ApiError without an answer."""
    named = ((purpose, dig(rollout, "status", *path, "name")) for purpose, path in _CURRENT)
    namespace = rollout["metadata"]["namespace"]
    runs = ((purpose, cluster.get(API_VERSION, _KIND, name, namespace)) for purpose, name in named if name)
    return [(purpose, run) for purpose, run in runs if run is not None]


def watch(namespace: str) -> Watch:
    """What to watch to see every change of a run."""
    return Watch(API_VERSION, _KIND, namespace)


def latest(
    runs: Iterable[Object], rollout: str, revision: int, purpose: Purpose | None = None
) -> AnalysisRunView | None:
    """Of all runs, the last one that this Rollout began for that revision and that purpose.

    Without a purpose, one of a step comes before one beside the steps, which goes on all the while.
    """
    own = [run for run in runs if _is_of(run, rollout) and _revision(run) == revision]
    own = [run for run in own if purpose in (None, _purpose(run))]
    newest = max(
        own, key=lambda run: (_purpose(run) == "step", dig(run, "metadata", "creationTimestamp")), default=None
    )
    return AnalysisRunView.of(newest) if newest else None


def purposes(rollout: Object) -> list[Purpose]:
    """For what the Rollout has analyses."""
    has = {
        "step": any(dig(step, "analysis") for step in steps_of(rollout)),
        "background": bool(dig(rollout, *CANARY, "analysis")),
        "pre-promotion": bool(dig(rollout, *_BLUE_GREEN, "prePromotionAnalysis")),
        "post-promotion": bool(dig(rollout, *_BLUE_GREEN, "postPromotionAnalysis")),
    }
    return [purpose for purpose in get_args(Purpose) if has[purpose]]


def starting_step(rollout: Object) -> int:
    """How many steps have to be done before the analysis in the background begins."""
    return dig(rollout, *CANARY, "analysis", "startingStep") or 0


def _is_of(run: Object, rollout: str) -> bool:
    """Whether a Rollout's own: an Experiment has its own, which it tells the Rollout of."""
    owners = listed(run, "metadata", "ownerReferences")
    return _purpose(run) is not None and any((one["kind"], one["name"]) == ("Rollout", rollout) for one in owners)


def _purpose(run: Object) -> Purpose | None:
    return _PURPOSES.get(dig(run, "metadata", "labels", _TYPE) or "")


def _revision(run: Object) -> int:
    return int(dig(run, "metadata", "annotations", _REVISION) or 0)


def _metric(metric: Object, result: Object, began: str | None) -> MetricView:
    success, failure = metric.get("successCondition"), metric.get("failureCondition")
    last: Object = next(iter(result.get("measurements", ())[-1:]), {})
    return MetricView(
        name=metric["name"],
        condition=success or (f"not {failure}" if failure else "any value"),
        phase=result.get("phase", _NOT_BEGUN),
        measured=tuple(_measured(one, began) for one in result.get("measurements", ()) if one.get("finishedAt")),
        good=result.get("successful", 0),
        count=result.get("count", 0),
        errors=result.get("error", 0),
        value=last.get("value") or "",
        message=result.get("message") or last.get("message") or "",
    )


def _measured(measurement: Object, began: str | None) -> Measured:
    ended, start = epoch(measurement["finishedAt"]), epoch(began)
    after = ended - start if ended and start else 0.0
    return Measured(
        measurement["phase"], _short(measurement.get("value", "")), measurement.get("message", ""), max(0.0, after)
    )


def _short(value: str) -> str:
    """A number with four digits, for a success rate has as many decimals as a float; anything else as it is."""
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value
