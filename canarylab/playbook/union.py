"""`--all`: the playbooks that share a cluster, as one playbook with the stages of all of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from canarylab.contract.playbook import ClusterSpec, Playbook
from canarylab.contract.stage import Stage
from canarylab.playbook.extensions import Extensions
from canarylab.playbook.loader import PLAYBOOKS, find_playbook, load, overridden
from canarylab.playbook.parts import named_files

NAME = "all"


def load_all(
    default: str, folder: Path = PLAYBOOKS, *, extensions: Extensions | None = None, **given: str | None
) -> list[Playbook]:
    """The playbooks of the folder that have a demonstration, and the cluster of the one called `default`, by name.

    What is given replaces what the files say, as with `load`, which raises the same errors.
    """
    extensions = extensions or Extensions.discovered()
    default_file = find_playbook(default, folder)
    found = {file: load(file, extensions=extensions) for file in named_files(folder).values()}
    cluster = found[default_file].cluster
    wanted = overridden(cluster, extensions, **given)
    together = (each for each in found.values() if each.demo and _is_same(each.cluster, cluster))
    return [dataclasses.replace(each, cluster=wanted) for each in together]


def _is_same(some: ClusterSpec, other: ClusterSpec) -> bool:
    """How long is waited for it doesn't make it another cluster."""
    return some.model_copy(update={"patience": other.patience}) == other


def union(playbooks: Sequence[Playbook]) -> Playbook:
    """One playbook with the stages of all, each once. Raises PlaybookError where a name means different stages."""
    first: dict[str, tuple[Playbook, Stage[Any, Any]]] = {}
    for playbook in playbooks:
        for stage in playbook.stages:
            other, one = first.setdefault(stage.name, (playbook, stage))
            if _definition(playbook, stage) != _definition(other, one):
                where = one.document.at() if one.document else other.path
                what = f"playbook {playbook.name} means another stage by {stage.name!r} than playbook {other.name}"
                remedy = "write both alike, better once in a part that both use, or give one of them another name"
                raise stage.problem((), f"{what} in {where}", remedy)
    return Playbook(
        name=NAME,
        description=f"the playbooks {', '.join(playbook.name for playbook in playbooks)}",
        path=playbooks[0].path.parent,
        digest=hashlib.sha256("\n".join(playbook.digest for playbook in playbooks).encode()).hexdigest(),
        cluster=playbooks[0].cluster,
        stages=tuple(stage for _, stage in first.values()),
        limits={name: playbook.limits[name] for name, (playbook, _) in first.items()},
        demo=(),
        members=tuple(playbooks),
    )


def _definition(playbook: Playbook, stage: Stage[Any, Any]) -> tuple[Any, ...]:
    """What a playbook says of a stage."""
    return (stage.kind, stage.options, stage.needs, stage.base, playbook.limits[stage.name])
