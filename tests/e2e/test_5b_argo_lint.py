"""Argo's own validation, `kubectl argo rollouts lint`, is the oracle of ours: where they differ, a table says why."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.generated_rollouts import Documents, generated

from canarylab.paths import REPOSITORY
from canarylab.rollouts.validation import known_objects, manifests, mistake, references
from canarylab.yamlfile.kubernetes_yaml import read_documents
from canarylab.yamlfile.problems import key_path

_MANIFESTS = sorted(folder for folder in (REPOSITORY / "manifests").iterdir() if any(folder.glob("rollout*.yaml")))
_AT_ONCE = 2
_AT_LEAST = 150

_LEFT_TO_OTHERS = {
    r"error unmarshaling JSON: .*(cannot unmarshal|unknown field)": "a type or a field that the API server refuses at "
    "once, with words that name the field",
    r"spec\.template\.(labels|spec\.)": "the pods' template is Kubernetes' own, with rules by the hundred; Argo's "
    "controller tells in InvalidSpec what it doesn't like there",
    r"spec\.workloadRef = .* -> .* has unmatch label": "lint doesn't know the workload's template, and compares with "
    "the Rollout's, which is empty; the controller compares with the workload's (rollout/templateref.go)",
    r"spec\.strategy\.activeService: Invalid value: \"\"": "the API server refuses blueGreen without activeService, "
    "since Argo's CRD requires it",
}
"""What Argo alone refuses, and why we leave it: `HOW IT WAS MADE -> FIELD: COMPLAINT`."""

_WE_SAY_MORE = {
    r"Argo will take |have no name|is among the Rollout's managedRoutes": "no validation of Argo looks at it: it "
    "deletes, or multiplies, what stands there (rollout/trafficrouting/istio/istio.go)",
    r"there is no (Service|VirtualService|AnalysisTemplate) ": "lint doesn't look for what isn't in its file; the "
    "controller does, and says InvalidSpec (rollout/controller.go, getRolloutReferencedResources)",
    r"it (names no VirtualService|has both virtualService and virtualServices)": "lint leaves it out; the controller "
    "checks it (ValidateRolloutVirtualServicesConfig), and says InvalidSpec",
    r"setCanaryScale\.(weight|replicas): ": "no validation of Argo looks at it, and what comes of it helps nobody",
    r"setMirrorRoute\.percentage: ": "no validation of Argo looks at it; Istio's webhook refuses the VirtualService",
    r"'-0.5s' isn't a duration": "Argo cuts it to whole seconds before it asks whether it is negative; nobody means it",
}
"""What we alone refuse, and why: place and what is wrong."""

_ELSEWHERE = {
    "spec.strategy.trafficRouting": "spec.strategy.steps",
    "spec.strategy.stableService": "spec.strategy.canaryService",
    "spec.strategy.activeService": "spec.strategy.previewService",
    "spec.strategy.antiAffinity.weight": "spec.strategy.antiAffinity.preferred",
    "spec.strategy.trafficRouting.managedRoutes": "spec.strategy.steps",
    "istio.virtualService.name": "istio.virtualService.routes",
    "trafficRouting.istio.virtualService.name": "trafficRouting.istio.virtualService.t",  # tlsRoutes, tcpRoutes
    "spec.strategy.trafficRouting.istio.virtualService.name": "VirtualService spec.",
    "spec.template.metadata.labels": "spec.selector.match",
    "].analyses": "].",
}
"""Where Argo names one of two fields that don't fit each other, and we the other, which is the one to change."""


@dataclass(frozen=True)
class Judged:
    """What both say of a Rollout; nothing where they take it."""

    name: str
    argo: str
    """The first complaint, with its field: lint prints the fields of no others."""
    ours: tuple[str, ...]

    @property
    def left_to_others(self) -> str:
        return _row(_LEFT_TO_OTHERS, f"{self.name} -> {self.argo}")

    @property
    def reasons(self) -> Iterable[str]:
        """The rows of the tables that a difference comes from; one that says `unexplained` for each that has none."""
        if self.argo and not self.ours:
            yield self.left_to_others
        for complaint in self.ours if not self.argo else ():
            yield _row(_WE_SAY_MORE, complaint)


def _row(table: dict[str, str], complaint: str) -> str:
    return next((words for words in table if re.search(words, complaint)), "unexplained")


def _ours(documents: Documents) -> tuple[str, ...]:
    there = known_objects.Known((Path("manifest"), each) for each in documents)
    found: list[mistake.Mistake] = []
    for rollout in (each for each in documents if each["kind"] == "Rollout"):
        found += [*manifests.mistakes(rollout), *references.mistakes(rollout, there)]
    return tuple(f"{_within(one)}{key_path(one.place)}: {one.what}" for one in found)


def _within(found: mistake.Mistake) -> str:
    """The kind of the object, where it isn't the Rollout, in which it stands."""
    return f"{found.inside[1]['kind']} " if found.inside else ""


def _argos(program: Path, file: Path, documents: Documents) -> str:
    """What lint says; it is a large program that lives for a moment, so there is no need to collect its garbage."""
    file.write_text("\n---\n".join(map(json.dumps, documents)))
    done = subprocess.run(
        [program, "lint", "-f", file],
        env={**os.environ, "GOGC": "off"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stderr.splitlines()[0].removeprefix("Error: ") if done.returncode else ""
    assert done.returncode == 0 or re.match(r"spec\.|error unmarshaling JSON: ", said), done.stderr
    return said


@pytest.fixture(scope="module")
def lint(programs: Path) -> Path:
    return programs / "bin" / "kubectl-argo-rollouts"


@pytest.fixture(scope="module")
def judged(lint: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Judged]:
    """All that is generated, judged by both."""
    folder = tmp_path_factory.mktemp("rollouts")
    every = list(generated())
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        argos = pool.map(
            lambda numbered: _argos(lint, folder / f"{numbered[0]}.yaml", numbered[1][1]), enumerate(every)
        )
        return [Judged(name, said, _ours(documents)) for (name, documents), said in zip(every, argos, strict=True)]


@pytest.mark.parametrize("folder", _MANIFESTS, ids=lambda folder: folder.name)
def test_both_take_what_the_repository_has(lint: Path, tmp_path: Path, folder: Path) -> None:
    documents = [document for file in sorted(folder.glob("*.yaml")) for document in read_documents(file)]
    assert _argos(lint, tmp_path / "all.yaml", documents) == ""
    assert _ours(documents) == ()


def test_there_are_right_and_wrong_ones_enough(judged: list[Judged]) -> None:
    verdicts = Counter(bool(one.argo) for one in judged)
    assert len(judged) == len({one.name for one in judged})
    assert min(verdicts[True], verdicts[False]) >= _AT_LEAST


def test_where_they_differ_there_is_a_reason(judged: list[Judged]) -> None:
    assert [one for one in judged if "unexplained" in one.reasons] == []


def test_every_reason_is_needed(judged: list[Judged]) -> None:
    needed = {reason for one in judged for reason in one.reasons}
    assert needed == {*_LEFT_TO_OTHERS, *_WE_SAY_MORE}


def test_what_both_refuse_they_refuse_for_the_same(judged: list[Judged]) -> None:
    """What Argo says first has to be among all that we say: not a second mistake that Argo doesn't know."""
    both = [one for one in judged if one.argo and one.ours and one.left_to_others == "unexplained"]
    assert [one for one in both if not any(_is_same(one.argo, complaint) for complaint in one.ours)] == []


def _is_same(argo: str, ours: str) -> bool:
    """Whether both complain of the same field, of one in it, or of its counterpart; Argo leaves the strategy out."""
    field, place = (re.sub(r"\.(canary|blueGreen)\b", "", each.split(": ")[0]) for each in (argo, ours))
    counterparts = [field.replace(one, other) for one, other in _ELSEWHERE.items() if field.endswith(one)]
    return field.startswith(place) or any(place.startswith(each) for each in (field, *counterparts))
