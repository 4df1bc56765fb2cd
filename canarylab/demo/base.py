"""The contract of a step of the demonstration.

A kind of step is one file in this folder with one subclass of Step; `canarylab.discovery` finds it by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from canarylab.errors import ExpectationError
from canarylab.events import Fact

if TYPE_CHECKING:
    from canarylab.context import Context


class StepOptions(BaseModel):
    """What a playbook may write under a step; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(ABC):
    """Does one thing or expects one, and reports each fact it asserted with what it saw."""

    kind: ClassVar[str]
    Options: ClassVar[type[StepOptions]]

    def __init__(self, options: StepOptions) -> None:
        self.options = options

    @abstractmethod
    def run(self, ctx: Context) -> None:
        """Perform the step. Raises ExpectationError with what was expected, what was seen and the likely cause."""

    def fact(self, ctx: Context, text: str, *, expected: object, seen: object, holds: bool, cause: str = "") -> None:
        """Report one fact. Raises ExpectationError if it doesn't hold."""
        ctx.emit(Fact(self.kind, text, str(expected), str(seen), holds))
        if not holds:
            raise ExpectationError(
                f"{text}: expected {expected}, saw {seen}",
                where=f"demo step {self.kind}",
                why=cause or None,
                remedy="`invoke status` shows the rollout as it is; `invoke demo --reset` starts over",
            )
