"""Analyses of a Rollout that Argo refuses, or that could never end: a template missing, an argument nobody gives.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation_references.go and
utils/analysis/helpers.go (v1.10.1): what a step or a promotion waits for has to end by itself; what runs in the
background is ended by the update.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.traffic_routing import CANARY
from canarylab.rollouts.validation.known_objects import Known, missing
from canarylab.rollouts.validation.mistake import Mistake, mistake, place_in
from canarylab.rollouts.view import API_VERSION
from canarylab.yamlfile.problems import Place, did_you_mean, key_path

_BLUE_GREEN = ("spec", "strategy", "blueGreen")
_ARGUMENT = re.compile(r"\{\{\s*args\.([^\s{}]+)\s*\}\}")
"""How a metric names an argument (argo-rollouts, utils/template/template.go)."""


@dataclass(frozen=True)
class _Use:
    """An analysis that a Rollout asks for. `place` is where the Rollout does, `named` where it names the templates."""

    place: Place
    runs: Literal["step", "background", "promotion", "experiment"]
    named: Sequence[tuple[Place, Any]]
    args: Sequence[Any]
    must_end: bool

    @property
    def given(self) -> list[str]:
        """The arguments to which the Rollout gives a value."""
        return [str(dig(arg, "name")) for arg in self.args]


def mistakes(rollout: Object, known: Known) -> Iterator[Mistake]:
    """Of a Rollout that names its namespace: of all its analyses, those of experiments included."""
    for use in _uses(rollout):
        templates: list[Object] = []
        complete = True
        for found in _templates(use, use.named, dig(rollout, "metadata", "namespace"), known):
            if isinstance(found, Mistake):
                complete = False
                yield found
            elif found not in templates:
                templates.append(found)
        check = _Check(rollout, use, templates, known)
        yield from check.doubled()
        yield from check.unnamed_arguments()
        if complete:  # one that isn't there (yet) may have the value
            yield from check.unresolved_arguments()
        if use.must_end:
            yield from check.endless()


def _uses(rollout: Object) -> Iterator[_Use]:
    """Of the steps, beside them, and before and after a promotion."""
    for index, step in enumerate(listed(rollout, *CANARY, "steps")):
        place: Place = (*CANARY, "steps", index)
        yield _use((*place, "analysis"), "step", dig(step, "analysis"))
        for number, one in enumerate(listed(step, "experiment", "analyses")):
            beneath = (*place, "experiment", "analyses", number)
            required = bool(dig(one, "requiredForCompletion"))  # it goes on until those have ended
            yield _Use(beneath, "experiment", [(beneath, one)], listed(one, "args"), required)
    yield _use((*CANARY, "analysis"), "background", dig(rollout, *CANARY, "analysis"))
    for when in ("prePromotionAnalysis", "postPromotionAnalysis"):
        yield _use((*_BLUE_GREEN, when), "promotion", dig(rollout, *_BLUE_GREEN, when))


def _use(place: Place, runs: Literal["step", "background", "promotion"], analysis: Any) -> _Use:
    named = [((*place, "templates", index), one) for index, one in enumerate(listed(analysis, "templates"))]
    return _Use(place, runs, named, listed(analysis, "args"), runs != "background")


def _templates(
    use: _Use,
    named: Sequence[tuple[Place, Any]],
    namespace: str | None,
    known: Known,
    seen: frozenset[str] = frozenset(),
) -> Iterator[Object | Mistake]:
    """Those that are named, each before those that it names itself; for one that isn't there, that it isn't."""
    for place, reference in named:
        name, cluster_wide = dig(reference, "templateName"), bool(dig(reference, "clusterScope"))
        kind = "ClusterAnalysisTemplate" if cluster_wide else "AnalysisTemplate"
        if not isinstance(name, str) or (key := f"{kind} {name}") in seen:
            continue
        where = None if cluster_wide else namespace
        found = known.find(API_VERSION, kind, name, where)
        if found is None:
            of_experiment = use.runs == "experiment"
            yield missing(known, (*place, "templateName"), kind, name, where, of_experiment=of_experiment)
            continue
        yield found
        inner = [(("spec", "templates", index), one) for index, one in enumerate(listed(found, "spec", "templates"))]
        for below in _templates(use, inner, namespace, known, seen | {key}):
            yield _inside(known, found, below, place) if isinstance(below, Mistake) and not below.inside else below


def _inside(known: Known, template: Object, found: Mistake, otherwise: Place) -> Mistake:
    """The mistake at its line of the template; where only the cluster has that, at what names it in the Rollout."""
    file = known.file_of(template)
    if file is not None:
        return replace(found, inside=(file, template))
    return replace(found, place=otherwise, what=f"of {_subject(template)}, {key_path(found.place)}: {found.what}")


def _subject(template: Object) -> str:
    return f"{template['kind']} {template['metadata']['name']}"


@dataclass(frozen=True)
class _Check:
    """One analysis with all of its templates: Argo joins their metrics and arguments to one run."""

    rollout: Object
    use: _Use
    templates: Sequence[Object]
    known: Known

    def endless(self) -> Iterator[Mistake]:
        """The metrics with an interval and no count, as far as the template itself says (Metric.EffectiveCount)."""
        for template in self.templates:
            for index, metric in enumerate(listed(template, "spec", "metrics")):
                count = dig(metric, "count")
                if not dig(metric, "interval") or _number(self._resolved(template, count)):
                    continue
                found = mistake(
                    "endless-experiment" if self.use.runs == "experiment" else "endless-analysis",
                    ("spec", "metrics", index, "interval" if count is None else "count"),
                    metric=dig(metric, "name"),
                    count=_in_words(count),
                    template=_subject(template),
                    analysis=self._where(),
                )
                yield _inside(self.known, template, found, self.use.place)

    def _resolved(self, template: Object, count: Any) -> Any:
        """What stands for an argument: its default, for Argo looks at nothing else here."""
        named = _ARGUMENT.fullmatch(count) if isinstance(count, str) else None
        if named is None:
            return count
        args = listed(template, "spec", "args")
        return next((dig(arg, "value") for arg in args if dig(arg, "name") == named[1]), None)

    def unresolved_arguments(self) -> Iterator[Mistake]:
        """The arguments that have no default and no value from the Rollout."""
        joined: dict[str, tuple[Object, int]] = {}
        for template in self.templates:
            for index, arg in enumerate(listed(template, "spec", "args")):
                name = str(dig(arg, "name"))
                if name not in joined or dig(self._arg(*joined[name]), "value") is None:  # as flattenArgs
                    joined[name] = template, index
        for name, (template, index) in joined.items():
            arg = self._arg(template, index)
            if name in self.use.given or any(dig(arg, key) is not None for key in ("value", "valueFrom")):
                continue
            others = [each for each in self.use.given if each not in joined]
            hint = f"; it gives {', '.join(others)}, which no template asks for" if others else ""
            found = mistake(
                "argument-of-experiment" if self.use.runs == "experiment" else "argument-not-given",
                ("spec", "args", index),
                name=name,
                analysis=self._where(),
                hint=hint,
            )
            yield _inside(self.known, template, found, self.use.place)

    def unnamed_arguments(self) -> Iterator[Mistake]:
        """The arguments that a metric uses and the template doesn't declare: a Rollout can't give those."""
        declared = [str(dig(arg, "name")) for each in self.templates for arg in listed(each, "spec", "args")]
        for template in self.templates:
            for index, metric in enumerate(listed(template, "spec", "metrics")):
                for name in dict.fromkeys(_ARGUMENT.findall(json.dumps(metric, default=str))):
                    if name not in declared:
                        place, meant = ("spec", "metrics", index), did_you_mean(name, declared)
                        of = dig(metric, "name")
                        found = mistake("argument-not-declared", place, name=name, metric=of, meant=meant)
                        yield _inside(self.known, template, found, self.use.place)

    def doubled(self) -> Iterator[Mistake]:
        """Metrics of one name, of which a run can have one only."""
        seen: dict[str, Object] = {}
        for template in self.templates:
            for index, metric in enumerate(listed(template, "spec", "metrics")):
                name = str(dig(metric, "name"))
                if name in seen:
                    place, other = ("spec", "metrics", index, "name"), _subject(seen[name])
                    found = mistake("metric-twice", place, name=name, other=other, analysis=self._where())
                    yield _inside(self.known, template, found, self.use.place)
                seen[name] = template

    def _arg(self, template: Object, index: int) -> Any:
        return listed(template, "spec", "args")[index]

    def _where(self) -> str:
        """Where the Rollout asks for the analysis: the field, and its line where it is in a file."""
        field = f"{key_path(self.use.place)} of Rollout {self.rollout['metadata']['name']}"
        file = self.known.file_of(self.rollout)
        return field if file is None else f"{field} ({place_in(file, self.rollout, self.use.place)})"


def _in_words(count: Any) -> str:
    if count is None:
        return "no count"
    return f"a count of {count}" + (", which has no default value" if _ARGUMENT.search(str(count)) else "")


def _number(count: Any) -> int:
    """As Kubernetes' IntOrString reads it: 0 for what is no number."""
    if isinstance(count, Mapping) or count is None:
        return 0
    try:
        return int(str(count))
    except ValueError:
        return 0
