"""The step `retry`: restarts an aborted update."""

from __future__ import annotations

from typing import ClassVar

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, Session, Step, StepOptions
from canarylab.demo import claims, plugin
from canarylab.demo.waiting import BeginOptions, expect
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import RolloutView, read_rollout


class Retry(Step):
    """Retries the update of a Rollout that was aborted, and waits until the controller has begun it from its start."""

    kind: ClassVar[str] = "retry"
    Options: ClassVar[type[StepOptions]] = BeginOptions
    options: BeginOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        options = self.options
        view = read_rollout(ctx, options.namespace, options.rollout)
        ready = Claim("ready to be retried", "an aborted update", str(view), view.aborted)
        self.report(ctx, [causes.refused(ctx, view, ready, "there is nothing to retry: no update was aborted")])
        plugin.run(ctx, plugin.plugin(ctx).retry(options.namespace, options.rollout))
        expect(ctx, self, options, lambda now: [_begun(now, view)], options.timeout)


def _begun(now: RolloutView, before: RolloutView) -> Claim:
    """The abort is taken back in the status at once; that the controller has seen it, the phase says."""
    holds = not now.aborted and now.phase != "Degraded"
    return Claim(f"retry {before.canary}", "Progressing or Paused", now.status, holds, claims.cause(now))
