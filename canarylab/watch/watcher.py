"""Follows a Rollout, by watching it and by asking the gateways every second, until it is interrupted. Reads only."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NoReturn

from canarylab.contract.cause import Cause
from canarylab.errors import CanarylabError
from canarylab.kube.client import ApiError
from canarylab.rollouts.causes import rollout as causes
from canarylab.watch.gateways import Gateways
from canarylab.watch.snapshot import RolloutSnapshot, take_snapshot, watches
from canarylab.watch.state import Debounce, Screen, Silence, WatchState
from canarylab.watch.traffic import Meter, Reading
from canarylab.watch.view import WatchView

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_EVERY = 1.0
"""Seconds between two questions to the gateways."""
_STILL = 3.0
"""Seconds that a Rollout stands still before it is asked why, and between two such questions."""
_LAST_WORDS = 2.0
"""Seconds that an open question to a gateway gets at the end."""


class Watcher:
    """`first` is the Rollout as it was found. Every state goes to the screen, from two threads but one at a time."""

    def __init__(self, ctx: Context, first: RolloutSnapshot, screen: Screen) -> None:
        self._ctx, self._first, self._screen = ctx, first, screen
        self._lock = threading.Lock()
        """Guards what is shown."""
        self._view = WatchView.of(first)
        self._meter = Meter()
        self._debounce = Debounce()
        self._silence: Silence | None = None
        self._answered = time.time()
        self._cause: Cause | None = None
        self._moved = ctx.cancel.now()
        self._bug: BaseException | None = None
        self._over = threading.Event()

    def follow(self) -> NoReturn:
        """Ends by an error only: CancelledError once interrupted, another CanarylabError once the Rollout is gone."""
        counting = threading.Thread(
            target=self._count, name=f"traffic of {self._view.rollout.namespace}/{self._view.rollout.name}", daemon=True
        )
        self._show()
        counting.start()
        try:
            while True:
                self._ctx.cluster.wait(watches(self._first), self._look, deadline=float("inf"), cancel=self._ctx.cancel)
        finally:
            self._over.set()
            counting.join(_LAST_WORDS)

    def _look(self) -> str:
        """Always a reason to wait on."""
        if self._bug is not None:
            raise self._bug
        rollout = self._view.rollout
        try:
            snapshot = take_snapshot(self._ctx.cluster, rollout.namespace, rollout.name)
        except ApiError as error:
            if not error.may_pass:
                raise
            with self._lock:
                self._silence = self._silence or Silence(
                    self._answered, error.what.removeprefix("no answer from the cluster: ")
                )
        else:
            if snapshot is None:
                raise CanarylabError(
                    f"Rollout {rollout.namespace}/{rollout.name} was deleted",
                    why="somebody else deleted it while it was watched",
                    remedy="the same command shows it again once it is back",
                )
            seen = WatchView.of(snapshot)
            cause = self._look_for_cause(seen)
            with self._lock:
                self._silence, self._answered, self._view, self._cause = None, time.time(), seen, cause
                self._meter.expect(self._view.split_key, time.monotonic())
        self._show()
        return "the user watches"

    def _look_for_cause(self, seen: WatchView) -> Cause | None:
        """What is found once the Rollout has been where it is for some seconds."""
        before, now = self._view.rollout, seen.rollout
        if (before.phase, before.message, before.step) != (now.phase, now.message, now.step):
            self._moved = self._ctx.cancel.now()
            return None
        if self._ctx.cancel.now() - self._moved < _STILL:
            return self._cause
        self._moved = self._ctx.cancel.now()
        return causes.trouble(self._ctx, now.namespace, now.name)

    def _count(self) -> None:
        gateways = Gateways(self._ctx.cluster, self._view.rollout.namespace)
        try:
            while not self._over.is_set():
                started = time.monotonic()
                self._counted(gateways.read(started))
                self._over.wait(max(0.0, started + _EVERY - time.monotonic()))
        except BaseException as error:  # a bug: the thread that waits raises it
            self._bug = error
        finally:
            gateways.close()

    def _counted(self, reading: Reading) -> None:
        with self._lock:
            revisions = {address: one.hash for address, one in self._view.revision_by_address.items()}
            self._meter.add(reading, revisions, time.monotonic())
        self._show()

    def _show(self) -> None:
        with self._lock:
            if self._over.is_set():
                return
            mismatched = self._view.weights.mismatched if self._view.weights else ()
            mismatched = self._debounce.settled(mismatched, time.monotonic())
            self._screen.show(WatchState(self._view, self._meter.traffic(), mismatched, self._silence, self._cause))
