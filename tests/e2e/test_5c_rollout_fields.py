"""The list of a Rollout's fields, by which docs/rollout-fields.md is held, is that of the Argo that is installed."""

from __future__ import annotations

import json
from pathlib import Path

from support.rollout_fields import fields_of, listed


def test_the_list_has_the_fields_of_the_definition(programs: Path) -> None:
    objects = json.loads((programs / "argo-rollouts.json").read_text())
    definitions = (one for one in objects if one["kind"] == "CustomResourceDefinition")
    [rollouts] = (one for one in definitions if one["metadata"]["name"] == "rollouts.argoproj.io")
    assert fields_of(rollouts) == listed()
