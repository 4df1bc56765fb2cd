"""Kind `manifests`: plain Kubernetes objects from a file or a folder, applied server-side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from canarylab.contract.cause import Cause
from canarylab.contract.context import Context
from canarylab.contract.stage import Change, StageOptions
from canarylab.errors import StageError
from canarylab.events import Notice
from canarylab.kube.apply import PATH_PATTERN, Comparison, IgnoredFields, in_namespace, placed
from canarylab.kube.objects import Object, dig, identity
from canarylab.kube.workloads import with_images
from canarylab.paths import normal
from canarylab.rollouts.causes import degraded, invalid
from canarylab.rollouts.causes.uninjected import refuse_uninjected
from canarylab.rollouts.validation import failing_requests, replicas
from canarylab.rollouts.validation.manifests import refuse_known_bad
from canarylab.rollouts.validation.missing_images import refuse_missing
from canarylab.rollouts.validation.other_rollouts import refuse_lost
from canarylab.rollouts.validation.references import refuse_dangling
from canarylab.stages import certificates
from canarylab.stages.objects import ObjectsStage, unapplied
from canarylab.yamlfile.kubernetes_yaml import read_documents


class KeptFields(StageOptions):
    """Fields that the playbook sets once and leaves alone afterwards."""

    kind: str = Field(description="kind of the objects, such as Rollout")
    fields: tuple[Annotated[str, Field(pattern=PATH_PATTERN)], ...] = Field(
        description="paths such as spec.template.spec.containers[*].image"
    )


class ManifestsOptions(StageOptions):
    """Where the objects are written down, and which of their fields are others' to change."""

    path: str = Field(description="a YAML file, or a folder of them")
    namespace: str = Field("default", description="namespace of objects that name none")
    ignore_differences: tuple[KeptFields, ...] = Field(
        (), alias="ignore-differences", description="fields set at creation and left to others afterwards"
    )


class ManifestsStage(ObjectsStage[ManifestsOptions]):
    """Known mistakes in the files are found and explained before anything of the playbook is applied."""

    kind: ClassVar[str] = "manifests"
    Options: ClassVar[type[StageOptions]] = ManifestsOptions

    @property
    def _path(self) -> Path:
        return normal(self.base / self.options.path)

    def check(self) -> None:
        if not (documents := self._documents()):
            what = f"there is no manifest in {self._path}"
            raise self.problem("path", what, "put Kubernetes objects there, in files that end in .yaml or .yml")
        refuse_known_bad(documents)

    def preflight(self, ctx: Context) -> None:
        documents = self.written()
        refuse_missing(ctx, documents)
        refuse_dangling(ctx, documents, lambda: _written(ctx))
        refuse_lost(ctx, documents, lambda: _written(ctx))
        declared = [obj for _, obj in _written(ctx)]
        for words in (*replicas.told(ctx, documents, declared), *failing_requests.told(ctx, documents, declared)):
            ctx.emit(Notice(words))

    def objects(self, ctx: Context) -> list[dict[str, Any]]:
        found = (placed(ctx.cluster, obj, self.options.namespace) for _, obj in self._documents())
        return [with_images(obj, ctx.provider.images.reference) for obj in found]

    def health(self, ctx: Context) -> str | None:
        if reason := super().health(ctx):
            invalid.raise_if_permanent(ctx, self.objects(ctx), lambda: _written(ctx))
            degraded.raise_if_permanent(ctx, self.objects(ctx))
        else:
            refuse_uninjected(ctx, self.objects(ctx))
        return reason

    def cause(self, ctx: Context) -> Cause | None:
        return degraded.cause(ctx, self.objects(ctx), lambda: unapplied(ctx))

    def observe(self, ctx: Context) -> list[Comparison]:
        ctx.ownership.refuse_shared_gateways(ctx, self.name, self.objects(ctx))
        found = super().observe(ctx)
        return [replace(one, outdated=certificates.is_outdated(ctx, one.wanted)) if one.live else one for one in found]

    def changes(self, observed: list[Comparison]) -> list[Change]:
        return [*super().changes(observed), *(certificates.change(one.wanted) for one in observed if one.outdated)]

    def apply(self, ctx: Context, observed: list[Comparison]) -> None:
        super().apply(ctx, observed)
        certificates.restart(ctx, [one.wanted for one in observed if one.outdated])

    def origin(self, ctx: Context, obj: dict[str, Any]) -> str:  # noqa: ARG002 - the files say it
        """The file that the object stands in."""
        files = (file for file, one in self._documents() if identity(one) == identity(obj))
        return str(next(files, self._path))

    def declared(self) -> Sequence[dict[str, Any]]:
        return [obj for _, obj in self._documents()]

    def kept(self) -> Sequence[IgnoredFields]:
        return [IgnoredFields(rule.kind, rule.fields) for rule in self.options.ignore_differences]

    def written(self) -> list[tuple[Path, dict[str, Any]]]:
        """Without a cluster, every object counts as one of a namespace: who looks for the others asks for none."""
        return [(file, in_namespace(obj, self.options.namespace)) for file, obj in self._documents()]

    def _documents(self) -> list[tuple[Path, dict[str, Any]]]:
        """Every object with the file it stands in."""
        path = self._path
        if not path.exists():
            raise self.problem("path", f"there is no {path}", "fix the playbook's path")
        files = [path]
        if path.is_dir():
            files = sorted(found for found in path.iterdir() if found.suffix in (".yaml", ".yml"))
        return [(file, obj) for file in files for obj in _load(file)]


def _written(ctx: Context) -> list[tuple[Path, Object]]:
    """The objects of all manifests of the playbook."""
    return [found for stage in ctx.playbook.stages for found in stage.written()]


def _load(file: Path) -> list[dict[str, Any]]:
    documents = read_documents(file)
    for number, document in enumerate(documents, 1):
        if not _is_object(document):
            raise StageError(
                f"document {number} isn't a Kubernetes object",
                where=str(file),
                why="it lacks apiVersion, kind or metadata.name",
                remedy="fix the file, or keep it elsewhere if it isn't a manifest",
            )
    return documents


def _is_object(document: Any) -> bool:
    return all(dig(document, *path) for path in (("metadata", "name"), ("apiVersion",), ("kind",)))
