"""Turns a file into a playbook, or says in one error where it is wrong, what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from canarylab import graph
from canarylab.demo.base import Step
from canarylab.errors import UsageError
from canarylab.paths import REPOSITORY
from canarylab.playbook.document import Document
from canarylab.playbook.marks import parse
from canarylab.playbook.model import ClusterSpec, Limits, Playbook, PlaybookFile, StageHead, profile_name
from canarylab.playbook.problems import Place, choose
from canarylab.playbook.reading import read
from canarylab.playbook.registry import Registry
from canarylab.stages.base import Stage

PLAYBOOKS = REPOSITORY / "playbooks"
_SUFFIXES = (".yaml", ".yml")


def find_playbook(name: str, folder: Path = PLAYBOOKS) -> Path:
    """The file of a playbook, by its name in the folder or by a path: what has a slash or ends in .yaml or .yml.

    Raises UsageError for a name that isn't in the folder. Whether a path leads anywhere is for `load` to say.
    """
    if "/" in name or name.endswith(_SUFFIXES):
        return Path(name)
    known = {file.stem: file for file in sorted(folder.glob("*")) if file.suffix in _SUFFIXES}
    if name not in known:
        raise UsageError(f"there is no playbook {name!r} in {folder}", remedy=f"{choose(name, known)}; or give a path")
    return known[name]


def load(
    path: Path,
    *,
    profile: str | None = None,
    provider: str | None = None,
    context: str | None = None,
    registry: Registry | None = None,
) -> Playbook:
    """Read a playbook; its stages are its own, `with_infrastructure` adds those of the provider.

    `profile`, `provider` and `context` replace what the file says under `cluster`. Raises PlaybookError for whatever is
    wrong in the file, UsageError for a profile or a provider given here that can't be.
    """
    registry = registry or Registry.discovered()
    source = read(path)
    document = Document(path, parse(source.text, path))
    content = document.validate(PlaybookFile, (), document.root.plain())
    _check_provider(document, content.cluster, registry)
    stages, limits = _stages(document, content.stages, registry)
    _refuse_cycles(document, stages)
    return Playbook(
        name=content.name,
        description=content.description,
        path=path,
        digest=source.digest,
        cluster=_overridden(content.cluster, profile, provider, context, registry),
        stages=stages,
        limits=limits,
        demo=tuple(_step(document, ("demo", index), step, registry) for index, step in enumerate(content.demo)),
        document=document,
    )


def _check_provider(document: Document, cluster: ClusterSpec, registry: Registry) -> None:
    if cluster.provider is not None and cluster.provider not in registry.providers:
        what = f"there is no provider {cluster.provider!r}"
        raise document.problem(("cluster", "provider"), what, choose(cluster.provider, registry.providers))


def _overridden(
    cluster: ClusterSpec, profile: str | None, provider: str | None, context: str | None, registry: Registry
) -> ClusterSpec:
    if profile is not None:
        try:
            profile_name(profile)
        except ValueError as error:
            raise UsageError(f"{profile!r} can't be a profile", why=str(error), remedy="choose another name") from error
    if provider is not None and provider not in registry.providers:
        raise UsageError(f"there is no provider {provider!r}", remedy=choose(provider, registry.providers))
    given = {"profile": profile, "provider": provider, "context": context}
    return cluster.model_copy(update={key: value for key, value in given.items() if value is not None})


def _stages(
    document: Document, content: Mapping[str, Mapping[str, Any]], registry: Registry
) -> tuple[tuple[Stage[Any, Any], ...], dict[str, Limits]]:
    stages: list[Stage[Any, Any]] = []
    limits: dict[str, Limits] = {}
    for name, values in content.items():
        place = ("stages", name)
        head = document.validate(StageHead, place, {key: values[key] for key in _HEAD & values.keys()})
        if head.kind not in registry.stages:
            what = f"there is no kind of stage {head.kind!r}"
            raise document.problem((*place, "kind"), what, choose(head.kind, registry.stages))
        cls = registry.stages[head.kind]
        own = {key: value for key, value in values.items() if key not in _HEAD}
        options = document.validate(cls.Options, place, own, also=_HEAD)
        stages.append(cls(name, options, head.needs, document.file))
        limits[name] = Limits(
            deadline=cls.default_deadline if head.deadline is None else head.deadline,
            retries=cls.default_retries if head.retries is None else head.retries,
        )
    return tuple(stages), limits


_HEAD = frozenset(StageHead.model_fields)


def _refuse_cycles(document: Document, stages: tuple[Stage[Any, Any], ...]) -> None:
    needs = {stage.name: stage.needs for stage in stages}
    if cycle := graph.find_cycle(needs):
        first, second = cycle[:2]
        place = ("stages", first, "needs", needs[first].index(second))
        if first == second:
            raise document.problem(place, f"{first} needs itself", "take it out of its own needs")
        what = f"these stages need each other in a circle: {' -> '.join(cycle)}"
        raise document.problem(place, what, "take one of these needs away")


def _step(document: Document, place: Place, content: Mapping[str, Any], registry: Registry) -> Step:
    if len(content) != 1:
        what = f"a step is a mapping with one key, its kind; this one has {len(content)}"
        raise document.problem(place, what, "write `- kind: {...}`, each step in a list item of its own")
    [(kind, values)] = content.items()
    if kind not in registry.steps:
        raise document.problem((*place, kind), f"there is no kind of step {kind!r}", choose(kind, registry.steps))
    cls = registry.steps[kind]
    return cls(document.validate(cls.Options, (*place, kind), {} if values is None else values))
