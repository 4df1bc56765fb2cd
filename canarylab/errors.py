"""The tree of errors a user may see, each with its exit code.

An error says what happened, where, why if known, and what to do next; `docs/exit-codes.md` lists the codes.
Whatever escapes this tree is a bug and ends with `EXIT_BUG`.
"""

from __future__ import annotations

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_MACHINE = 3
EXIT_LOCKED = 4
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class CanarylabError(Exception):
    """Something the user can understand and act on."""

    exit_code = EXIT_FAILED
    otherwise: str = "`invoke doctor` looks at what may be in the way; then run the command again"
    """What to do next where whoever raised it couldn't know. A class that is raised without a remedy has its own."""

    def __init__(
        self, what: str, *, where: str | None = None, why: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.why:
            lines.append(f"why: {self.why}")
        if self.remedy:
            lines.append(f"next: {self.remedy}")
        return "\n".join(lines)

    @property
    def next_step(self) -> str:
        """What to do next, "" only where there is nothing to be done."""
        return self.remedy or self.otherwise

    @property
    def report(self) -> str:
        """All of it, as a user sees it: never without what to do next, as long as there is anything to be done."""
        return str(self) if self.remedy or not self.otherwise else f"{self}\nnext: {self.otherwise}"


class UsageError(CanarylabError):
    """A wrong flag, an unknown stage, a playbook that isn't there."""

    exit_code = EXIT_USAGE


class PlaybookError(UsageError):
    """A playbook that can't be understood; `where` is file:line and the key."""


class MachineError(CanarylabError):
    """This machine can't do it as it is: found before anything is changed, or refused by the system on the way."""

    exit_code = EXIT_MACHINE


class LockedError(CanarylabError):
    """Another run holds the profile."""

    exit_code = EXIT_LOCKED


class StageError(CanarylabError):
    """A stage failed."""


class NotYetObservableError(CanarylabError):
    """What would have to be read doesn't exist yet, such as a cluster that isn't up."""


class ExpectationError(CanarylabError):
    """The demonstration saw something else than it expected."""


class CancelledError(CanarylabError):
    """The run was interrupted while this waited."""

    exit_code = EXIT_INTERRUPTED
    otherwise = ""


class CommandError(CanarylabError):
    """An external program failed: its command line can be pasted, its last words are kept."""

    otherwise = (
        "paste the command above: it fails by itself, too, and says all that it has to say; once it ends well, "
        "run this again"
    )

    def __init__(self, command: str, code: int | None, tail: str, *, remedy: str | None = None) -> None:
        ended = f"ended with {code}" if code is not None else "did not end in time"
        program = command.split(" ", 1)[0].rsplit("/", 1)[-1]
        super().__init__(f"{program} {ended}", why=tail or None, remedy=remedy)
        self.command = command
        self.code = code
        self.tail = tail

    def __str__(self) -> str:
        return f"{super().__str__()}\ncommand: {self.command}"
