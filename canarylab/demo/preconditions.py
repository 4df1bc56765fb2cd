"""What has to be there before the first step: the Rollouts that steps name, and the images that they set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from canarylab.contract.context import Context
from canarylab.contract.step import RolloutOptions, Step
from canarylab.errors import ExpectationError
from canarylab.kube.client import ApiError, UnknownKindError
from canarylab.kube.objects import Object
from canarylab.rollouts.validation import missing_images, references
from canarylab.rollouts.validation.known_objects import Known
from canarylab.rollouts.validation.mistake import Mistake
from canarylab.rollouts.view import API_VERSION
from canarylab.yamlfile.problems import did_you_mean

Name = tuple[str, str]
"""Namespace and name."""


def rollout_of(step: Step) -> Name | None:
    """The Rollout that a step's options name; None where it is about none."""
    options = step.options
    return (options.namespace, options.rollout) if isinstance(options, RolloutOptions) else None


def rollouts_of(steps: Sequence[Step]) -> list[Name]:
    """Each Rollout that a step names, once, in the order of the steps."""
    return list(dict.fromkeys(name for step in steps if (name := rollout_of(step))))


def require_rollouts(ctx: Context, steps: Sequence[Step]) -> None:
    """Raise ExpectationError, with the playbook's line, for the first step whose Rollout isn't there."""
    there = {name: _is_there(ctx, name) for name in rollouts_of(steps)}
    for step in steps:
        name = rollout_of(step)
        if name is not None and not there[name]:
            raise _missing(ctx, step, name)


def require_no_loss(ctx: Context, steps: Sequence[Step]) -> None:
    """Raise ExpectationError, with the playbook's line, for the first Rollout by which an update would do harm.

    Routes or subsets would be deleted, multiplied or not weighed, as the objects in the cluster show; what Argo
    refuses, it says itself.
    """
    for name in rollouts_of(steps):
        rollout = ctx.cluster.get(API_VERSION, "Rollout", name[1], name[0])
        if rollout is None or (found := _harm(ctx, rollout, references.mistakes)) is None:
            continue
        step = next(one for one in steps if rollout_of(one) == name)
        raise ExpectationError(
            found.what, where=step.where("rollout"), why=found.why, remedy=f"{found.remedy}; then `{ctx.command('up')}`"
        )


def require_countable(ctx: Context, rollout: Object) -> None:
    """Raise ExpectationError where ending an update would multiply routes, which each later write would do again."""
    if found := _harm(ctx, rollout, references.multiplied):
        remedy = f"{found.remedy}; then `{ctx.command('up')}`, and `{ctx.command('demo --reset')}` again"
        raise ExpectationError(found.what, where=f"demo step {ctx.stage}", why=found.why, remedy=remedy)


def _harm(ctx: Context, rollout: Object, find: Callable[[Object, Known], Iterator[Mistake]]) -> Mistake | None:
    with contextlib.suppress(ApiError):  # this user may not look: then nothing is known
        found = find(rollout, Known((), ctx.cluster))
        return next((one for one in found if one.absent_from is None and not one.is_refused), None)
    return None


def misplaced(step: Step, what: str, remedy: str) -> ExpectationError:
    """The error for a step that doesn't stand where it can among the others."""
    return ExpectationError(what, where=f"demo step {step.kind}", remedy=f"in the playbook's `demo`, {remedy}")


def _is_there(ctx: Context, name: Name) -> bool:
    try:
        return ctx.cluster.get(API_VERSION, "Rollout", name[1], name[0]) is not None
    except UnknownKindError as error:
        raise ExpectationError(
            "the cluster has no Argo Rollouts", why=error.what, remedy=f"`{ctx.command('up')}` installs it"
        ) from error


def _missing(ctx: Context, step: Step, name: Name) -> ExpectationError:
    """Named with those that there are: it may be in another namespace, or misspelt."""
    metas = [rollout["metadata"] for rollout in ctx.cluster.list(API_VERSION, "Rollout")]
    known = [(meta["namespace"], meta["name"]) for meta in metas]
    elsewhere = [namespace for namespace, other in known if other == name[1]]
    hint = f"did you mean `namespace: {elsewhere[0]}`? " if len(elsewhere) == 1 else ""
    listed = did_you_mean("/".join(name), ["/".join(one) for one in known])
    return ExpectationError(
        f"there is no Rollout {'/'.join(name)}",
        where=step.where("rollout"),
        why="no step was run: every Rollout that a step names must exist first",
        remedy=f"{hint}{listed.rpartition('? ')[2] if hint else listed}; if it isn't up yet, `{ctx.command('up')}`",
    )


def require_images(ctx: Context, step: Step, option: str, references: Iterable[str]) -> None:
    """Raise ExpectationError, with the playbook's line, for the first that the cluster neither has nor can pull.

    Whether a registry has an image, only its pods can find out.
    """
    for reference in references:
        if missing := missing_images.mistake_if_missing(ctx, ctx.provider.images.reference(reference)):
            raise ExpectationError(missing.what, where=step.where(option), why=missing.why, remedy=missing.remedy)
