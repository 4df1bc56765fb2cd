"""`invoke demo`: performs the playbook's demonstration and asserts every step of it."""

from __future__ import annotations

import time

from canarylab.commands.run import Options, run
from canarylab.context import Context
from canarylab.demo.perform import perform
from canarylab.demo.reset import reset
from canarylab.errors import EXIT_DONE, CanarylabError, CancelledError, UsageError
from canarylab.events import Failure, RunFinished, RunStarted
from canarylab.lock import locked


def demo(options: Options, *, start_over: bool) -> int:
    """With `start_over`, bring the Rollouts back to rest first, and leave it at that."""

    def work(ctx: Context) -> int:
        if not ctx.playbook.demo:
            nothing = ", so there is nothing to reset" if start_over else ""
            remedy = "add `demo:` to it, or use another"
            raise UsageError(f"playbook {ctx.playbook.name} has no demo{nothing}", remedy=remedy)
        with locked(ctx.paths.lock, "demo"), ctx.provider.session(ctx, "demo"):
            command = "demo --reset" if start_over else "demo"
            ctx.emit(RunStarted(command, ctx.playbook.name, ctx.profile, ctx.provider.name, ()))
            started, code = time.monotonic(), EXIT_DONE
            try:
                (reset if start_over else perform)(ctx, ctx.playbook.demo)
            except CancelledError as error:
                code = error.exit_code
                remedy = f"`{ctx.command('demo --reset')}` brings the Rollout back to rest, wherever it is now"
                ctx.emit(Failure(str(CancelledError(error.what, remedy=remedy)), code))
            except CanarylabError as error:
                code = error.exit_code
                ctx.emit(Failure(str(error), code))
            ctx.emit(RunFinished(command, code == EXIT_DONE, round(time.monotonic() - started, 3)))
        return code

    return run(options, work)
