"""The recordings of Argo's controller, held against the controller that runs here: a newer one is noticed.

What differs is a fact of the new version: `python tests/e2e/argo_recorder.py` records it, and then
tests/unit/test_demo_world_recorded.py says what `demo_world` has to learn.
"""

from __future__ import annotations

import pytest
from argo_recorder import plugin_of, record
from support.argo_recorded import LEFT_TO_CHANCE, Recorded, differences, read
from support.argo_scenes import SCENES
from tool import Ended, Tool

from canarylab.kube.client import Cluster


@pytest.fixture(scope="module")
def recorded(first_up: Ended, tool: Tool) -> dict[str, Recorded]:  # noqa: ARG001 - a cluster that is up
    plugin = plugin_of(tool.program("kubectl-argo-rollouts"), tool.kubeconfig, tool.profile)
    return record(Cluster(tool.kubeconfig, tool.profile), plugin)


@pytest.mark.parametrize("scene", [scene.name for scene in SCENES])
def test_the_controller_does_what_was_recorded(recorded: dict[str, Recorded], scene: str) -> None:
    assert differences(read(scene), recorded[scene], LEFT_TO_CHANCE) == []
