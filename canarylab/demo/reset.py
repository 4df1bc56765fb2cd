"""`invoke demo --reset`: brings every Rollout of a demonstration back to rest at its stable revision."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from canarylab.contract.cause import Cause
from canarylab.contract.context import Context
from canarylab.contract.step import Claim, Step, report, unmet
from canarylab.demo import claims, plugin
from canarylab.demo.pod_template import set_images
from canarylab.demo.preconditions import Name, require_countable, rollouts_of
from canarylab.demo.steps.healthy import at_rest, settled
from canarylab.demo.waiting import wait_for
from canarylab.errors import CanarylabError, CancelledError, ExpectationError, UsageError
from canarylab.events import Notice
from canarylab.kube.objects import dig, has_been_healthy
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.causes.pods import image_never_comes
from canarylab.rollouts.causes.remedies import INVALID_SPEC, RESET
from canarylab.rollouts.revisions import SCALE_DOWN, RevisionView
from canarylab.rollouts.routes import route_objects
from canarylab.rollouts.view import API_VERSION, RolloutView, get_rollout, read_rollout, view_of, watches

Command = Callable[[], str]
"""Does something to a Rollout, and says what."""

_TIMEOUT = 180.0
"""Seconds: pods of the stable revision may have to start again, one after the other."""

_SEEN = 30.0
"""Seconds that the controller may take to look at a template that was set back."""


def reset(ctx: Context, steps: Sequence[Step]) -> None:
    """For each Rollout that a step names: end the update, set its template back, wait until it is at rest.

    All of them are set back first, then waited for. One at rest is left as it is. Raises UsageError if none is named,
    ExpectationError if one isn't there, has no stable revision or doesn't come to rest; the others are reset all the
    same.
    """
    ctx = ctx.for_stage(RESET, ctx.deadline)
    names = rollouts_of(steps)
    if not names:
        raise UsageError(
            "there is nothing to reset: the playbook's demonstration names no Rollout",
            remedy="a step `healthy: {rollout: NAME}` names one",
        )
    several, failed = len(names) > 1, list[CanarylabError]()
    for act in (_set_back, functools.partial(_await_rest, several=several)):
        for name in [*names]:
            try:
                act(ctx, name)
            except CancelledError:
                raise
            except CanarylabError as error:
                failed.append(error)
                names.remove(name)
    if failed:
        raise failed[0]


def _set_back(ctx: Context, name: Name) -> None:
    """Have Argo's controller go back to stable, whatever is under way."""
    rollout = get_rollout(ctx, *name)
    require_countable(ctx, rollout)
    view = view_of(ctx, rollout)
    if view.stable is None:
        found = causes.with_trouble(ctx, view, f"it is {view}", _up(ctx))
        raise ExpectationError(
            f"Rollout {'/'.join(name)} has no stable revision to go back to", why=found.why, remedy=found.remedy
        )
    back = has_been_healthy(rollout)
    commands = _commands(ctx, view, view.stable) if back else _onward(ctx, view)
    for command in commands:
        ctx.emit(Notice(command()))
    if dig(rollout, "spec", "paused"):
        # Last, so that nothing goes on before; by hand, since the plugin's `promote` would skip a step, too.
        ctx.cluster.patch(API_VERSION, "Rollout", view.name, {"spec": {"paused": None}}, view.namespace)
        ctx.emit(Notice(f"rollout '{view.name}' resumed: it was paused by hand"))
    if back and (commands or view.updating):
        _undo_the_rest(ctx, name, view.stable.number)


def _up(ctx: Context) -> str:
    return f"fix what stops it in the playbook's manifests, then `{ctx.command('up')}`"


def _onward(ctx: Context, view: RolloutView) -> list[Command]:
    """Out of a first revision that never was healthy there is no way back, only on to what is wanted instead of it."""
    promote = plugin.plugin(ctx).promote(view.namespace, view.name, full=True)
    return [functools.partial(plugin.run, ctx, promote)] if view.updating else []


def _commands(ctx: Context, view: RolloutView, stable: RevisionView) -> list[Command]:
    """Abort, so that all traffic goes to stable at once; then make stable's images the wanted ones again.

    The template may have been changed so lately that the controller hasn't begun: then there is nothing to abort.
    """
    where = (view.namespace, view.name)
    abort = functools.partial(plugin.run, ctx, plugin.plugin(ctx).abort(*where))
    # A Rollout that refers to a Deployment's template has none of its own.
    named = stable.images.items() if view.images else ()
    differ = {container: image for container, image in named if view.images.get(container) != image}
    back = functools.partial(set_images, ctx, *where, differ)
    return [*([abort] if view.updating and not view.aborted else []), *([back] if differ else [])]


def _undo_the_rest(ctx: Context, name: Name, revision: int) -> None:
    """If the template differs in more than its images, set back all of it.

    Not always: the plugin's `undo` writes the API's defaults into the template, and owns its fields from then on.
    """

    def look() -> Iterable[Claim]:
        view = read_rollout(ctx, *name)
        unseen = view.phase == "Progressing" and "to be observed" in view.message
        return [dataclasses.replace(claims.stable_is_wanted(view), holds=not view.updating, permanent=not unseen)]

    (claim,) = wait_for(ctx, watches(name[0]), look, _SEEN, lambda: causes.standstill(ctx, *name))
    if not claim.holds:
        ctx.emit(Notice(plugin.run(ctx, plugin.plugin(ctx).undo(*name, revision))))


def _await_rest(ctx: Context, name: Name, *, several: bool) -> None:
    """Wait until nothing is under way and no traffic is diverted; then nobody needs old pods, so they go at once."""
    watched = [*watches(name[0]), *route_objects.watches(ctx.cluster, get_rollout(ctx, *name))]

    def why() -> Cause | None:
        return causes.standstill(ctx, *name)

    seen = wait_for(ctx, watched, lambda: _look(ctx, name, settled), _TIMEOUT, why)
    if all(claim.holds for claim in seen):
        _scale_down(ctx, read_rollout(ctx, *name))
        seen = wait_for(ctx, watched, lambda: _look(ctx, name, at_rest), _TIMEOUT, why)
    explained = causes.explained(ctx, *name, seen)
    if several:
        explained = tuple(dataclasses.replace(claim, text=f"{'/'.join(name)}, {claim.text}") for claim in explained)
    if failed := report(ctx, RESET, explained):
        remedy = "; ".join(filter(None, (failed.remedy, _up(ctx))))
        raise unmet(ctx, RESET, dataclasses.replace(failed, remedy=remedy))


def _look(ctx: Context, name: Name, expected: Callable[[RolloutView], Sequence[Claim]]) -> list[Claim]:
    rollout = get_rollout(ctx, *name)
    view = view_of(ctx, rollout)
    status, *others = expected(view)
    permanent = view.message.startswith(INVALID_SPEC) or image_never_comes(view)
    routes = route_objects.leftover(ctx.cluster, rollout)
    return [dataclasses.replace(status, permanent=permanent), *others, *routes]


def _scale_down(ctx: Context, view: RolloutView) -> None:
    """Let the delay of old ReplicaSets be over: it is for traffic that may still be on its way to them."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for revision in view.revisions:
        if not revision.role and revision.status != "ScaledDown":
            body = {"metadata": {"annotations": {SCALE_DOWN: now}}}
            ctx.cluster.patch("apps/v1", "ReplicaSet", revision.name, body, view.namespace)
