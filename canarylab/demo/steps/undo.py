"""The step `undo`: rolls back to an earlier revision."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, Session, Step, StepOptions
from canarylab.demo import claims, plugin
from canarylab.demo.waiting import BeginOptions, expect
from canarylab.errors import ExpectationError
from canarylab.rollouts.revisions import RevisionView
from canarylab.rollouts.view import RolloutView, read_rollout


class UndoOptions(BeginOptions):
    """Which Rollout is rolled back, and to which revision."""

    revision: Literal["previous"] | Annotated[int, Field(ge=1)] = Field(
        "previous", description="number of the revision, or the one before"
    )


class Undo(Step):
    """Sets the template back to that of an earlier revision, and waits until the controller has begun.

    To Argo a rollback is an update like any other: it goes through all canary steps. It is fast-tracked only back to
    the stable revision of an update that isn't complete, or within `spec.rollbackWindow` (Argo's page Rollback
    Windows); which of it happens is the next step's to expect.
    """

    kind: ClassVar[str] = "undo"
    Options: ClassVar[type[StepOptions]] = UndoOptions
    options: UndoOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        options = self.options
        view = read_rollout(ctx, options.namespace, options.rollout)
        wanted = chosen(view, options.revision)
        plugin.run(ctx, plugin.plugin(ctx).undo(options.namespace, options.rollout, wanted.number))
        expect(ctx, self, options, lambda now: [_begun(now, view, wanted)], options.timeout)


def chosen(view: RolloutView, revision: Literal["previous"] | int) -> RevisionView:
    """The revision to go back to. Raises ExpectationError if there is none such among the earlier ones."""
    earlier = view.revisions[1:]
    found = earlier if revision == "previous" else [one for one in earlier if one.number == revision]
    if found:
        return found[0]
    raise ExpectationError(
        f"Rollout {view.name} has no earlier revision{'' if revision == 'previous' else f' {revision}'} to go back to",
        where="demo step undo",
        why=f"it keeps {', '.join(map(str, earlier)) or 'none'}, as far as spec.revisionHistoryLimit lets it",
        remedy="put a `set-image` and its promotion before it, or name a revision that it keeps",
    )


def _begun(now: RolloutView, before: RolloutView, wanted: RevisionView) -> Claim:
    """Its ReplicaSet is the newest revision now: an old one that is wanted again gets the next number."""
    newest = next(iter(now.revisions), None)
    holds = newest is not None and newest.hash == wanted.hash == now.current_hash
    text = f"undo, from {before.revisions[0]} to {wanted}"
    return Claim(text, f"{wanted.name} as the newest revision", str(newest or now), holds, claims.cause(now))
