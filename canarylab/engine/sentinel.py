"""Looks after a run while it works and waits: at the disks it writes to, and whether the cluster answers at all.

What waits for a cluster learns only that no answer came, and that late. A disk that is full shows at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from canarylab.contract.context import Context
from canarylab.disks import Fault, remedy_for
from canarylab.errors import EXIT_MACHINE, CanarylabError, CancelledError, CommandError, MachineError
from canarylab.events import Failure, Notice
from canarylab.kube.client import ApiError

_PAUSE = 2.0
"""Seconds between two looks."""
_ANSWER_SECONDS = 1.5
"""How long one waits for an answer that is only a sign of life."""
_IN_A_ROW = 2
"""What is seen as often isn't a moment's: with the pauses, it is told within 10 s."""


class Sentinel:
    """One run's. `answered`: whether the cluster has answered before, so that its silence is worth a word."""

    def __init__(self, ctx: Context, *, answered: bool) -> None:
        self._ctx = ctx
        self._answered = answered
        self._silent = 0
        self._seen: list[Fault] = []
        self._told: set[str] = set()
        self.ended: MachineError | None = None
        """Why the run was ended from here; None where it wasn't."""

    def code(self, code: int) -> int:
        """The exit code of the run: its own, unless it was ended from here."""
        return EXIT_MACHINE if self.ended else code

    def look(self) -> None:
        """End the run where a disk stays full or read-only; say what is found where the cluster has become silent."""
        faults = self._ctx.provider.infrastructure.faults(self._ctx)
        lasting = [fault for fault in faults if fault.folder in {seen.folder for seen in self._seen}]
        self._seen = faults
        if lasting and not self.ended:
            self._end(lasting[0])
        elif not self.ended:
            self._listen()

    def _end(self, fault: Fault) -> None:
        why = "the cluster writes there, so nothing can go on"
        self.ended = MachineError(fault.what, where=str(fault.folder), why=why, remedy=fault.remedy)
        self._ctx.emit(Failure(str(self.ended), self.ended.exit_code))
        self._ctx.cancel.set()

    def _listen(self) -> None:
        if _answers(self._ctx):
            self._answered, self._silent = True, 0
            return
        self._silent += 1
        if self._answered and self._silent >= _IN_A_ROW:
            for found in self._ctx.provider.infrastructure.silence(self._ctx):
                if found not in self._told:
                    self._told.add(found)
                    self._ctx.emit(Notice(f"the cluster doesn't answer: {found}"))


@contextmanager
def guarded(ctx: Context, *, answered: bool = False) -> Iterator[Sentinel]:
    """Look every few seconds, in a thread of its own, for as long as this lasts."""
    sentinel, over = Sentinel(ctx, answered=answered), threading.Event()

    def watch() -> None:
        while not ctx.cancel.sleep_unless(over, _PAUSE) and not ctx.cancel.is_set:
            try:
                sentinel.look()
            except (CanarylabError, OSError, RuntimeError):  # a client that is closed, a folder that has gone
                continue

    threading.Thread(target=watch, name="sentinel", daemon=True).start()
    try:
        yield sentinel
    except CancelledError as error:
        raise sentinel.ended or error from None
    finally:
        over.set()


def _answers(ctx: Context) -> bool:
    """Whether the cluster gives a sign of life; one that nobody has connected to yet is silent."""
    if not ctx.paths.kubeconfig.exists():
        return False
    try:
        return ctx.cluster.answers(_ANSWER_SECONDS)
    except CanarylabError:
        return False


def explained(ctx: Context, error: BaseException | None) -> BaseException | None:
    """The error, with what a look at the machine adds to it.

    Where no answer came, that is what is found below the cluster; where a program found no room, the full disks.
    """
    if isinstance(error, ApiError) and error.code is None and error.why is None:
        error.why = "; ".join(ctx.provider.infrastructure.silence(ctx)) or None
    if isinstance(error, CommandError) and error.remedy is None:
        error.remedy = remedy_for(error.tail)
    return error
