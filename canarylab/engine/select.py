"""Which stages a command is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from canarylab import needs_graph
from canarylab.contract.playbook import Playbook
from canarylab.contract.stage import AnyStage
from canarylab.errors import UsageError
from canarylab.yamlfile.problems import did_you_mean


def select(playbook: Playbook, only: Sequence[str], start: str | None) -> list[AnyStage]:
    """The stages that `--only` names with all they need, or those from `--from` on; all of them by default."""
    needs = {stage.name: stage.needs for stage in playbook.stages}
    require_stages(playbook, [*only, *([start] if start else [])])
    wanted = needs_graph.with_needs(needs, only) if only else set(needs)
    if start:
        wanted &= needs_graph.dependents(needs, [start])
    return [stage for stage in playbook.stages if stage.name in wanted]


def select_dependents(playbook: Playbook, only: Sequence[str], *, everything: bool) -> list[AnyStage]:
    """The stages that `only` names and what needs them, or every one; each after all that need it."""
    stages = {stage.name: stage for stage in playbook.stages}
    needs = {name: stage.needs for name, stage in stages.items()}
    require_stages(playbook, only)
    wanted = needs_graph.dependents(needs, only) if only and not everything else set(stages)
    return [stages[name] for name in reversed(needs_graph.order(needs)) if name in wanted]


def require_stages(playbook: Playbook, names: Iterable[str]) -> None:
    """Raise UsageError for a name that no stage of the playbook or its provider has."""
    known = [stage.name for stage in playbook.stages]
    for name in names:
        if not name:
            raise UsageError("--only needs the name of a stage", remedy=f"one of: {', '.join(known)}")
        if name not in known:
            raise UsageError(f"playbook {playbook.name} has no stage {name!r}", remedy=did_you_mean(name, known))
