"""The contract of a step of the demonstration.

A kind of step is one file in `canarylab/demo/steps/` with one subclass of Step; `canarylab.kind_discovery` finds it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from canarylab.contract.context import Context
from canarylab.errors import ExpectationError
from canarylab.events import Fact
from canarylab.yamlfile.document import Document


def _as_in_yaml(field: str) -> str:
    return field.replace("_", "-")


class StepOptions(BaseModel):
    """What a playbook may write under a step, with dashes where Python has underscores; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=_as_in_yaml)


class RolloutOptions(StepOptions):
    """Options of a step that is about one Rollout."""

    rollout: str = Field(description="name of the Rollout")
    namespace: str = Field("default", description="namespace of the Rollout")


@dataclass(frozen=True)
class Claim:
    """One expectation beside what was seen. `cause` is what probably lies behind it if it doesn't hold."""

    text: str
    expected: str
    seen: str
    holds: bool
    cause: str = ""
    permanent: bool = False
    """Whether waiting longer can't make it hold, if it doesn't."""
    remedy: str = ""
    """What to do about the cause, where that is more than to look and to reset."""

    def __str__(self) -> str:
        return f"{self.text}: expected {self.expected}, saw {self.seen}"


class LeftOpen(ABC):
    """What a step leaves going for later ones: traffic, a recording."""

    @abstractmethod
    def conclude(self, ctx: Context) -> list[Claim]:
        """End it, and say what became of it. Called once, however the demonstration ends."""


LeftOpenT = TypeVar("LeftOpenT", bound=LeftOpen)


class Session:
    """What steps left open, by name. `perform` concludes what nobody took, however the demonstration ends."""

    def __init__(self) -> None:
        self._open: dict[str, LeftOpen] = {}

    def leave(self, name: str, thing: LeftOpen) -> None:
        """Leave it going under a name that nothing else has."""
        assert name not in self._open
        self._open[name] = thing

    def find(self, name: str, kind: type[LeftOpenT]) -> LeftOpenT | None:
        """What goes on under that name; it stays open."""
        found = self._open.get(name)
        return found if isinstance(found, kind) else None

    def take(self, name: str, kind: type[LeftOpenT]) -> LeftOpenT | None:
        """The same, and whoever takes it has to conclude it."""
        if (found := self.find(name, kind)) is not None:
            del self._open[name]
        return found

    def take_all(self) -> dict[str, LeftOpen]:
        """All of it, in the order in which it was left."""
        left, self._open = self._open, {}
        return left


class Step(ABC):
    """Does one thing or expects one, and reports each fact it asserted with what it saw.

    Steps share nothing but the session: what is stable and what is canary is read from the cluster each time.
    `document` is where the step stands in a file, if it is from one.
    """

    kind: ClassVar[str]
    Options: ClassVar[type[StepOptions]]

    def __init__(self, options: StepOptions, document: Document | None = None) -> None:
        self.options = options
        self.document = document

    def where(self, option: str) -> str:
        """Where the playbook says an option, as FILE:LINE if it is from a file, and the step's kind."""
        return f"{self.document.at(option)}: demo step {self.kind}" if self.document else f"demo step {self.kind}"

    def check(self, ctx: Context) -> None:  # noqa: B027 - most kinds have nothing to look at
        """Look, before the first step is performed, whether this one can be; change nothing.

        Raises CanarylabError with what is in its way. That its Rollout is there has been made sure of.
        """

    @abstractmethod
    def run(self, ctx: Context, session: Session) -> None:
        """Perform the step. Raises ExpectationError with what was expected, what was seen and the likely cause."""

    def report(self, ctx: Context, claims: Iterable[Claim]) -> None:
        """Report every claim as a fact, then raise ExpectationError for the first one that doesn't hold."""
        if failed := report(ctx, self.kind, claims):
            raise unmet(ctx, self.kind, failed)


def report(ctx: Context, step: str, claims: Iterable[Claim]) -> Claim | None:
    """Report every claim as a fact; the first that doesn't hold, if any, is returned."""
    claims = tuple(claims)
    for claim in claims:
        ctx.emit(Fact(step, claim.text, claim.expected, claim.seen, claim.holds))
    return next((claim for claim in claims if not claim.holds), None)


def unmet(ctx: Context, step: str, claim: Claim) -> ExpectationError:
    """The error for a claim that doesn't hold."""
    usual = (
        f"`{ctx.command('status')}` shows the rollout as it is; `{ctx.command('demo --reset')}` brings it back to rest"
    )
    return ExpectationError(
        str(claim), where=f"demo step {step}", why=claim.cause or None, remedy=claim.remedy or usual
    )
