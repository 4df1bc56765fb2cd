"""The step `promote`: lets a paused update go on."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, RolloutOptions, Session, Step, StepOptions
from canarylab.demo import plugin
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import read_rollout


class PromoteOptions(RolloutOptions):
    """Which Rollout is promoted, and how far."""

    full: bool = Field(False, description="skip all steps, pauses and analyses that are left")


class Promote(Step):
    """Promotes a Rollout that is paused; what comes of it is the next step's to expect."""

    kind: ClassVar[str] = "promote"
    Options: ClassVar[type[StepOptions]] = PromoteOptions
    options: PromoteOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        options = self.options
        view = read_rollout(ctx, options.namespace, options.rollout)
        paused = view.phase == "Paused" and view.canary is not None
        ready = Claim("ready to be promoted", "Paused, with a canary", str(view), paused)
        self.report(ctx, [causes.refused(ctx, view, ready, "there is nothing to promote: no update is paused")])
        said = plugin.run(ctx, plugin.plugin(ctx).promote(options.namespace, options.rollout, full=options.full))
        goes = "goes to the end" if options.full else "goes on"
        self.report(ctx, [Claim("promote", f"{view.canary} {goes}", said, holds=True)])
