"""The profile's cluster, user and context in the user's kubeconfig: minikube writes them, and we copy them."""

from __future__ import annotations

from typing import Any

from canarylab.cancel import Cancel
from canarylab.kube import kubeconfig
from canarylab.removal import Removal

_SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_OWNER = "minikube.sigs.k8s.io"


def own_kubeconfig(config: dict[str, Any], profile: str) -> dict[str, Any] | None:
    """A kubeconfig with only the profile's context out of the user's; None where that isn't whole. Pure."""
    own: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    for section, key in _SECTIONS.items():
        entry = next((each for each in config.get(section) or [] if each.get("name") == profile), None)
        if entry is None or key not in entry:
            return None
        # minikube's extension has the time of the last start: it would make every copy another.
        own[section] = [{"name": profile, key: {k: v for k, v in entry[key].items() if k != "extensions"}}]
    own["contexts"] = [{"name": profile, "context": {"cluster": profile, "user": profile}}]
    return {**own, "current-context": profile}


def refuse_foreign(profile: str) -> None:
    """Raise where the profile's name belongs to a cluster that isn't minikube's: minikube would overwrite it."""
    why = "minikube didn't make it, and would overwrite it"
    kubeconfig.refuse_foreign(profile, _is_minikubes, why)


def has_minikubes(profile: str) -> bool:
    """Whether entries that minikube made for the profile are there."""
    return _is_minikubes(kubeconfig.load(kubeconfig.first_path()), profile)


def forget(profile: str, cancel: Cancel) -> Removal:
    """What became of entries that were there: `minikube delete` takes them out, unless it was killed before."""
    config = kubeconfig.load(kubeconfig.first_path())
    if _is_minikubes(config, profile) or not any(config.get(section) for section in _SECTIONS):
        kubeconfig.drop(profile, kubeconfig.first_path(), cancel)
    return Removal(f"context, cluster and user {profile} in {kubeconfig.first_path()}", "removed")


def _is_minikubes(config: dict[str, Any], profile: str) -> bool:
    marks = kubeconfig.cluster_extensions(config, profile)
    return any(mark.get("extension", {}).get("provider") == _OWNER for mark in marks)
