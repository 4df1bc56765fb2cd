"""The contract of a stage: one idempotent unit of a playbook.

A kind of stage is one file in `canarylab/stages/kinds/` with one subclass of Stage, which `canarylab.kind_discovery`
finds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from canarylab.contract.cause import Cause
from canarylab.contract.context import Context
from canarylab.errors import CanarylabError, StageError
from canarylab.kube.client import FIELD_MANAGER
from canarylab.kube.objects import Object
from canarylab.kube.watch import Watch
from canarylab.removal import Removal
from canarylab.yamlfile.document import Document
from canarylab.yamlfile.problems import Place

Action = Literal["create", "update", "repair", "start", "build", "remove"]


@dataclass(frozen=True)
class Change:
    """One thing a stage would do: to what, why, and the difference it makes as unified diff where there is one.

    For people to read, and for the engine to count; what `apply` acts on is what was observed.
    """

    action: Action
    subject: str
    reason: str
    diff: str = ""
    lost: str = ""
    """What of it was there to be and is gone, in words; "" where nothing is."""


class StageOptions(BaseModel):
    """What a playbook may write under a stage. A kind adds its own keys in a subclass; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


OptionsT = TypeVar("OptionsT", bound=StageOptions)
ObservedT = TypeVar("ObservedT")


class Stage(ABC, Generic[OptionsT, ObservedT]):
    """Subclasses set `kind`, `Options` and the five methods. They hold no state besides what the constructor takes.

    `document` is where the stage stands in a file, if it is from one; relative paths in its options start at `base`.
    """

    kind: ClassVar[str]
    Options: ClassVar[type[StageOptions]]
    in_cluster: ClassVar[bool] = True
    """Whether what it makes lives in the cluster, and so goes when the cluster is deleted."""
    default_deadline: ClassVar[float] = 300.0
    """Seconds that a stage may take where the playbook doesn't say."""
    default_retries: ClassVar[int] = 1
    """How often a failed apply is tried again where the playbook doesn't say."""

    def __init__(
        self,
        name: str,
        options: OptionsT,
        needs: Sequence[str] = (),
        document: Document | None = None,
        base: Path = Path(),
    ) -> None:
        self.name = name
        self.options = options
        self.needs = tuple(needs)
        self.document = document
        self.base = base

    @property
    def manager(self) -> str:
        """The field manager by which it applies objects.

        One per stage: applying takes back what the same manager applied before and no longer names.
        """
        return f"{FIELD_MANAGER}/{self.name}"

    def check(self) -> None:
        """Look at the files that the options name before anything is changed anywhere.

        Raises where they are missing or known to be refused later.
        """

    def preflight(self, ctx: Context) -> None:
        """Raise where it can't work here; emit a Notice of what one should know before.

        Asked by `up`, `plan` and `doctor` before anything is changed and before a password is asked for, so without a
        cluster.
        """

    def problem(self, key: str | Place, what: str, remedy: str) -> CanarylabError:
        """The error for what the playbook writes under a key of this stage, or deeper; it names the playbook's line."""
        place = (key,) if isinstance(key, str) else key
        if self.document is None:  # it isn't from a file
            return StageError(what, where=", ".join((f"stage {self.name}", *map(str, place))), remedy=remedy)
        return self.document.problem(place, what, remedy)

    @abstractmethod
    def observe(self, ctx: Context) -> ObservedT:
        """Read what is there; write nothing. Raises NotYetObservableError where what is to be read can't exist yet."""

    @abstractmethod
    def changes(self, observed: ObservedT) -> list[Change]:
        """What would have to be done, from what was observed alone. Empty: up to date."""

    def is_absent(self, observed: ObservedT) -> bool:
        """Whether nothing of it is there: what `status` calls absent, and what is there in part, drifted."""
        changes = self.changes(observed)
        return bool(changes) and all(change.action in ("create", "build", "start") for change in changes)

    @abstractmethod
    def apply(self, ctx: Context, observed: ObservedT) -> None:
        """Make the changes that follow from what was observed; nothing is observed again here.

        Interrupted anywhere, the next run must be able to go on from what is there.
        """

    @abstractmethod
    def health(self, ctx: Context) -> str | None:
        """None, or in words why the stage isn't healthy at this moment. Raises StageError where waiting can't help."""

    def cause(self, ctx: Context) -> Cause | None:  # noqa: ARG002 - for kinds that know more than their health says
        """What is found behind it, once it has been unhealthy for the same reason for some seconds. Reads only."""
        return None

    @abstractmethod
    def remove(self, ctx: Context) -> list[Removal]:
        """Undo what apply made, and nothing else; what isn't there any more is no error."""

    def removals(self, ctx: Context) -> list[Removal]:  # noqa: ARG002 - a kind that can, says it in detail
        """What `remove` would find and do now. Reads only: on a cluster that isn't ours, a teardown shows it first."""
        return [Removal(f"whatever stage {self.name} made", "removed")]

    def written(self) -> Sequence[tuple[Path, Object]]:
        """The objects that the user's own files hold, each with its namespace and the file that it stands in."""
        return ()

    def watches(self) -> Sequence[Watch]:
        """What to watch while waiting for health; nothing where apply returns only once all is well."""
        return ()

    def facts(self, ctx: Context) -> dict[str, Any]:  # noqa: ARG002 - the default has none
        """What `status` shows of the stage beside its state, such as a version or an address."""
        return {}


AnyStage = Stage[Any, Any]
"""A stage of whichever kind."""
