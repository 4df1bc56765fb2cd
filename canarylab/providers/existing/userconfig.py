"""The one context that the user named, out of all the kubeconfigs that kubectl would read. They are never written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from canarylab.errors import CanarylabError, UsageError
from canarylab.kube import kubeconfig

_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""The keys of a cluster or a user that name files, relative to the kubeconfig they stand in."""


def files() -> list[Path]:
    """Every kubeconfig that kubectl reads, the first to name a thing first."""
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [path.absolute() for path in named or [kubeconfig.user_path()] if path.exists()]


def contexts() -> list[str]:
    """The names of all contexts, each once."""
    return list(dict.fromkeys(entry["name"] for _, entry in _entries("contexts")))


def require(name: str | None) -> str:
    """The context to work on. Raises UsageError where none was named or there is none of that name."""
    known = contexts()
    if name in known:
        return name
    where = ", ".join(map(str, files())) or str(kubeconfig.user_path())
    listed = ", ".join(known) or "none at all"
    if name is None:
        raise UsageError(
            "which cluster? provider existing works on the context that you name, and never on the current one",
            where=where,
            remedy=f"add --context NAME, or `context` under the playbook's `cluster`; there are {listed}",
        )
    raise UsageError(f"there is no context {name!r}", where=where, remedy=f"there are {listed}")


def single(name: str) -> dict[str, Any]:
    """A kubeconfig with nothing but that context, its cluster and its user; it works from any folder.

    Raises CanarylabError for one that is incomplete or that this tool can't use.
    """
    context = _entry("contexts", name)
    inner = context.get("context") or {}
    cluster, user = _entry("clusters", inner.get("cluster")), _entry("users", inner.get("user"))
    if not cluster:
        raise CanarylabError(
            f"context {name!r} refers to a cluster the kubeconfig doesn't have",
            where=", ".join(map(str, files())),
            why=f"its cluster is {inner.get('cluster')!r}",
            remedy="fix the kubeconfig, or let the cluster's own tool write it again",
        )
    if (user.get("user") or {}).get("auth-provider"):
        raise CanarylabError(
            f"context {name!r} logs in with `auth-provider`",
            where=", ".join(map(str, files())),
            why="Kubernetes dropped it in favour of credential programs (`exec`)",
            remedy="let the cluster's own tool write the kubeconfig again",
        )
    named = user or {"name": f"{name}-nobody", "user": {}}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [cluster],
        "users": [named],
        "contexts": [{"name": name, "context": {**inner, "user": named["name"]}}],
        "current-context": name,
    }


def _entry(section: str, name: str | None) -> dict[str, Any]:
    """The first entry of that name, with paths that hold from anywhere; {} where there is none."""
    for file, entry in _entries(section):
        if entry["name"] == name:
            kind = section.removesuffix("s")
            return {"name": name, kind: _absolute(entry.get(kind) or {}, file.parent)}
    return {}


def _entries(section: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in files():
        for entry in kubeconfig.load(file).get(section) or []:
            if isinstance(entry, dict) and entry.get("name"):
                yield file, entry


def _absolute(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    paths: dict[str, Any] = {key: str(folder / content[key]) for key in _FILES if content.get(key)}
    program = content.get("exec") or {}
    if os.sep in str(program.get("command", "")):  # else it is looked for on the PATH
        paths["exec"] = {**program, "command": str(folder / program["command"])}
    return {**content, **paths}
