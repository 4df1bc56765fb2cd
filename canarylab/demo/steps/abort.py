"""The step `abort`: stops an update, so that all traffic goes back to the stable revision."""

from __future__ import annotations

from typing import ClassVar

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, Session, Step, StepOptions
from canarylab.demo import claims, plugin
from canarylab.demo.traffic.background import note
from canarylab.demo.waiting import BeginOptions, expect
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import RolloutView, read_rollout


class Abort(Step):
    """Aborts an update that is under way, and waits until the controller has begun to go back.

    The Rollout is Degraded then: its template still asks for the new revision, until `set-image: {back: true}`, or
    `retry` restarts the update. The moment is noted on the background traffic, if there is any.
    """

    kind: ClassVar[str] = "abort"
    Options: ClassVar[type[StepOptions]] = BeginOptions
    options: BeginOptions

    def run(self, ctx: Context, session: Session) -> None:
        options = self.options
        view = read_rollout(ctx, options.namespace, options.rollout)
        aborted = "the update was aborted before"
        why = aborted if view.aborted else "there is nothing to abort: no update is under way"
        self.report(ctx, [causes.refused(ctx, view, _under_way(view), why)])
        note(session, self.kind)
        plugin.run(ctx, plugin.plugin(ctx).abort(options.namespace, options.rollout))
        expect(ctx, self, options, lambda now: [_aborted(now, view)], options.timeout)


def _under_way(view: RolloutView) -> Claim:
    holds = view.canary is not None and not view.aborted
    return Claim("ready to be aborted", "an update under way", str(view), holds)


def _aborted(now: RolloutView, before: RolloutView) -> Claim:
    """What was aborted, and where it was. The controller says Degraded once it has seen the abort."""
    where = f"step {before.step}, SetWeight {before.set_weight}" if before.step else "no steps"
    holds = now.aborted and now.phase == "Degraded"
    return Claim(f"abort {before.canary} at {where}", "Degraded", now.status, holds, claims.cause(now))
