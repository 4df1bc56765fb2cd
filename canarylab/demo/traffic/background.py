"""A steady trickle of requests to all hosts while a rollout goes on: was not one of them lost?

Each request has a connection of its own, of either protocol, so that connecting is tested as well. The thread has
its own event loop and shares nothing with the steps but the timeline.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, LeftOpen, Session
from canarylab.demo.traffic.client import REQUEST_TIMEOUT, Target, ask_once
from canarylab.demo.traffic.diagnosis import why_failed
from canarylab.demo.traffic.error_rate import none_failed
from canarylab.demo.traffic.pace import Pace
from canarylab.demo.traffic.timeline import Period, Timeline
from canarylab.demo.waiting import ask_until
from canarylab.events import Notice

NAME = "traffic"
"""What it is called in the session."""
_AT_ONCE = 64
"""More requests than this are never under way; if answers are so slow, the rate drops."""
_MOMENT = 0.02
"""Seconds between two looks whether there is a place again."""


class Background(LeftOpen):
    """Requests at `rate` a second, each to the next of the targets in turn, from construction until `stop`.

    `expected_error_rate` is in percent, as last expected: while it is above 0, failures are no surprise.
    """

    def __init__(self, targets: Sequence[Target], rate: float, timeout: float = REQUEST_TIMEOUT) -> None:
        self.timeline = Timeline()
        self.expected_error_rate = 0.0
        self._targets = tuple(targets)
        self._interval = 1 / rate
        self.pace = Pace(_AT_ONCE, timeout)
        self._crash: BaseException | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background-traffic", daemon=True)
        self._thread.start()

    def conclude(self, ctx: Context) -> list[Claim]:
        if late := str(self.pace):
            ctx.emit(Notice(f"background traffic: {late}"))
        claim = none_failed(self.stop(), "background traffic: not one request failed on the way", why_failed(ctx))
        if self.expected_error_rate > 0:
            last = f"the last `expect-error-rate` expected {self.expected_error_rate:g} %"
            claim = replace(claim, cause=f"{last}: one with `percent: 0` has to follow")
        return [claim]

    def stop(self) -> Period:
        """Send no more, wait for the answers under way, and return what was counted since the timeline was cut."""
        self._ending.set()
        self._thread.join()
        self._check()
        return self.timeline.cut()

    def wait(self, ctx: Context, enough: Callable[[Period], bool], timeout: float) -> Period:
        """The period at hand once it is enough, or after `timeout` seconds."""

        def look() -> Period:
            self._check()
            return self.timeline.so_far()

        return ask_until(ctx, look, enough, timeout)

    def _check(self) -> None:
        if self._crash is not None:
            raise self._crash

    def _run(self) -> None:
        try:
            asyncio.run(self._stream())
        except BaseException as crash:  # kept for whoever asks next, who raises it where somebody sees it
            self._crash = crash

    async def _stream(self) -> None:
        turns, under_way = itertools.cycle(self._targets), set[asyncio.Task[None]]()
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while not self._ending.is_set():
                if len(under_way) >= self.pace.at_once:
                    await asyncio.sleep(_MOMENT)
                    continue
                request = group.create_task(self._ask(next(turns)))
                under_way.add(request)
                request.add_done_callback(under_way.discard)
                # Late by more than a moment, say after the machine slept: don't make up for it in one burst.
                due = max(due + self._interval, time.monotonic() - 1)
                await asyncio.sleep(due - time.monotonic())

    async def _ask(self, target: Target) -> None:
        asked = time.monotonic()
        self.timeline.count(target, await ask_once(target, self.pace.timeout))
        self.pace.took(asked, time.monotonic())


def note(session: Session, what: str) -> None:
    """Note on the background traffic, if there is any, that this is done now."""
    if background := session.find(NAME, Background):
        background.timeline.note(what)
