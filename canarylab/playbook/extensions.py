"""The kinds of stages and steps and the providers that a playbook may name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from canarylab.contract.playbook import StageHead
from canarylab.contract.provider import Provider
from canarylab.contract.stage import Stage
from canarylab.contract.step import Step
from canarylab.errors import CanarylabError
from canarylab.kind_discovery import discover


@dataclass(frozen=True)
class Extensions:
    """Classes by the name under which a playbook knows them. Raises CanarylabError for a kind that can't work."""

    stages: Mapping[str, type[Stage[Any, Any]]] = field(default_factory=dict)
    steps: Mapping[str, type[Step]] = field(default_factory=dict)
    providers: Mapping[str, type[Provider]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, stage in self.stages.items():
            if taken := set(StageHead.model_fields) & set(stage.Options.model_fields):
                raise CanarylabError(
                    f"kind {kind!r} declares the options {', '.join(sorted(taken))}, which every stage already has",
                    where=inspect.getsourcefile(stage),
                    remedy="give the option another name",
                )

    @classmethod
    def discovered(cls) -> Extensions:
        """Everything there is in the package's folders."""
        import canarylab.demo.steps
        import canarylab.providers
        import canarylab.stages.kinds

        return cls(
            stages=discover(canarylab.stages.kinds, Stage, "kind"),  # type: ignore[type-abstract]  # it finds subclasses
            steps=discover(canarylab.demo.steps, Step, "kind"),  # type: ignore[type-abstract]
            providers=discover(canarylab.providers, Provider, "name"),  # type: ignore[type-abstract]
        )
