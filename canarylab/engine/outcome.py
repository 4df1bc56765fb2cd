"""How work ends: the one boundary from errors to outcomes, and the outcomes of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from canarylab import needs_graph
from canarylab.disks import machine_trouble
from canarylab.errors import EXIT_BUG, EXIT_DONE, EXIT_INTERRUPTED, CanarylabError
from canarylab.events import RunFinished, StageState


def translated(error: BaseException) -> BaseException:
    """The error to report: what the operating system refused becomes one of ours, a bug stays what it is."""
    return machine_trouble(error) if isinstance(error, OSError) else error


def attempt(work: Callable[[], None]) -> BaseException | None:
    """Do it. What ended it early, None where nothing did; only a Ctrl-C that is to end all at once gets through."""
    try:
        work()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also a bug, which must neither end the others nor leave the run hanging
        return translated(error)
    return None


def exit_code(error: BaseException | None) -> int:
    """0 without an error, else that of its class; a bug has its own."""
    if error is None:
        return EXIT_DONE
    return error.exit_code if isinstance(error, CanarylabError) else EXIT_BUG


def reason(error: BaseException | None) -> str:
    """The error in words, "" for none."""
    if error is None:
        return ""
    if isinstance(error, CanarylabError):
        return error.report
    return f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Outcome:
    """How one stage ended. `seconds` counts from its start, waiting for its needs not included."""

    state: StageState
    seconds: float = 0.0
    reason: str = ""
    error: BaseException | None = None


@dataclass
class Run:
    """One run of stages: what was to be run, and the outcomes in the order in which the stages ended."""

    command: str
    needs: Mapping[str, Sequence[str]]
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: float = 0.0
    interrupted: bool = False

    def names(self, state: StageState) -> tuple[str, ...]:
        """The stages that ended so, in the order in which they did."""
        return tuple(name for name, outcome in self.outcomes.items() if outcome.state == state)

    @property
    def exit_code(self) -> int:
        """0, or the code of the first failure: that of its own class."""
        if self.interrupted:
            return EXIT_INTERRUPTED
        failed = self.names("failed")
        return exit_code(self.outcomes[failed[0]].error) if failed else EXIT_DONE

    @property
    def summary(self) -> RunFinished:
        """The event that ends the run; the command emits it once it has nothing more to say."""
        times = {name: round(outcome.seconds, 3) for name, outcome in self.outcomes.items()}
        path, path_seconds = needs_graph.critical_path(self.needs, {name: times.get(name, 0.0) for name in self.needs})
        return RunFinished(
            command=self.command,
            ok=self.exit_code == EXIT_DONE,
            seconds=round(self.seconds, 3),
            changed=self.names("changed") + self.names("planned"),
            unchanged=self.names("unchanged"),
            failed=self.names("failed"),
            skipped=self.names("skipped"),
            stage_seconds=times,
            critical_path=tuple(path),
            critical_path_seconds=round(path_seconds, 3),
        )
