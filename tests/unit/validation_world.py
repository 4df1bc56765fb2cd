"""Manifests whose mistakes are looked for before anything is applied, and what is said of the first."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import context_of

from canarylab.errors import StageError
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage


class Playbook:
    """Stages of manifests in namespace `shop`, each a folder with one file."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.cluster: FakeCluster | None = None
        self.stages: list = []

    def add(self, name: str, *texts: str) -> ManifestsStage:
        (self.base / name).mkdir()
        (self.base / name / "all.yaml").write_text("---\n".join(texts))
        stage = ManifestsStage(name, ManifestsOptions(path=name, namespace="shop"))
        self.stages.append(stage)
        return stage

    def preflight(self) -> None:
        ctx = context_of(*self.stages, provider=FakeProvider(self.cluster), base=self.base)
        for stage in self.stages:
            stage.preflight(ctx)

    def refusal(self) -> tuple[StageError, str]:
        """What is said, and the line that it is said of."""
        with pytest.raises(StageError) as raised:
            self.preflight()
        file, line = str(raised.value.where).rsplit(":", 1)
        return raised.value, Path(file).read_text().splitlines()[int(line) - 1].strip()
