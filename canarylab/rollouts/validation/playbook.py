"""Looks, before anything is applied, whether all is there that the playbook's Rollouts refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError, NotYetObservableError
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.validation.known import Known
from canarylab.rollouts.validation.mistake import Mistake
from canarylab.rollouts.validation.references import mistakes

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster


_FORESEEN = ("manifests", "namespace")
"""Kinds of stages of which it is known what they make in a namespace."""


def refuse_dangling(
    ctx: Context, documents: Sequence[tuple[Path, Object]], declared: Callable[[], Iterable[Object]]
) -> None:
    """Raise StageError, with file and line, for the first reference of a Rollout that leads nowhere, or to the wrong.

    What isn't among the documents themselves is looked for in `declared`, the objects of all the playbook's manifests,
    and then in the cluster. Where a chart is installed into the same namespace, it may be the chart that has it.
    """
    others = {getattr(stage.options, "namespace", None) for stage in ctx.playbook.stages if stage.kind not in _FORESEEN}
    known = Known(obj for _, obj in documents)
    for file, obj in documents:
        is_rollout = obj["kind"] == "Rollout" and str(obj["apiVersion"]).startswith("argoproj.io/")
        if is_rollout and dig(obj, "metadata", "namespace") not in others and any(mistakes(obj, known)):
            known = Known(declared(), _cluster(ctx))
            if mistake := _first(obj, known):
                raise mistake.error(file, obj)


def _first(rollout: Object, known: Known) -> Mistake | None:
    try:
        return next(mistakes(rollout, known), None)
    except CanarylabError:  # the cluster doesn't say: if it is a mistake, the stage will find it
        return None


def _cluster(ctx: Context) -> Cluster | None:
    try:
        return ctx.cluster
    except NotYetObservableError:
        return None
