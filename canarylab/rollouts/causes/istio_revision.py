"""A sidecar that no webhook of the cluster gives: the label names a revision of Istio that isn't there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.errors import CanarylabError
from canarylab.kube import injectors
from canarylab.kube.objects import Object

if TYPE_CHECKING:
    from canarylab.contract.context import Context


def unanswered(ctx: Context, namespace: Object, pod: Object) -> Cause | None:
    """That no webhook is for such a pod, with the revisions that there are. None where one is, or nobody says.

    Making the pod anew doesn't help then.
    """
    try:
        hooks = injectors.injectors(ctx.cluster.list(injectors.API_VERSION, injectors.KIND))
    except CanarylabError:  # not everybody may read them
        return None
    if injectors.are_for(hooks, namespace, pod):
        return None
    name, there = namespace["metadata"].get("name"), injectors.revisions(hooks)
    up = ctx.command("up")
    if not hooks:
        why = "the cluster has no webhook of Istio that gives sidecars: istiod isn't installed, or not all of it"
        return Cause(why, f"install istiod, by a stage that this one needs; then `{up}`, and make the pods anew")
    asked = injectors.asked_by(namespace, pod)
    known = ", ".join(there) or "none that a label names"
    why = f"no webhook of Istio is for {asked}, which namespace {name} has; there is: {known}"
    label = f"`{injectors.REVISION}: {there[0]}`" if there else "the label of an Istio that is there"
    remedy = (
        f"write {label} among the labels of namespace {name} in place of {asked}, or install the revision that it "
        f"names; then `{up}`, and make the pods anew, which alone wouldn't help"
    )
    return Cause(why, remedy)
