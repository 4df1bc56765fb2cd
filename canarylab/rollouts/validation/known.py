"""The objects that a Rollout may refer to: those of the playbook's manifests, and those in the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.errors import NotYetObservableError
from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.validation.mistake import Mistake, mistake
from canarylab.yamlfile.problems import Place, choose

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster


def cluster_if_any(ctx: Context) -> Cluster | None:
    """The cluster to ask; None while there is none."""
    try:
        return ctx.cluster
    except NotYetObservableError:
        return None


class Known:
    """Objects by kind, namespace and name: those that are declared, each with its file, then those of the cluster."""

    def __init__(self, declared: Iterable[tuple[Path, Object]], cluster: Cluster | None = None) -> None:
        self._declared = tuple(declared)
        self._cluster = cluster

    def find(self, api_version: str, kind: str, name: str, namespace: str | None) -> Object | None:
        """The object; None where there is none. Raises ApiError where the cluster doesn't say."""
        declared = (obj for obj in self._of(kind, namespace) if dig(obj, "metadata", "name") == name)
        if (found := next(declared, None)) is None and self._cluster and is_served(self._cluster, api_version, kind):
            return self._cluster.get(api_version, kind, name, namespace)
        return found

    def names(self, kind: str, namespace: str | None) -> list[str]:
        """Of those that are declared."""
        return [str(dig(obj, "metadata", "name")) for obj in self._of(kind, namespace)]

    def file_of(self, found: Object) -> Path | None:
        """The file that an object stands in; None for one that only the cluster has."""
        return next((file for file, obj in self._declared if obj == found), None)

    def _of(self, kind: str, namespace: str | None) -> list[Object]:
        return [
            obj
            for _, obj in self._declared
            if obj["kind"] == kind and namespace in (None, dig(obj, "metadata", "namespace"))
        ]


def missing(
    known: Known, place: Place, kind: str, name: str, namespace: str | None, *, of_experiment: bool = False
) -> Mistake:
    """That there is no such object, with what was probably meant."""
    where, instead = f" in namespace {namespace}" if namespace else "", choose(name, known.names(kind, namespace))
    found = mistake(
        "not-there-for-experiment" if of_experiment else "not-there",
        place,
        kind=kind,
        name=name,
        where=where,
        choose=instead,
    )
    return replace(found, may_come=True)
