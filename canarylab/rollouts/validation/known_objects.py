"""The objects that a Rollout may refer to: those of the playbook's manifests, and those in the cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.errors import CanarylabError, NotYetObservableError
from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, dig
from canarylab.rollouts.validation.mistake import Mistake, mistake
from canarylab.yamlfile.problems import Place, did_you_mean

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

    def namespaces(self, kind: str, name: str) -> list[str]:
        """Those in which such an object is declared."""
        found = [obj for obj in self._of(kind, None) if dig(obj, "metadata", "name") == name]
        return [str(dig(obj, "metadata", "namespace")) for obj in found]

    def declared(self, namespace: str | None) -> list[tuple[Path, Object]]:
        """Those of a namespace, each with the file that it stands in."""
        return [(file, obj) for file, obj in self._declared if dig(obj, "metadata", "namespace") == namespace]

    def file_of(self, found: Object) -> Path | None:
        """The file that an object stands in; None for one that only the cluster has."""
        return next((file for file, obj in self._declared if obj == found), None)

    def everywhere(self, api_version: str, kind: str) -> set[tuple[str, str]]:
        """Namespace and name of all there are, those of the cluster as far as it says."""
        found = self._of(kind, None)
        with contextlib.suppress(CanarylabError):  # this user may look into some namespaces only
            if self._cluster and is_served(self._cluster, api_version, kind):
                found += self._cluster.list(api_version, kind)
        return {(str(dig(obj, "metadata", "namespace")), str(dig(obj, "metadata", "name"))) for obj in found}

    def _of(self, kind: str, namespace: str | None) -> list[Object]:
        return [
            obj
            for _, obj in self._declared
            if obj["kind"] == kind and namespace in (None, dig(obj, "metadata", "namespace"))
        ]


def missing(
    known: Known,
    place: Place,
    kind: str,
    name: str,
    namespace: str | None,
    *,
    instead: str | None = None,
    of_experiment: bool = False,
) -> Mistake:
    """That there is no such object, with what was probably meant, which `instead` says better if there is one."""
    found = mistake(
        "not-there-for-experiment" if of_experiment else "not-there",
        place,
        kind=kind,
        name=name,
        where=f" in namespace {namespace}" if namespace else "",
        meant=instead or _beside(known, kind, name) or did_you_mean(name, known.names(kind, namespace)),
    )
    return replace(found, absent_from=namespace or "")


def _beside(known: Known, kind: str, name: str) -> str:
    """Where else there is one of that name; "" where there is none."""
    others = known.namespaces(kind, name)
    return f"there is one in namespace {others[0]}, where Argo doesn't look for it: move it" if others else ""
