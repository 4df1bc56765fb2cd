"""`invoke env`: what a shell needs to use the tool's own kubectl, helm and Argo plugin."""

from __future__ import annotations

import shlex

from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.errors import EXIT_DONE


def env(options: Options) -> int:
    """Print lines for a shell to evaluate; the exit code."""

    def work(ctx: Context) -> int:
        folder = ctx.provider.sources.programs(ctx)
        print(
            f'# eval "$({ctx.command("env")})", then: kubectl --context {ctx.ownership.context_name(ctx)} get rollouts'
        )
        if folder is not None:
            print(f'export PATH={shlex.quote(str(folder))}:"$PATH"')
        return EXIT_DONE

    return run(options, work)
