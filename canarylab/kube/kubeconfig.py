"""The user's kubeconfig: one context per profile is added and removed, and nothing else in it is touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from canarylab.cancel import Cancel, wait_until
from canarylab.errors import CanarylabError
from canarylab.files import NO_ROOM, private_folder, write_private
from canarylab.removal import Removal
from canarylab.yamlfile.kubernetes_yaml import load_yaml

_MARK = "canarylab.dev"
_SECTIONS = ("clusters", "contexts", "users")
_LOCK_SECONDS = 10.0


def files() -> list[Path]:
    """Every kubeconfig that kubectl reads, the first to name a thing first. One that isn't there is passed over."""
    return [path.absolute() for path in _chain() if path.exists()]


def user_path() -> Path:
    """The file that kubectl writes a new entry to: the first of $KUBECONFIG that is there, else the last of them.

    Source: k8s.io/client-go v0.36.3, tools/clientcmd/config.go, GetDefaultFilename.
    """
    chain = _chain()
    return next((path for path in chain if path.exists()), chain[-1])


def first_path() -> Path:
    """The file that minikube writes to: the first of $KUBECONFIG, whether it is there or not.

    Source: kubernetes/minikube, pkg/minikube/kubeconfig/kubeconfig.go, PathFromEnv.
    """
    return _chain()[0]


def path_of(profile: str) -> Path:
    """The file in which this tool has put the profile's entries already, else the one for new entries."""
    return next((path for path in files() if _is_ours(load(path), profile)), user_path())


def _chain() -> list[Path]:
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return named or [Path.home() / ".kube" / "config"]


def renamed(admin: dict[str, Any], profile: str) -> dict[str, Any]:
    """kubeadm's admin.conf with cluster, user and context all called after the profile, and marked as ours. Pure."""
    mark = {"extensions": [{"name": _MARK, "extension": {"profile": profile}}]}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": profile, "cluster": {**admin["clusters"][0]["cluster"], **mark}}],
        "users": [{"name": profile, "user": admin["users"][0]["user"]}],
        "contexts": [{"name": profile, "context": {"cluster": profile, "user": profile}}],
        "current-context": profile,
    }


def _entries(config: dict[str, Any], section: str, profile: str, *, others: bool = False) -> list[dict[str, Any]]:
    """Those of a section that have the profile's name, or all others."""
    return [entry for entry in config.get(section) or [] if (entry.get("name") != profile) == others]


def merged(config: dict[str, Any], own: dict[str, Any], profile: str) -> dict[str, Any]:
    """`config` with the entries of `own`. Pure."""
    result = {"apiVersion": "v1", "kind": "Config", **config}
    return result | {section: _entries(result, section, profile, others=True) + own[section] for section in _SECTIONS}


def without(config: dict[str, Any], profile: str) -> dict[str, Any]:
    """`config` without the profile's entries, and without a current context that named it. Pure."""
    kept = {section: _entries(config, section, profile, others=True) for section in _SECTIONS if section in config}
    result = config | kept
    if result.get("current-context") == profile:
        result["current-context"] = ""
    return result


def refuse_foreign(
    profile: str,
    is_ours: Callable[[dict[str, Any], str], bool] | None = None,
    why: str = "it wasn't made by this tool, so it isn't replaced",
) -> None:
    """Raise where the profile's name belongs to a cluster that isn't ours: by default, that this tool didn't make.

    In whichever kubeconfig: the first file to name a context hides the others'.
    """
    for path in files():
        config = load(path)
        if any(_entries(config, section, profile) for section in _SECTIONS) and not (is_ours or _is_ours)(
            config, profile
        ):
            raise CanarylabError(
                f"the kubeconfig has another cluster, user or context named {profile!r}",
                where=str(path),
                why=why,
                remedy=f"choose another name with --profile, or `kubectl config rename-context {profile} NEW-NAME`",
            )


def cluster_extensions(config: dict[str, Any], profile: str) -> list[dict[str, Any]]:
    """What the makers of the profile's cluster noted with its entry: `name` and `extension` of each."""
    found = _entries(config, "clusters", profile)
    return list(found[0].get("cluster", {}).get("extensions") or []) if found else []


def _is_ours(config: dict[str, Any], profile: str) -> bool:
    return any(extension.get("name") == _MARK for extension in cluster_extensions(config, profile))


def load(path: Path) -> dict[str, Any]:
    """A kubeconfig as it is, {} where there is none. Raises CanarylabError for one that can't be read."""
    try:
        content = load_yaml(path.read_text("utf-8")) if path.exists() else None
    except yaml.YAMLError as error:
        raise CanarylabError(f"the kubeconfig isn't YAML: {error}", where=str(path), remedy="fix that file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CanarylabError(
            f"the kubeconfig can't be read: {getattr(error, 'strerror', None) or error}",
            where=str(path),
            remedy="fix that file, or take it out of $KUBECONFIG",
        ) from error
    if not isinstance(content, dict):
        return {}
    for section in _SECTIONS:
        entries = content.get(section) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            what = f"the kubeconfig's {section} have to be a list of mappings"
            raise CanarylabError(what, where=str(path), remedy="fix that file, or take it out of $KUBECONFIG")
    return content


def as_text(config: dict[str, Any]) -> str:
    """A kubeconfig as its file holds it: entries stay in their order."""
    return yaml.safe_dump(config, sort_keys=False)


def is_merged(own: dict[str, Any], profile: str) -> bool:
    """Whether the user's kubeconfig has exactly our entries."""
    config = load(path_of(profile))
    return all(_entries(config, section, profile) == own[section] for section in _SECTIONS)


def add(own: dict[str, Any], profile: str, cancel: Cancel | None = None) -> None:
    """Add the profile's context; the current context stays what it was. `cancel` ends the wait for kubectl's lock."""
    path = path_of(profile)
    refuse_foreign(profile)
    with _locked(path, cancel):
        write_private(path, as_text(merged(load(path), own, profile)))


def remove(profile: str, cancel: Cancel | None = None) -> list[Removal]:
    """Take the profile's context out again, if it is ours."""
    path = path_of(profile)
    if not path.exists() or not _is_ours(load(path), profile):
        return []
    drop(profile, path, cancel)
    return [Removal(f"context, cluster and user {profile} in {path}", "removed")]


def drop(profile: str, path: Path, cancel: Cancel | None = None) -> None:
    """Take the profile's context out of a file, whoever made it; a file in which nothing else is goes with it."""
    with _locked(path, cancel):
        rest = without(load(path), profile)
        if any(rest.get(section) for section in _SECTIONS):
            write_private(path, as_text(rest))
        else:
            path.resolve().unlink(missing_ok=True)  # nobody else had put anything into it


@contextmanager
def _locked(path: Path, cancel: Cancel | None) -> Iterator[None]:
    """kubectl's own lock: a file beside the kubeconfig that only one can create."""
    private_folder(path.parent)
    lock, cancel = path.with_name(path.name + ".lock"), cancel or Cancel()
    deadline = cancel.now() + _LOCK_SECONDS
    if not wait_until(lambda: _took(lock), deadline=deadline, cancel=cancel, interval=0.1):
        remedy = f"if no kubectl runs: rm {lock}"
        raise CanarylabError("the kubeconfig is locked", where=str(lock), remedy=remedy)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _took(lock: Path) -> bool:
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_ROOM:  # where it is, nobody else can take it either
            raise
    return True
