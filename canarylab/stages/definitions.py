"""CustomResourceDefinitions: deleting one deletes every object of its kind, also those that others made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canarylab.kube.apply import subject
from canarylab.kube.client import OWNER_LABEL
from canarylab.kube.listing import listed
from canarylab.stages.base import Removal

if TYPE_CHECKING:
    from canarylab.context import Context


def removal(ctx: Context, definition: dict[str, Any]) -> Removal:
    """What a teardown does with a definition of ours that is there, `definition` as it is live. Reads only."""
    spec = definition["spec"]
    version = next(version["name"] for version in spec["versions"] if version.get("served", True))
    objects = listed(ctx, f"{spec['group']}/{version}", spec["names"]["kind"])
    others = [obj for obj in objects if not _is_ours(obj, ctx.profile)]
    if not others:
        return Removal(subject(definition), "removed")
    meta = others[0]["metadata"]
    where = f"{meta['namespace']}/" if meta.get("namespace") else ""
    return Removal(
        subject(definition),
        "left",
        f"{len(others)} of others' objects would go with it, such as {spec['names']['kind']} {where}{meta['name']}",
    )


def _is_ours(obj: dict[str, Any], profile: str) -> bool:
    """What is owned by another object goes, or stays, with that one."""
    meta = obj["metadata"]
    return bool(meta.get("ownerReferences")) or (meta.get("labels") or {}).get(OWNER_LABEL) == profile
