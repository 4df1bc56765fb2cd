"""What a cluster that is there lacks of a playbook."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from canarylab import applied as record
from canarylab.contract.context import Context
from canarylab.contract.stage import Stage
from canarylab.errors import CanarylabError, NotYetObservableError

AnyStage = Stage[Any, Any]
_SECONDS = 120.0


def lacking(ctx: Context) -> list[AnyStage]:
    """The playbook's stages of which nothing is there, in its order; none where no cluster answers.

    What is there in part, or can't be looked at, isn't among them: `up` repairs, and says what is in its way.
    """
    below = {stage.name for stage in ctx.provider.infrastructure.stages()}
    stages = [stage for stage in ctx.playbook.stages if stage.name not in below]
    if not stages or not _is_there(ctx):
        return []
    with ThreadPoolExecutor(max_workers=len(stages), thread_name_prefix="look") as pool:
        absent = list(pool.map(lambda stage: _is_absent(ctx, stage), stages))
    return [stage for stage, is_absent in zip(stages, absent, strict=True) if is_absent]


def _is_there(ctx: Context) -> bool:
    """Whether the cluster answers; one that is somebody else's counts only once `up` has been there."""
    try:
        if ctx.cluster.ready() is not None:
            return False
        return ctx.provider.owns_cluster or (ctx.paths.kubeconfig.exists() and bool(record.read(ctx)))
    except CanarylabError:
        return False


def _is_absent(ctx: Context, stage: AnyStage) -> bool:
    try:
        return stage.is_absent(stage.observe(ctx.for_stage(stage.name, time.monotonic() + _SECONDS)))
    except NotYetObservableError:
        return True
    except CanarylabError:
        return False
