"""Looks at everything before the first change, on a cluster that isn't this tool's own.

What is there already, and doesn't go with what the playbook wants, is so told while there is nothing to take back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from canarylab.contract.context import Context
from canarylab.contract.stage import Stage
from canarylab.errors import CanarylabError, NotYetObservableError, StageError
from canarylab.events import Notice

_SECONDS = 120.0


def survey(ctx: Context, stages: Sequence[Stage[Any, Any]]) -> None:
    """Have every stage observe. Raises what the first one in the way said, or all of it in one error.

    What can't be observed before other stages are up isn't in the way.
    """
    ctx.emit(Notice("looking at what the cluster has already, before anything is changed"))
    with ThreadPoolExecutor(max_workers=max(1, len(stages)), thread_name_prefix="survey") as pool:
        found = [error for error in pool.map(lambda stage: _look(ctx, stage), stages) if error]
    ctx.cancel.check()
    if len(found) == 1:
        raise found[0]
    if found:
        raise StageError(
            f"{len(found)} stages can't work with what is there; nothing was changed",
            why="\n".join(str(error) for error in found),
        )


def _look(ctx: Context, stage: Stage[Any, Any]) -> CanarylabError | None:
    try:
        stage.changes(stage.observe(ctx.for_stage(stage.name, time.monotonic() + _SECONDS)))
    except NotYetObservableError:
        return None
    except CanarylabError as error:
        return error
    return None
