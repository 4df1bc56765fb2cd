"""What remedies are worded with: command lines about a Rollout, and the way back to its stable revision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.rollouts.view import RolloutView


INVALID_SPEC = "InvalidSpec: "
"""What the controller's message begins with where it doesn't take the spec."""

RESET = "reset"
"""What `demo --reset` is called among the steps."""


class InNamespace(Protocol):
    """What a command is about, such as a Rollout."""

    @property
    def namespace(self) -> str:
        """Where it is."""


def kubectl(ctx: Context, about: InNamespace, words: str) -> str:
    """A command line about what is in the same namespace, to paste."""
    return f"kubectl --context {ctx.cluster.context} --namespace {about.namespace} {words}"


def plugin(ctx: Context, view: RolloutView, words: str) -> str:
    """The same for Argo's plugin, which wants its flags behind its own name."""
    return f"kubectl argo rollouts {words} --context {ctx.cluster.context} --namespace {view.namespace}"


def or_reset(ctx: Context, remedy: str) -> str:
    """The remedy, and beside it, except to somebody who is just doing it, the way back."""
    if ctx.stage == RESET:
        return remedy
    return f"{remedy}; `{ctx.command('demo --reset')}` brings the Rollout back to its stable revision"
