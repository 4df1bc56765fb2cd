"""A steady trickle of requests to all hosts while a rollout goes on: was not one of them lost?

Each request has a connection of its own, of either protocol, so that connecting is tested as well. The thread has
its own event loop and shares nothing with the steps until it is stopped.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from canarylab.demo.answers import none_failed
from canarylab.demo.base import Claim, LeftOpen
from canarylab.demo.client import Target, ask_once
from canarylab.demo.traffic import REQUEST_TIMEOUT, Measurement, Tally

if TYPE_CHECKING:
    from canarylab.context import Context

_AT_ONCE = 64
"""More requests than this are never under way; if answers are so slow, the rate drops."""


class Background(LeftOpen):
    """Requests at `rate` a second, each to the next of the targets in turn, from construction until `stop`."""

    def __init__(self, targets: Sequence[Target], rate: float, timeout: float = REQUEST_TIMEOUT) -> None:
        self._tallies = [Tally(target) for target in targets]
        self._interval = 1 / rate
        self._timeout = timeout
        self._crash: BaseException | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background-traffic", daemon=True)
        self._thread.start()

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(tally.target for tally in self._tallies)

    def conclude(self, ctx: Context) -> list[Claim]:  # noqa: ARG002 - it needs nothing of the cluster
        return [none_failed(self.stop(), "background traffic: not one request failed on the way")]

    def stop(self) -> tuple[Measurement, ...]:
        """Send no more, wait for the answers under way, and return what was counted for each target."""
        self._ending.set()
        self._thread.join()
        if self._crash is not None:
            raise self._crash
        return tuple(tally.result() for tally in self._tallies)

    def _run(self) -> None:
        try:
            asyncio.run(self._stream())
        except BaseException as crash:  # kept for stop(), which raises it where somebody sees it
            self._crash = crash

    async def _stream(self) -> None:
        places = asyncio.Semaphore(_AT_ONCE)
        turns = itertools.cycle(self._tallies)
        due = time.monotonic()
        async with asyncio.TaskGroup() as under_way:
            while not self._ending.is_set():
                await places.acquire()
                request = under_way.create_task(self._one(next(turns)))
                request.add_done_callback(lambda _: places.release())
                # Late by more than a moment, say after the machine slept: don't make up for it in one burst.
                due = max(due + self._interval, time.monotonic() - 1)
                await asyncio.sleep(due - time.monotonic())

    async def _one(self, tally: Tally) -> None:
        await tally.take(lambda: ask_once(tally.target), self._timeout)
