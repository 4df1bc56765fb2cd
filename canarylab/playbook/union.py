"""`--all`: the playbooks that share a cluster, as one playbook with the stages of all of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from canarylab.contract.playbook import Playbook
from canarylab.contract.stage import Stage
from canarylab.errors import PlaybookError
from canarylab.playbook.loader import PLAYBOOKS, find_playbook, load, overridden, playbooks_in
from canarylab.playbook.registry import Registry

NAME = "all"


def load_all(
    default: str,
    folder: Path = PLAYBOOKS,
    *,
    profile: str | None = None,
    provider: str | None = None,
    context: str | None = None,
    registry: Registry | None = None,
) -> list[Playbook]:
    """The playbooks of the folder that have a demonstration, and the cluster of the one called `default`, by name.

    `profile`, `provider` and `context` replace what the files say. Raises as `load` does.
    """
    registry = registry or Registry.discovered()
    default_file = find_playbook(default, folder)
    found = {file: load(file, registry=registry) for file in playbooks_in(folder).values()}
    cluster = found[default_file].cluster
    wanted = overridden(cluster, profile, provider, context, registry)
    together = (each for each in found.values() if each.demo and each.cluster == cluster)
    return [dataclasses.replace(each, cluster=wanted) for each in together]


def union(playbooks: Sequence[Playbook]) -> Playbook:
    """One playbook with the stages of all, each once. Raises PlaybookError where a name means different stages."""
    stages: dict[str, Stage[Any, Any]] = {}
    first: dict[str, Playbook] = {}
    for playbook in playbooks:
        for stage in playbook.stages:
            other = first.setdefault(stage.name, playbook)
            if _definition(playbook, stage) != _definition(other, stages.setdefault(stage.name, stage)):
                raise _differing(stage.name, other, playbook)
    return Playbook(
        name=NAME,
        description=f"the playbooks {', '.join(playbook.name for playbook in playbooks)}",
        path=playbooks[0].path.parent,
        digest=hashlib.sha256("\n".join(playbook.digest for playbook in playbooks).encode()).hexdigest(),
        cluster=playbooks[0].cluster,
        stages=tuple(stages.values()),
        limits={name: first[name].limits[name] for name in stages},
        demo=(),
        origins={name: first[name].origins[name] for name in stages if name in first[name].origins},
        members=tuple(playbooks),
    )


def _definition(playbook: Playbook, stage: Stage[Any, Any]) -> tuple[Any, ...]:
    """What a playbook says of a stage."""
    return (stage.kind, stage.options, stage.needs, stage.base, playbook.limits[stage.name])


def _differing(name: str, one: Playbook, other: Playbook) -> PlaybookError:
    place = ("stages", name)
    first = f"playbook {one.name} in {one.origins[name].at(place)}"
    return other.origins[name].problem(
        place,
        f"playbook {other.name} means another stage by {name!r} than {first}",
        "write both alike, better once in a part that both use, or give one of them another name",
    )
