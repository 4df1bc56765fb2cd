"""A Rollout that Argo refuses with InvalidSpec: what is wrong, and whether that can mend itself.

For what it refers to Argo looks again every 20 s (argo-rollouts, rollout/controller.go, syncHandler), so an object
that is missing or doesn't fit may come yet; not if all that the playbook applies, and all that the cluster has, still
doesn't fit. Until it is mended Argo does nothing with the Rollout, not even an abort.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.errors import StageError
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.causes.remedies import INVALID_SPEC
from canarylab.rollouts.traffic_routing import listed_virtual_services
from canarylab.rollouts.validation.known_objects import Known
from canarylab.rollouts.validation.mistake import Mistake
from canarylab.rollouts.validation.references import chart_namespaces, is_rollout, mistakes, permanent_mistakes
from canarylab.rollouts.view import RolloutView

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_OF_OTHER_OBJECTS = (
    "spec.strategy.canary.",
    "spec.strategy.blueGreen.",
    "spec.workloadRef",
    "spec.templates:",
    "spec.routes",
    "spec.weight:",
    "kind:",
)
"""How Argo names the field where something that the Rollout refers to isn't there or doesn't fit. A field of the
Rollout itself is named without the strategy: spec.strategy.steps[0].setWeight. The last four are of an
AnalysisTemplate, an App Mesh VirtualRouter and an Ambassador Mapping (pkg/apis/rollouts/validation,
validation_references.go, and rollout/controller.go)."""
_OWN_ALL_THE_SAME = (": Internal error: ", ": must provide ")
"""What it says of the Rollout itself under such a field: that it names no VirtualService, Ingress or Mapping, or too
many of them."""
_OF_WORKLOAD = ("template must be empty for workload reference rollout", "workload of type ")
"""What it says of workloadRef itself, without a field (rollout/templateref.go); anything else so is of the workload."""
_LOOKS_AGAIN = 25.0
"""Seconds in which Argo has looked again, with a moment to say what it found."""
_OF_THE_CLUSTER = "ClusterAnalysisTemplate"


def is_of_own_spec(message: str) -> bool:
    """Whether the Rollout's own spec is refused, which no other object can mend."""
    words = said(message)
    if not message.startswith(INVALID_SPEC) or not words.startswith("spec."):
        return message.startswith(INVALID_SPEC) and words.startswith(_OF_WORKLOAD)
    return not words.startswith(_OF_OTHER_OBJECTS) or any(known in words for known in _OWN_ALL_THE_SAME)


def said(message: str) -> str:
    """The field and what is wrong with it, of `InvalidSpec: The Rollout "NAME" is invalid: FIELD: ...`."""
    return message.partition(" is invalid: ")[2]


def raise_if_permanent(
    ctx: Context, objects: Iterable[Object], declared: Callable[[], Iterable[tuple[Path, Object]]]
) -> None:
    """Raise StageError for the first Rollout that is refused for what nothing of the playbook will mend.

    `declared` are the objects of all the playbook's manifests, each with its file.
    """
    for obj in objects:
        meta = obj["metadata"]
        live = (
            ctx.cluster.get(obj["apiVersion"], "Rollout", meta["name"], meta["namespace"]) if is_rollout(obj) else None
        )
        if live is not None and is_refused(live):
            known = tuple(declared())
            if found := _refused_for(permanent_mistakes(ctx, live, known)):
                raise _error(ctx, live, found, known)


def is_refused(rollout: Object) -> bool:
    """Whether it is, for what it refers to, by what the controller says of its newest spec."""
    is_newest = dig(rollout, "status", "observedGeneration") == str(dig(rollout, "metadata", "generation"))
    message = str(dig(rollout, "status", "message"))
    return is_newest and message.startswith(INVALID_SPEC) and not is_of_own_spec(message)


def may_fix(ctx: Context, rollout: Object, unapplied: Iterable[Object]) -> bool:
    """Whether what the playbook has yet to apply may change that it is refused for what it refers to.

    `unapplied` are the objects of its manifests that aren't in the cluster as they are written.
    """
    places = {str(dig(rollout, "metadata", "namespace")), *(one.namespace for one in listed_virtual_services(rollout))}
    if not places.isdisjoint(chart_namespaces(ctx)):
        return True
    others = (one for one in unapplied if not is_rollout(one))
    return any(one["kind"] == _OF_THE_CLUSTER or dig(one, "metadata", "namespace") in places for one in others)


def _refused_for(found: Iterable[Mistake]) -> Mistake | None:
    """The first that makes Argo refuse the Rollout, rather than do something unwanted."""
    return next((one for one in found if one.is_refused), None)


def _error(ctx: Context, rollout: Object, found: Mistake, known: Iterable[tuple[Path, Object]]) -> StageError:
    meta, where = rollout["metadata"], f"stage {ctx.stage}"
    for file, obj in known:
        if is_rollout(obj) and all(dig(obj, "metadata", key) == meta[key] for key in ("name", "namespace")):
            where = f"{where}, {found.where(file, obj)}"
    return StageError(
        f"Argo refuses Rollout {meta['namespace']}/{meta['name']}: {said(dig(rollout, 'status', 'message'))}",
        where=where,
        why=f"{found.what}; nothing that the playbook applies changes that, so waiting can't help",
        remedy=f"{found.remedy}; then `{ctx.command('up')}`",
    )


def cause(ctx: Context, rollout: Object, view: RolloutView) -> Cause | None:
    """Why Argo refuses it, as the cluster's objects show; None where it doesn't. Raises ApiError without an answer."""
    if not view.message.startswith(INVALID_SPEC):
        return None
    why = f"Argo refuses its spec: {view.message.removeprefix(INVALID_SPEC)}"
    up, plan = ctx.command("up"), ctx.command("plan")
    is_own = is_of_own_spec(view.message)  # what it refers to is looked at after that
    if not is_own and (found := _refused_for(mistakes(rollout, Known((), ctx.cluster)))):
        return Cause(f"{why}; {found.what}", f"{found.remedy}; then `{up}`", permanent=True, halts=True)
    differs = f"`{plan}` shows what differs from the playbook's manifests, `{up}` puts it back"
    remedy = f"{differs}; where nothing differs, it is the manifest that has to be corrected"
    return Cause(why, remedy, permanent=True, permanent_after=0.0 if is_own else _LOOKS_AGAIN, halts=True)
