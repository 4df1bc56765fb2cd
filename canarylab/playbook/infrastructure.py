"""Puts a provider's stages under a playbook's own."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Collection

from canarylab import needs_graph
from canarylab.contract.playbook import Limits, Playbook
from canarylab.contract.provider import Provider
from canarylab.contract.stage import AnyStage
from canarylab.yamlfile.problems import did_you_mean


def with_infrastructure(playbook: Playbook, provider: Provider) -> Playbook:
    """The playbook with the provider's stages first, and its own after them.

    A stage that doesn't name a stage of the provider itself comes to need `cluster`, and one of kind `image` what the
    provider needs for images, unless another need leads there already. Raises PlaybookError for a stage that takes the
    name of one of the provider's, and for a need that is neither the provider's nor the playbook's.
    """
    below = tuple(provider.infrastructure.stages())
    names = tuple(stage.name for stage in below)
    _refuse_taken_names(playbook, names)
    _refuse_unknown_needs(playbook, names)
    limits = {stage.name: Limits(stage.default_deadline, stage.default_retries) for stage in below} | playbook.limits
    return dataclasses.replace(
        playbook,
        stages=(*below, *_attached(playbook.stages, below, provider.images.needs)),
        limits={name: each.patient(playbook.cluster.patience) for name, each in limits.items()},
    )


def _refuse_taken_names(playbook: Playbook, taken: Collection[str]) -> None:
    for stage in playbook.stages:
        if stage.name in taken:
            what = f"the cluster's provider has a stage {stage.name!r} itself"
            raise stage.problem((), what, "give this one another name")


def _refuse_unknown_needs(playbook: Playbook, infrastructure: Collection[str]) -> None:
    known = {*infrastructure, *(stage.name for stage in playbook.stages)}
    for stage in playbook.stages:
        for index, need in enumerate(stage.needs):
            if need not in known:
                raise stage.problem(("needs", index), f"there is no stage {need!r}", did_you_mean(need, known))


def _attached(
    stages: tuple[AnyStage, ...], below: tuple[AnyStage, ...], image_needs: tuple[str, ...]
) -> list[AnyStage]:
    """The playbook's stages, in its order, each with what it lacks of the infrastructure among its needs."""
    reach: dict[str, frozenset[str]] = {}
    """By stage: what of the infrastructure is up once that stage is healthy."""
    for stage in below:
        reach[stage.name] = frozenset({stage.name}).union(*(reach[need] for need in stage.needs))
    named = {stage.name: stage for stage in stages}
    attached: dict[str, AnyStage] = {}
    for name in needs_graph.order({name: stage.needs for name, stage in named.items()}):
        stage = named[name]
        wanted = image_needs if stage.kind == "image" else ("cluster",)
        reached = frozenset[str]().union(*(reach[need] for need in stage.needs))
        names_any = any(need == other.name for need in stage.needs for other in below)
        lacking = [] if names_any else [need for need in wanted if need not in reached]
        attached[name] = copy.copy(stage)
        attached[name].needs = (*lacking, *stage.needs)
        reach[name] = reached.union(*(reach[need] for need in lacking))
    return [attached[name] for name in named]
