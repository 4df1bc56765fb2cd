"""Runs the Argo Rollouts plugin against the cluster of a run."""

from __future__ import annotations

from canarylab.contract.context import Context, api_environment
from canarylab.rollouts.causes import refusals
from canarylab.tools.rollouts import TIMEOUT, Plugin


def plugin(ctx: Context) -> Plugin:
    """The provider's own plugin, or the one on the PATH."""
    cluster = ctx.cluster
    return Plugin(cluster.kubeconfig, cluster.context, ctx.provider.sources.programs(ctx))


def run(ctx: Context, argv: list[str]) -> str:
    """What the plugin printed. Raises CommandError, with the command line to paste."""
    with refusals.explained(ctx, "the Rollout"):
        return ctx.runner.run(argv, timeout=min(TIMEOUT, ctx.remaining), env=api_environment(ctx)).stdout.strip()
