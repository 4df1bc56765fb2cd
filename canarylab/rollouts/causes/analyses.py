"""What an analysis that could not be carried out, or could not decide, has to do with where a Rollout stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.errors import CanarylabError
from canarylab.kube.client import ApiError
from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts import analysis
from canarylab.rollouts.causes.remedies import kubectl, or_reset, plugin
from canarylab.rollouts.causes.unreachable_metrics import unreachable
from canarylab.rollouts.strategy import INCONCLUSIVE
from canarylab.rollouts.view import API_VERSION, RolloutView, read_rollout

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_OPEN = (INCONCLUSIVE, "InconclusiveExperiment")
"""Why Argo's controller waits for somebody after an analysis (argo-rollouts, pkg/apis/rollouts/v1alpha1/types.go)."""


def undecided(ctx: Context, rollout: Object, view: RolloutView) -> Cause | None:
    """An analysis, or one of an experiment, that met neither condition: somebody has to decide."""
    reasons = [str(dig(pause, "reason")) for pause in listed(rollout, "status", "pauseConditions")]
    if (reason := next((one for one in reasons if one in _OPEN), None)) is None:
        return None
    run = next((one for one in _runs(ctx, rollout) if dig(one, "status", "phase") == "Inconclusive"), None)
    said = f"AnalysisRun {run['metadata']['name']} is Inconclusive{_of(run)}" if run else f"the Rollout says {reason}"
    why = f"{said}: what it measured met neither successCondition nor failureCondition, so somebody has to decide"
    promote = plugin(ctx, view, f"promote {view.name}")
    show = kubectl(ctx, view, f"get analysisrun {run['metadata']['name']} --output yaml") if run else ""
    look = f"; `{show}` shows what was measured" if show else ""
    return Cause(why, or_reset(ctx, f"`{promote}` lets it go on{look}"), permanent=True)


def failed_to_measure(ctx: Context, rollout: Object, view: RolloutView) -> Cause | None:
    """Why an analysis had no answers, where that can be seen from the mesh's policies."""
    for run in _runs(ctx, rollout):
        if dig(run, "status", "phase") == "Error" and (found := unreachable(ctx, view, run)):
            return found
    return None


def no_answer(ctx: Context, namespace: str, rollout: str, run: str) -> Cause | None:
    """The same of one AnalysisRun, whatever the Rollout has made of it; None also where it had its answers."""
    try:
        found = ctx.cluster.get(API_VERSION, "AnalysisRun", run, namespace)
        if dig(found, "status", "phase") != "Error" or found is None:
            return None
        return unreachable(ctx, read_rollout(ctx, namespace, rollout), found)
    except CanarylabError:
        return None


def _runs(ctx: Context, rollout: Object) -> Iterable[Object]:
    """Those that its status names, the steps' first."""
    try:
        return [run for _, run in analysis.current(ctx.cluster, rollout)]
    except ApiError:
        return []


def _of(run: Object) -> str:
    """The last values of the metrics that couldn't be judged."""
    results = [one for one in listed(run, "status", "metricResults") if one.get("phase") == "Inconclusive"]
    values = (f"{one['name']} measured {_last(one)}" for one in results if _last(one))
    return f" ({words})" if (words := ", ".join(values)) else ""


def _last(result: Object) -> str:
    measured = listed(result, "measurements")
    return str(measured[-1].get("value") or "") if measured else ""
