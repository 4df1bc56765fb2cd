"""Mistakes in manifests that the cluster would refuse with words that don't help, or take and never carry out.

They are found before anything is applied. A family of mistakes is a module with a function `mistakes`; what is said of
each stands in mistakes.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from canarylab.kube.objects import Object
from canarylab.rollouts.validation import selector, virtual_services
from canarylab.rollouts.validation import steps as rollout_steps
from canarylab.rollouts.validation import strategy as rollout_strategy
from canarylab.rollouts.validation.mistake import Mistake

_FAMILIES = {
    ("networking.istio.io", "VirtualService"): (virtual_services.mistakes,),
    ("argoproj.io", "Rollout"): (selector.mistakes, rollout_strategy.mistakes, rollout_steps.mistakes),
}
"""By the kind and the group of its API."""


def refuse_known_bad(documents: Iterable[tuple[Path, Object]]) -> None:
    """Raise StageError for the first mistake in the files, with its line."""
    for file, obj in documents:
        for mistake in mistakes(obj):
            raise mistake.error(file, obj)


def mistakes(obj: Object) -> Iterator[Mistake]:
    """What is known to be wrong in an object by itself, whatever else is there."""
    group, _, _ = str(obj["apiVersion"]).partition("/")
    for family in _FAMILIES.get((group, str(obj["kind"])), ()):
        yield from family(obj)
