"""Helm: its command lines, and its release records as they lie in the cluster."""

from __future__ import annotations

import base64
import functools
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canarylab.errors import MachineError
from canarylab.yamlfile.kubernetes_yaml import load_yaml

RECORD_LABELS = {"owner": "helm"}
"""The labels of the Secrets in which Helm keeps one record a revision (helm.sh, "storage backends")."""

UNFINISHED = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling", "failed")
"""The states in which a killed or failed Helm leaves a release; it then refuses with "another operation is in
progress" (helm/helm#4558, #10599) or "has no deployed releases"."""

FIRST_WITH_LABELS = (3, 13)
"""The oldest Helm that puts labels of ours on a release's records (helm/helm#10533)."""


@dataclass(frozen=True)
class Release:
    """One revision of a release, as Helm recorded it."""

    name: str
    namespace: str
    revision: int
    status: str
    chart: str
    version: str
    values: dict[str, Any]
    manifest: str
    record: str
    """Name of the Secret that holds it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The labels of that Secret, Helm's own among them."""

    @functools.cached_property
    def objects(self) -> list[dict[str, Any]]:
        """The objects of the release, hooks left out, definitions without their `spec`.

        Not to be changed: they are read once, since that takes time. Definitions are nine tenths of it, for schemas
        that nobody looks at.
        """
        return [self._as_applied(obj) for obj in parse_objects(self.manifest)]

    def _as_applied(self, obj: dict[str, Any]) -> dict[str, Any]:
        """As Helm applies it: charts leave out the namespace, and Helm adds the marks of its ownership."""
        meta = obj["metadata"]
        marks = {"meta.helm.sh/release-name": self.name, "meta.helm.sh/release-namespace": self.namespace}
        annotations = {**(meta.get("annotations") or {}), **marks}
        labels = {**(meta.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
        placed = {"namespace": self.namespace, **meta, "annotations": annotations, "labels": labels}
        return {**obj, "metadata": placed}


@functools.lru_cache(maxsize=32)
def parse_objects(printed: str) -> tuple[dict[str, Any], ...]:
    """The objects of a rendered chart, definitions without their `spec`. Not to be changed: they are read once."""
    found = (load_yaml(_without_schema(document)) for document in printed.split("\n---"))
    return tuple(obj for obj in found if obj)


def _without_schema(document: str) -> str:
    """A CustomResourceDefinition up to its `spec`, everything else whole."""
    head, separator, _ = document.partition("\nspec:")
    is_definition = "\nkind: CustomResourceDefinition\n" in f"\n{head}\n" and "\nmetadata:" in head
    return head if separator and is_definition else document


def parse_record(secret: dict[str, Any]) -> Release:
    """Decode a Secret of type helm.sh/release.v1: base64 in base64 over gzip over JSON."""
    meta = secret["metadata"]
    labels = tuple(sorted((meta.get("labels") or {}).items()))
    return _decode(secret["data"]["release"], meta["name"], meta["namespace"], labels)


@functools.lru_cache(maxsize=32)
def _decode(encoded: str, record: str, namespace: str, labels: tuple[tuple[str, str], ...]) -> Release:
    """A record never changes, and definitions make it large: each is decoded once a run."""
    content = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(encoded))))
    chart = content["chart"]["metadata"]
    return Release(
        name=content["name"],
        namespace=content.get("namespace", namespace),
        revision=int(content["version"]),
        status=content["info"]["status"],
        chart=chart["name"],
        version=chart["version"],
        values=content.get("config") or {},
        manifest=content.get("manifest", ""),
        record=record,
        labels=dict(labels),
    )


def newest_first(secrets: Sequence[dict[str, Any]]) -> list[Release]:
    """The revisions in these Secrets, the newest first."""
    return sorted((parse_record(secret) for secret in secrets), key=lambda release: -release.revision)


@dataclass(frozen=True)
class Helm:
    """Builds command lines for one cluster, always named by kubeconfig and context."""

    program: Path
    kubeconfig: Path
    context: str
    version: tuple[int, int] = (4, 0)

    def _argv(self, *words: str | Path) -> list[str | Path]:
        return [self.program, *words, "--kubeconfig", self.kubeconfig, "--kube-context", self.context]

    def upgrade(
        self, release: str, chart: Path, namespace: str, values: Sequence[Path], labels: Mapping[str, str]
    ) -> list[str | Path]:
        """Install or upgrade; the release's records carry `labels` from the first moment on.

        Without --wait: health is watched by the stage, which knows that a gateway's Service gets no address before
        there is a tunnel. Conflicts are forced: what somebody changed by hand is what is being put back. Helm 4 forces
        them only where it applies on the server, and by itself does that only if the release's last record says so,
        which one of Helm 3 doesn't: so it is told to, and takes over what Helm 3 managed (helm v4.2.4,
        pkg/action/upgrade.go, getUpgradeServerSideValue; pkg/kube/client.go, ClientUpdateOptionServerSideApply).
        Helm 3 knows no conflicts, and neither flag: it patches, also what Helm 4 applied.
        """
        forced = ["--server-side=true", "--force-conflicts"] if self.version >= (4, 0) else []
        marks = [word for key, value in labels.items() for word in ("--labels", f"{key}={value}")]
        flags = ("--install", "--namespace", namespace, "--create-namespace", *forced, *marks)
        return self._argv("upgrade", release, chart, *flags, *_files(values))

    def template(self, release: str, chart: Path, namespace: str, values: Sequence[Path]) -> list[str | Path]:
        """Print the objects that an upgrade would apply. No cluster is asked."""
        return [self.program, "template", release, chart, "--namespace", namespace, "--include-crds", *_files(values)]

    def uninstall(self, release: str, namespace: str) -> list[str | Path]:
        """Remove the release with its records; one that isn't there is fine."""
        return self._argv("uninstall", release, "--namespace", namespace, "--ignore-not-found")


def _files(values: Sequence[Path]) -> list[str | Path]:
    return [word for path in values for word in ("--values", path)]


def version_argv(program: Path) -> list[str | Path]:
    """Print the program's version, and nothing else."""
    return [program, "version", "--template", "{{.Version}}"]


def parse_version(printed: str) -> tuple[int, int]:
    """Major and minor. Raises MachineError for a Helm that is too old."""
    found = re.match(r"v?(\d+)\.(\d+)", printed.strip())
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < FIRST_WITH_LABELS:
        raise MachineError(
            f"this Helm is {printed.strip() or 'of an unknown version'}",
            why="versions older than 3.13 can't label a release, and the label is how a teardown knows what is ours",
            remedy="install Helm 3.13 or later, or 4",
        )
    return version


def merge_values(layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Values as Helm merges several files: maps are merged, everything else is replaced by the later one. Pure."""
    return functools.reduce(_merge, layers, {})


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both_maps = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merge(result[key], value) if both_maps else value
    return result
