"""CustomResourceDefinitions: deleting one deletes every object of its kind, also those that others made."""

from __future__ import annotations

from typing import Any

from canarylab.contract.context import Context
from canarylab.kube.apply import subject
from canarylab.kube.objects import owner_of
from canarylab.ownership.foreign import ISTIOD, is_of_playbook
from canarylab.ownership.listing import list_if_served
from canarylab.removal import Removal

_ISTIOS = "istio.io/"
"""How the names of Istio's controllers begin, such as istio.io/gateway-controller."""


def removal(ctx: Context, definition: dict[str, Any]) -> Removal:
    """What a teardown does with a definition of ours that is there, `definition` as it is live. Reads only."""
    spec = definition["spec"]
    version = next(version["name"] for version in spec["versions"] if version.get("served", True))
    objects = list_if_served(ctx, f"{spec['group']}/{version}", spec["names"]["kind"])
    others = [obj for obj in objects if not (_is_ours(ctx, obj) or _is_of_our_istio(ctx, obj))]
    if not others:
        return Removal(subject(definition), "removed")
    reason = f"{len(others)} objects of others would be deleted with it, such as {subject(others[0])}"
    return Removal(subject(definition), "left", reason)


def _is_ours(ctx: Context, obj: dict[str, Any]) -> bool:
    """What is owned by another object goes, or stays, with that one."""
    return owner_of(obj) == ctx.profile or bool(obj["metadata"].get("ownerReferences"))


def _is_of_our_istio(ctx: Context, obj: dict[str, Any]) -> bool:
    """A GatewayClass that istiod makes for itself, where there is none but ours; it has no mark of anybody."""
    if obj["kind"] != "GatewayClass" or not str(obj["spec"].get("controllerName")).startswith(_ISTIOS):
        return False
    return all(is_of_playbook(ctx, istiod) for istiod in ctx.cluster.list("apps/v1", "Deployment", labels=ISTIOD))
