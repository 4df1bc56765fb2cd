"""The one context that the user named, out of all the kubeconfigs that kubectl would read. They are never written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from canarylab.errors import MachineError, UsageError
from canarylab.kube import kubeconfig, kubeconfig_entries, kubeconfig_refusals


def contexts() -> list[str]:
    """The names of all contexts, each once."""
    return list(dict.fromkeys(entry["name"] for _, entry in _entries("contexts")))


def require(name: str | None) -> str:
    """The context to work on. Raises UsageError where none was named or there is none of that name."""
    known = contexts()
    if name in known:
        return name
    where = ", ".join(map(str, kubeconfig.files())) or str(kubeconfig.user_path())
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

    Raises MachineError for one that is incomplete, or that kubectl or this tool can't use.
    """
    found = {"contexts": _entry("contexts", name)}
    inner = _content(found, "contexts")
    named = inner if isinstance(inner, Mapping) else {}
    found |= {section: _entry(section, named.get(key)) for section, key in (("clusters", "cluster"), ("users", "user"))}
    if found["clusters"] is None:
        raise MachineError(
            f"context {name!r} refers to a cluster the kubeconfig doesn't have",
            where=_where(found, "contexts", "cluster"),
            why=f"its cluster is {named.get('cluster')!r}",
            remedy="fix the kubeconfig, or let the cluster's own tool write it again",
        )
    cluster, user = _content(found, "clusters"), _content(found, "users")
    for fault in kubeconfig_refusals.faults(inner, cluster, user):
        raise MachineError(
            f"context {name!r} can't be used: {fault.what}" if not fault.key else f"{fault.key}: {fault.what}",
            where=_where(found, fault.section, fault.key),
            why=fault.why,
            remedy=fault.remedy,
        )
    login = named.get("user") if found["users"] else f"{name}-nobody"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": named["cluster"], "cluster": cluster}],
        "users": [{"name": login, "user": user}],
        "contexts": [{"name": name, "context": {**inner, "user": login}}],
        "current-context": name,
    }


_Found = tuple[Path, Mapping[str, Any]]
"""An entry, and the file that it stands in."""


def _content(found: Mapping[str, _Found | None], section: str) -> Any:
    """What an entry holds, with paths that hold from anywhere; {} where there is none."""
    file, entry = found[section] or (Path(), {})
    content = entry.get(section.removesuffix("s")) or {}
    return kubeconfig_entries.absolute(content, file.parent) if isinstance(content, Mapping) else content


def _entry(section: str, name: Any) -> _Found | None:
    """The first entry of that name."""
    return next(((file, entry) for file, entry in _entries(section) if entry["name"] == name), None)


def _entries(section: str) -> Iterator[_Found]:
    for file in kubeconfig.files():
        for entry in kubeconfig.load(file).get(section) or []:
            if entry.get("name"):
                yield file, entry


def _where(found: Mapping[str, _Found | None], section: str, key: str) -> str:
    """FILE:LINE of a field, or of the nearest thing above it that is there."""
    file, entry = found[section] or (Path(), {})
    node, place = yaml.compose(file.read_text("utf-8")), [section, entry.get("name"), section.removesuffix("s")]
    line = 1
    for step in [*place, *filter(None, key.split("."))]:
        below = _below(node, step)
        if below is None:
            break
        node, line = below
    return f"{file}:{line}"


def _below(node: yaml.Node | None, step: Any) -> tuple[yaml.Node, int] | None:
    """What a mapping has for a key, or the element of a list that has that name; and its line, from 1."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key.start_mark.line + 1
    for element in node.value if isinstance(node, yaml.SequenceNode) else ():
        if (named := _below(element, "name")) and getattr(named[0], "value", None) == str(step):
            return element, element.start_mark.line + 1
    return None
