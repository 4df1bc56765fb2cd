"""`invoke demo --reset`: brings every Rollout of a demonstration back to rest at its stable revision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from canarylab.demo import plugin
from canarylab.demo.base import Claim, Step, disappointed, report
from canarylab.demo.healthy import Healthy, at_rest
from canarylab.demo.rollout import RolloutView, read, watches
from canarylab.demo.waiting import wait_for
from canarylab.errors import ExpectationError, UsageError
from canarylab.events import Notice

if TYPE_CHECKING:
    from canarylab.context import Context

_STEP = "reset"
_TIMEOUT = 180.0
"""Seconds: pods start again, and an aborted canary stays up for abortScaleDownDelaySeconds, 30 s by default."""


def reset(ctx: Context, steps: Sequence[Step]) -> None:
    """For each Rollout that a step `healthy` names: abort the update, set the image back, wait until it is at rest.

    A Rollout at rest is left as it is. Raises UsageError if none is named, ExpectationError if one has no stable
    revision or doesn't come to rest.
    """
    ctx = ctx.for_stage(_STEP, ctx.deadline)
    named = [step.options for step in steps if isinstance(step, Healthy)]
    if not named:
        raise UsageError(
            "there is nothing to reset: the playbook's demonstration names no Rollout",
            remedy="a step `healthy: {rollout: NAME}` names one",
        )
    for options in named:
        _reset(ctx, options.namespace, options.rollout)


def _reset(ctx: Context, namespace: str, name: str) -> None:
    view = read(ctx, namespace, name)
    if view.stable is None:
        raise ExpectationError(
            f"Rollout {namespace}/{name} has no stable revision to go back to",
            why=f"it is {view}",
            remedy="`invoke up` brings it up; `invoke status` shows it",
        )
    for command in _commands(ctx, view):
        ctx.emit(Notice(plugin.run(ctx, command)))

    def look() -> Iterable[Claim]:
        return at_rest(read(ctx, namespace, name))

    failed = report(ctx, _STEP, wait_for(ctx, watches(namespace), look, _TIMEOUT))
    if failed:
        raise disappointed(ctx, _STEP, failed)


def _commands(ctx: Context, view: RolloutView) -> list[list[str]]:
    """Abort, so that all traffic goes to stable at once; then make stable's template the wanted one again."""
    stable = view.stable
    if stable is None or not view.updating:
        return []
    tool, where = plugin.plugin(ctx), (view.namespace, view.name)
    abort = [] if view.aborted else [tool.abort(*where)]
    differ = [(container, image) for container, image in stable.images.items() if view.images.get(container) != image]
    images = [tool.set_image(*where, container, image) for container, image in differ]
    return abort + (images or [tool.undo(*where, stable.number)])
