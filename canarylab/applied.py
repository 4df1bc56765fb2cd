"""What was applied, written down in the cluster itself: there is no state file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import canarylab
from canarylab.contract.context import Context
from canarylab.contract.playbook import Playbook
from canarylab.errors import CanarylabError, NotYetObservableError
from canarylab.kube.objects import dig, owned
from canarylab.removal import Removal

NAMESPACE = "kube-system"
_PLAYBOOK = "playbook."
"""Begins the key of each playbook, of those that share the cluster."""


@dataclass(frozen=True)
class Applied:
    """A playbook that was applied: at which digest, and the names of its stages."""

    digest: str
    stages: tuple[str, ...]


def write(ctx: Context, playbooks: Sequence[Playbook]) -> None:
    """Say that these were applied, at which digest, by which version; nothing is written while that is unchanged.

    What was written of other playbooks stays.
    """
    before = _data(ctx)
    earlier = {key: value for key, value in before.items() if key.startswith(_PLAYBOOK)}
    now = {_PLAYBOOK + playbook.name: _entry(playbook) for playbook in playbooks}
    data = {**earlier, **now, "provider": ctx.provider.name, "version": canarylab.__version__}
    if before != data:
        _write(ctx, data)


def read(ctx: Context) -> dict[str, Applied]:
    """The playbooks that were applied, by name; none where there is no cluster.

    Raises CanarylabError where somebody made something else of what was written.
    """
    try:
        entries = [(key, value) for key, value in _data(ctx).items() if key.startswith(_PLAYBOOK)]
    except NotYetObservableError:
        return {}
    return {key.removeprefix(_PLAYBOOK): _applied(ctx, key, value) for key, value in entries}


def _applied(ctx: Context, key: str, value: str) -> Applied:
    try:
        entry = json.loads(value)
        return Applied(entry["digest"], tuple(entry["stages"]))
    except (ValueError, TypeError, KeyError) as error:
        raise CanarylabError(
            "the record of what was applied isn't as this tool writes it",
            where=f"ConfigMap {NAMESPACE}/{ctx.ownership.applied_name(ctx)}, {key}",
            why=f"somebody changed it: {type(error).__name__}: {error}",
            remedy=f"remove that key; `{ctx.command('up')}` writes it again",
        ) from error


def others(ctx: Context) -> dict[str, Applied]:
    """Those of them that this run isn't about."""
    own = {playbook.name for playbook in (ctx.playbook.members or (ctx.playbook,))}
    return {name: applied for name, applied in read(ctx).items() if name not in own}


def remove(ctx: Context) -> list[Removal]:
    """Take this run's playbooks out of it in a cluster that stays, and all of it once no other playbook is left."""
    subject, left = f"ConfigMap {NAMESPACE}/{ctx.ownership.applied_name(ctx)}", others(ctx)
    if left:
        _write(ctx, {key: value for key, value in _data(ctx).items() if _is_of(key, left)})
        return [Removal(subject, "left", f"it also records {', '.join(left)}")]
    was_there = ctx.cluster.delete("v1", "ConfigMap", ctx.ownership.applied_name(ctx), NAMESPACE)
    return [Removal(subject, "removed")] if was_there else []


def _is_of(key: str, playbooks: dict[str, Applied]) -> bool:
    return not key.startswith(_PLAYBOOK) or key.removeprefix(_PLAYBOOK) in playbooks


def _entry(playbook: Playbook) -> str:
    return json.dumps({"digest": playbook.digest, "stages": [stage.name for stage in playbook.stages]})


def _data(ctx: Context) -> dict[str, Any]:
    found = ctx.cluster.get("v1", "ConfigMap", ctx.ownership.applied_name(ctx), NAMESPACE)
    return dict(dig(found, "data") or {})


def _write(ctx: Context, data: dict[str, Any]) -> None:
    meta = owned({"name": ctx.ownership.applied_name(ctx), "namespace": NAMESPACE}, ctx.profile)
    ctx.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
