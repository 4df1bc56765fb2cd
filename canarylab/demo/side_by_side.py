"""Several demonstrations at once, each in a thread with a session of its own; a failed one doesn't stop the others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from canarylab.contract.context import Context
from canarylab.engine import outcome
from canarylab.engine.sentinel import explained
from canarylab.errors import CanarylabError, CancelledError
from canarylab.events import DemoFinished, DemoStarted, DemoState, Emit, Event, Fact, Notice, StageProgress

AT_ONCE = 6
"""How many run at the same time. Most of one's time is waiting for pods and pauses; what measures needs a processor."""


@dataclass(frozen=True)
class Demonstration:
    """One playbook's. `ctx` is the run as seen from it; `blocked` is why it can't be performed."""

    ctx: Context
    blocked: CanarylabError | None = None


@dataclass(frozen=True)
class DemoResult:
    """How a demonstration ended. An error that isn't a CanarylabError is a bug."""

    playbook: str
    state: DemoState
    facts: int = 0
    held: int = 0
    error: BaseException | None = None

    @property
    def exit_code(self) -> int:
        """The code that `demo` would exit with for it alone (docs/exit-codes.md)."""
        return outcome.exit_code(self.error)


@dataclass
class _TaggedEmit:
    """Hands events on with the playbook whose demonstration they belong to, and counts its facts."""

    emit: Emit
    playbook: str
    facts: int = 0
    held: int = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Fact):
            self.facts += 1
            self.held += event.holds
        if isinstance(event, Fact | StageProgress | Notice):
            event = dataclasses.replace(event, playbook=self.playbook)
        self.emit(event)


def run_all(
    demos: Sequence[Demonstration], work: Callable[[Context], None], at_once: int = AT_ONCE
) -> list[DemoResult]:
    """Do `work` for each, those with the most steps first; how they ended, in the order in which they did.

    Once the run is cancelled, what hasn't begun is skipped, and the others end as `work` does then.
    """
    ended: list[DemoResult] = []

    def one(demo: Demonstration) -> None:
        ended.append(_run(demo, work))

    longest_first = sorted(demos, key=lambda demo: -len(demo.ctx.playbook.demo))
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="demo") as pool:
        list(pool.map(one, longest_first))
    return ended


def _run(demo: Demonstration, work: Callable[[Context], None]) -> DemoResult:
    ctx, name, started = demo.ctx, demo.ctx.playbook.name, time.monotonic()
    if ctx.cancel.is_set:
        ended = DemoResult(name, "skipped", error=CancelledError("interrupted"))
    elif demo.blocked:
        ended = DemoResult(name, "failed", error=demo.blocked)
    else:
        ctx.emit(DemoStarted(name))
        ended = attempt(ctx, work)
    seconds = round(time.monotonic() - started, 3)
    ctx.emit(DemoFinished(name, ended.state, seconds, ended.facts, ended.held, outcome.reason(ended.error)))
    return ended


def attempt(ctx: Context, work: Callable[[Context], None]) -> DemoResult:
    """Do `work` for the context's playbook, and say how it ended; its events belong to that playbook."""
    name, emit = ctx.playbook.name, _TaggedEmit(ctx.emit, ctx.playbook.name)
    error = explained(ctx, outcome.attempt(lambda: work(dataclasses.replace(ctx, emit=emit))))
    interrupted = isinstance(error, CancelledError)
    state: DemoState = "passed" if error is None else "interrupted" if interrupted else "failed"
    return DemoResult(name, state, emit.facts, emit.held, error)
