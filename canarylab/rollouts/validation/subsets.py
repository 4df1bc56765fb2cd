"""The DestinationRule that a Rollout names: the subsets it needs, and those that Argo deletes.

The rules are those of argo-rollouts, rollout/trafficrouting/istio/istio.go (v1.10.1), UpdateHash: the two subsets that
the Rollout names stay, and those of an experiment while it runs; additionalSubsetNames are for those of other rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.virtual_services import API_VERSION
from canarylab.rollouts.traffic_routing import ISTIO
from canarylab.rollouts.validation.known_objects import Known, missing
from canarylab.rollouts.validation.listed_virtual_service import STREAMS, Listed, ListedRoute, has_experiment, targets
from canarylab.rollouts.validation.mistake import Mistake, mistake
from canarylab.yamlfile.problems import did_you_mean

_PLACE = (*ISTIO, "destinationRule")
KIND = "DestinationRule"


def mistakes(rollout: Object, listed_ones: Sequence[Listed], known: Known) -> Iterator[Mistake]:
    """`listed_ones`: the VirtualServices, in which routes to a subset are looked for."""
    namespace, name = dig(rollout, "metadata", "namespace"), dig(rollout, *_PLACE, "name")
    if not isinstance(name, str):
        return
    rule = known.find(API_VERSION, KIND, name, namespace)
    if rule is None:
        yield missing(known, (*_PLACE, "name"), KIND, name, namespace)
        return
    subsets = [str(dig(subset, "name")) for subset in listed(rule, "spec", "subsets")]
    named = [dig(rollout, *_PLACE, key) for key in ("stableSubsetName", "canarySubsetName")]
    for key, subset in zip(("stableSubsetName", "canarySubsetName"), named, strict=True):
        if isinstance(subset, str) and subset not in subsets:
            yield mistake("no-subset", (*_PLACE, key), name=name, subset=subset, meant=did_you_mean(subset, subsets))
    file = known.file_of(rule)
    if file is None and has_experiment(rollout):  # the subset of one that is under way
        return
    for index, subset in enumerate(subsets):
        if subset not in named:
            found = mistake(
                "subset-deleted", _PLACE, name=name, subset=subset, used=_used(listed_ones, subset),
                stable=named[0], canary=named[1], host=dig(rule, "spec", "host"),
            )  # fmt: skip
            place = ("spec", "subsets", index)
            yield dataclasses.replace(found, place=place, inside=(file, rule)) if file else found


def _used(listed_ones: Sequence[Listed], subset: str) -> str:
    """The routes that lead to it, as words to go on with."""
    users = [
        f"{ListedRoute(protocol, index, route, (), is_chosen=False)} of VirtualService {one.entry.written}"
        for one in listed_ones
        for protocol in ("http", *STREAMS)
        for index, route in enumerate(one.of(protocol))
        if any(to.subset == subset for to in targets(route))
    ]
    return f", which {' and '.join(users)} lead{'s' if len(users) == 1 else ''} to" if users else ""
