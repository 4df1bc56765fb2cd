"""Turns a file into a playbook, or says in one error where it is wrong, what is wrong and what to do about it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from canarylab import needs_graph
from canarylab.contract.playbook import ClusterSpec, Limits, Playbook, PlaybookFile, StageHead, profile_name
from canarylab.contract.stage import Stage
from canarylab.contract.step import Step
from canarylab.errors import UsageError
from canarylab.paths import REPOSITORY
from canarylab.playbook import every_step
from canarylab.playbook.extensions import Extensions
from canarylab.playbook.parts import SUFFIXES, Part, base_of, named_files, parts_of
from canarylab.playbook.reading import read_playbook
from canarylab.yamlfile.document import Document
from canarylab.yamlfile.problems import did_you_mean

PLAYBOOKS = REPOSITORY / "playbooks"


def find_playbook(name: str, folder: Path = PLAYBOOKS) -> Path:
    """The file of a playbook, by its name in the folder or by a path: what has a slash or ends in .yaml or .yml.

    Raises UsageError for a name that isn't in the folder. Whether a path leads anywhere is for `load` to say.
    """
    if "/" in name or name.endswith(SUFFIXES):
        return Path(name)
    known = named_files(folder)
    if name not in known:
        remedy = f"{did_you_mean(name, known)}; or give a path"
        raise UsageError(f"there is no playbook {name!r} in {folder}", remedy=remedy)
    return known[name]


PATIENCE = "CANARYLAB_PATIENCE"
"""The environment's variable in place of the playbook's `patience`."""


def load(path: Path, *, extensions: Extensions | None = None, **given: str | None) -> Playbook:
    """Read a playbook; its stages are those of its parts and its own, `with_infrastructure` adds the provider's.

    What is given of `profile`, `provider` and `context` replaces what the file says under `cluster`. Raises
    PlaybookError for whatever is wrong in the file, UsageError for a profile or a provider given here that can't be.
    """
    extensions = extensions or Extensions.discovered()
    document = every_step.add_to_steps(read_playbook(path), extensions.steps)
    content = document.validate(PlaybookFile, document.value)
    _check_provider(document, content.cluster, extensions)
    parts = [*parts_of(document, content.uses), Part(document, content.stages, base_of(path))]
    _refuse_twins(parts)
    made = [_stage(part, name, extensions) for part in parts for name in part.stages]
    stages = tuple(stage for stage, _ in made)
    _refuse_cycles(stages)
    return Playbook(
        name=content.name,
        description=content.description,
        path=path,
        digest=_digest(parts),
        cluster=overridden(content.cluster, extensions, **given),
        stages=stages,
        limits={stage.name: limits for stage, limits in made},
        demo=tuple(_step(document.below("demo", index), step, extensions) for index, step in enumerate(content.demo)),
    )


def _check_provider(document: Document, cluster: ClusterSpec, extensions: Extensions) -> None:
    if cluster.provider is not None and cluster.provider not in extensions.providers:
        what = f"there is no provider {cluster.provider!r}"
        raise document.problem(("cluster", "provider"), what, did_you_mean(cluster.provider, extensions.providers))


def overridden(
    cluster: ClusterSpec,
    extensions: Extensions,
    *,
    profile: str | None = None,
    provider: str | None = None,
    context: str | None = None,
) -> ClusterSpec:
    """What the file says, with what was given instead. Raises UsageError for what can't be."""
    if profile is not None:
        try:
            profile_name(profile)
        except ValueError as error:
            raise UsageError(
                f"{profile!r} isn't a valid profile name", why=str(error), remedy="choose another name"
            ) from error
    if provider is not None and provider not in extensions.providers:
        raise UsageError(f"there is no provider {provider!r}", remedy=did_you_mean(provider, extensions.providers))
    given = {"profile": profile, "provider": provider, "context": context, "patience": _patience()}
    return cluster.model_copy(update={key: value for key, value in given.items() if value is not None})


def _patience() -> float | None:
    """What the user's environment says instead of the playbook. Raises UsageError for what can't be."""
    if not (written := os.environ.get(PATIENCE)):
        return None
    try:
        return ClusterSpec.model_validate({"profile": "any", "patience": written}).patience
    except ValueError as error:
        what = f"{PATIENCE}={written!r} isn't a number from 1 to 100"
        raise UsageError(what, remedy=f"export {PATIENCE}=5, say, on a machine that is five times as slow") from error


def _refuse_twins(parts: Sequence[Part]) -> None:
    """Raise PlaybookError for a stage that stands in two files."""
    found: dict[str, Document] = {}
    for part in parts:
        for name in part.stages:
            here = part.document.below("stages", name)
            if first := found.get(name):
                what = f"there is a stage {name!r} in {first.at()} already"
                raise here.problem((), what, "rename one of them, or take that file out of `uses`")
            found[name] = here


def _digest(parts: Sequence[Part]) -> str:
    """Of a playbook without parts, which is its only file: that file's."""
    digests = [part.document.digest for part in parts]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _stage(part: Part, name: str, extensions: Extensions) -> tuple[Stage[Any, Any], Limits]:
    document, values = part.document.below("stages", name), part.stages[name]
    head = document.validate(StageHead, {key: values[key] for key in _HEAD & values.keys()})
    if head.kind not in extensions.stages:
        what = f"there is no kind of stage {head.kind!r}"
        raise document.problem(("kind",), what, did_you_mean(head.kind, extensions.stages))
    cls = extensions.stages[head.kind]
    own = {key: value for key, value in values.items() if key not in _HEAD}
    options = document.validate(cls.Options, own, also=_HEAD)
    limits = Limits(
        deadline=cls.default_deadline if head.deadline is None else head.deadline,
        retries=cls.default_retries if head.retries is None else head.retries,
    )
    return cls(name, options, head.needs, document, part.base), limits


_HEAD = frozenset(StageHead.model_fields)


def _refuse_cycles(stages: tuple[Stage[Any, Any], ...]) -> None:
    named = {stage.name: stage for stage in stages}
    if cycle := needs_graph.find_cycle({stage.name: stage.needs for stage in stages}):
        first, second = named[cycle[0]], cycle[1]
        what, remedy = f"{second} needs itself", "take it out of its own needs"
        if first.name != second:
            what = f"these stages need each other in a circle: {' -> '.join(cycle)}"
            remedy = "take one of these needs away"
        raise first.problem(("needs", first.needs.index(second)), what, remedy)


def _step(document: Document, content: Mapping[str, Any], extensions: Extensions) -> Step:
    if len(content) != 1:
        what = f"a step is a mapping with one key, its kind; this one has {len(content)}"
        raise document.problem((), what, "write `- kind: {...}`, each step in a list item of its own")
    [(kind, values)] = content.items()
    if kind not in extensions.steps:
        raise document.problem((kind,), f"there is no kind of step {kind!r}", did_you_mean(kind, extensions.steps))
    cls, options = extensions.steps[kind], document.below(kind)
    return cls(options.validate(cls.Options, {} if values is None else values), options)
