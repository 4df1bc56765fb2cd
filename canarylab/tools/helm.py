"""Helm: its command lines, and its release records as they lie in the cluster."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

RECORD_LABELS = {"owner": "helm"}
"""The labels of the Secrets in which Helm keeps one record a revision (helm.sh, "storage backends")."""

UNFINISHED = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling", "failed")
"""The states in which a killed or failed Helm leaves a release; it then refuses with "another operation is in
progress" (helm/helm#4558, #10599) or "has no deployed releases"."""


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

    @functools.cached_property
    def objects(self) -> list[dict[str, Any]]:
        """The objects of the release, hooks left out, definitions without their `spec`.

        Not to be changed: they are read once, since that takes time. Definitions are nine tenths of it, for schemas
        that nobody looks at.
        """
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        documents = self.manifest.split("\n---")
        found = (yaml.load(_without_schema(document), Loader=loader) for document in documents)
        return [self._as_applied(obj) for obj in found if obj]

    def _as_applied(self, obj: dict[str, Any]) -> dict[str, Any]:
        """As Helm applies it: charts leave out the namespace, and Helm adds the marks of its ownership."""
        meta = obj["metadata"]
        marks = {"meta.helm.sh/release-name": self.name, "meta.helm.sh/release-namespace": self.namespace}
        annotations = {**(meta.get("annotations") or {}), **marks}
        labels = {**(meta.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
        placed = {"namespace": self.namespace, **meta, "annotations": annotations, "labels": labels}
        return {**obj, "metadata": placed}


def _without_schema(document: str) -> str:
    """A CustomResourceDefinition up to its `spec`, everything else whole."""
    head, separator, _ = document.partition("\nspec:")
    is_definition = "\nkind: CustomResourceDefinition\n" in f"\n{head}\n" and "\nmetadata:" in head
    return head if separator and is_definition else document


def parse_record(secret: dict[str, Any]) -> Release:
    """Decode a Secret of type helm.sh/release.v1: base64 in base64 over gzip over JSON."""
    meta = secret["metadata"]
    return _decode(secret["data"]["release"], meta["name"], meta["namespace"])


@functools.lru_cache(maxsize=32)
def _decode(encoded: str, record: str, namespace: str) -> Release:
    """A record never changes, and definitions make it large: each is decoded once a run."""
    packed = base64.b64decode(base64.b64decode(encoded))
    content = json.loads(gzip.decompress(packed))
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
    )


def newest_first(secrets: Sequence[dict[str, Any]]) -> list[Release]:
    return sorted((parse_record(secret) for secret in secrets), key=lambda release: -release.revision)


@dataclass(frozen=True)
class Helm:
    """Builds command lines for one cluster, always named by kubeconfig and context."""

    program: Path
    kubeconfig: Path
    context: str

    def _argv(self, *words: str | Path) -> list[str | Path]:
        return [self.program, *words, "--kubeconfig", self.kubeconfig, "--kube-context", self.context]

    def upgrade(self, release: str, chart: Path, namespace: str, values: Sequence[Path]) -> list[str | Path]:
        """Install or upgrade.

        Without --wait: health is watched by the stage, which knows that a gateway's Service gets no address before
        there is a tunnel. Conflicts are forced (Helm 4): what somebody changed by hand is what is being put back.
        """
        files = [word for path in values for word in ("--values", path)]
        flags = ("--install", "--namespace", namespace, "--create-namespace", "--force-conflicts")
        return self._argv("upgrade", release, chart, *flags, *files)

    def uninstall(self, release: str, namespace: str) -> list[str | Path]:
        return self._argv("uninstall", release, "--namespace", namespace, "--ignore-not-found")


def merge_values(layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Values as Helm merges several files: maps are merged, everything else is replaced by the later one. Pure."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer)
    return merged


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both_maps = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merge(result[key], value) if both_maps else value
    return result
