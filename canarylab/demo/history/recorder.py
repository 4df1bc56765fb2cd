"""Records what becomes of a Rollout, its ReplicaSets and its pods: every change of them, by watches without a gap.

Sampling sees a bound kept whenever it looks. A recording lists the objects once and then follows each kind from the
list's resourceVersion on, so that no state in between is missed. If the API server forgets a part before it was read
(410 Gone), the recording says so instead of claiming anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, LeftOpen
from canarylab.demo.history.recording import Recording
from canarylab.demo.history.states import replay
from canarylab.demo.history.stream import Stream, check_order, number
from canarylab.kube.client import Snapshot
from canarylab.rollouts.view import get_rollout, watches

_CATCH_UP = 10.0
"""Seconds that the watches may be behind a list when the recording ends; usually it is some milliseconds."""


class Recorder(LeftOpen):
    """Records a Rollout from construction until `stop`. Raises ExpectationError where there is none, or no order.

    `clock` gives seconds from some point on.
    """

    def __init__(self, ctx: Context, namespace: str, rollout: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._rollout: str = get_rollout(ctx, namespace, rollout)["metadata"]["uid"]
        self._name = f"{namespace}/{rollout}"
        self._moved, self._over = threading.Condition(), threading.Event()
        self._streams = [Stream(ctx.cluster, watch, self._moved, self._over, clock) for watch in watches(namespace)]
        listed_at = [stream.listed_at for stream in self._streams]
        check_order(listed_at)
        self.since = max(listed_at)
        """The resourceVersion at which the recording begins: that of the last list."""
        for stream in self._streams:
            stream.start()

    def conclude(self, ctx: Context) -> list[Claim]:
        """What can be claimed of any Rollout. Nothing after Ctrl-C, when nobody waits for the rest of the history."""
        if ctx.cancel.is_set:
            self._over.set()
            return []
        return self.stop(ctx).claims

    def stop(self, ctx: Context) -> Recording:
        """Wait until everything that is there now has been recorded, and end."""
        try:
            until, gap = self._catch_up(ctx)
        finally:
            self._over.set()
        with self._moved:
            listed = [one for stream in self._streams for one in stream.listed]
            changes = [one for stream in self._streams for one in stream.changes]
        states = replay(listed, changes, self._rollout, self.since, until)
        deleted = any(change.deleted and change.obj["metadata"]["uid"] == self._rollout for change in changes)
        return Recording(tuple(states), gap or (f"Rollout {self._name} was deleted" if deleted else ""))

    def _catch_up(self, ctx: Context) -> tuple[int, str]:
        """The resourceVersion up to which the history is complete, and what is missing, if anything is."""
        snapshots = [ctx.cluster.snapshot(stream.watch) for stream in self._streams]
        versions = [number(snapshot.version) for snapshot in snapshots]
        check_order([*(stream.listed_at for stream in self._streams), *versions])
        with ThreadPoolExecutor(len(self._streams)) as threads:
            list(threads.map(Stream.drain, self._streams))
        return min(versions), "; ".join(self._missing(ctx, snapshots))

    def _missing(self, ctx: Context, snapshots: Sequence[Snapshot]) -> list[str]:
        """Wait for all streams to reach the lists; what of them isn't recorded then."""
        pairs = list(zip(self._streams, snapshots, strict=True))

        def over() -> bool:
            return ctx.cancel.is_set or all(stream.reached(snapshot) or stream.broken for stream, snapshot in pairs)

        unsubscribe = ctx.cancel.subscribe(self._wake)
        deadline = ctx.cancel.now() + _CATCH_UP
        try:
            with self._moved:
                while not over() and (left := deadline - ctx.cancel.now()) > 0:
                    self._moved.wait(left)
                ctx.cancel.check()
                return [stream.missing for stream, snapshot in pairs if not stream.reached(snapshot)]
        finally:
            unsubscribe()

    def _wake(self) -> None:
        with self._moved:
            self._moved.notify_all()
