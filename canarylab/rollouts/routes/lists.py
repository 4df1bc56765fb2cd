"""The objects of a kind, as far as the user may list them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from canarylab.kube.client import ApiError, is_served
from canarylab.kube.objects import Object

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

Kind = tuple[str, str]
"""The version of its API, and its name."""


def of_namespace(cluster: Cluster, kind: Kind, namespace: str) -> list[Object]:
    """Those of one namespace; none where the cluster has no such kind."""
    return list(cluster.list(*kind, namespace)) if is_served(cluster, *kind) else []


def everywhere(cluster: Cluster, kind: Kind, namespaces: Iterable[str]) -> list[Object]:
    """Those of all namespaces, or where the user may not list them, of these. Raises ApiError where not even that."""
    found, refused = visible(cluster, kind, namespaces)
    for error in refused.values():
        raise error
    return found


def visible(cluster: Cluster, kind: Kind, namespaces: Iterable[str]) -> tuple[list[Object], Mapping[str, ApiError]]:
    """As `everywhere`, with those of these namespaces in which the user may not list them either."""
    found, refused = list[Object](), dict[str, ApiError]()
    if not is_served(cluster, *kind):
        return found, refused
    for namespace in (None, *dict.fromkeys(namespaces)):
        try:
            found += cluster.list(*kind, namespace)
        except ApiError as error:
            if not error.is_forbidden:
                raise
            if namespace is not None:
                refused[namespace] = error
        else:
            if namespace is None:
                break
    return found, refused
